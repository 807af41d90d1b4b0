"""What is new in the record store since change number n?  One Arrow table per entity, in change order.

Change numbers are taken inside the writing transaction, and only one transaction writes at a time, so
whoever has seen number n has seen every change up to n: a late commit cannot slip in below it, in
PostgreSQL either (docs/decisions/0019).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from crm_analytics.errors import UsageError
from crm_analytics.records import statements
from crm_analytics.records.statement import Statement
from crm_analytics.records.store import RecordStore
from crm_analytics.records.tables import VERSION_COLUMNS, decimal_digits, record_tables
from crm_analytics.schema import Column

_LAST = 2**63 - 1
_ARROW = {
    "TEXT": pa.string(),
    "CURRENCY": pa.string(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}
_VERSION_TYPES = {
    "change_number": pa.int64(),
    "version": pa.int64(),
    "recorded_at": pa.timestamp("us", tz="UTC"),
    "changed_by": pa.string(),
    "is_deleted": pa.bool_(),
}


@dataclass(frozen=True)
class Erasure:
    """One record that was erased: nothing of it is left but a keyed hash of its key.

    Attributes
    ----------
    change_number, entity, recorded_at
        Which change it was, of what, and when.
    key_hash : str
        `RecordStore.hash_of` of the entity and the record's key.
    """

    change_number: int
    entity: str
    key_hash: str
    recorded_at: datetime


def changes(records: RecordStore, entity: str, since: int, *, until: int | None = None) -> pa.Table:
    """Return every version of an entity with ``since < change_number <= until``, in change order.

    Parameters
    ----------
    records : RecordStore
        Where from.
    entity : str
        An entity of the record store.
    since : int
        The last change number that is known already; 0 gives everything.
    until : int, optional
        The last change number wanted; default is everything committed so far.

    Returns
    -------
    pyarrow.Table
        ``change_number``, the declared columns in their exact types (money as decimal128), ``version``,
        ``recorded_at`` (UTC), ``changed_by``, ``is_deleted``.

    Examples
    --------
    >>> with RecordStore.open(":memory:") as records:
    ...     _ = records.products.add({"source_id": "P1", "unit_price": "19.99", "currency": "EUR"})
    ...     new = changes(records, "products", since=0)
    >>> new.column("change_number").to_pylist(), new.column("unit_price").to_pylist()
    ([1], [Decimal('19.9900')])
    """
    if since < 0:
        raise UsageError(f"since={since} must be 0 (everything) or a change number.")
    records.entity(entity)
    tables = record_tables()[entity]
    wanted = Statement(statements.changes_since(tables), records.database.dialect)
    rows = records.database.run(wanted, {"since": since, "until": _LAST if until is None else until})
    table = records.entity(entity).table
    for _, *row in rows:
        table.record(row)  # raises when a version is not what was written
    types = _VERSION_TYPES | {column.name: _arrow_type(column) for column in tables.entity.columns}
    names = ("change_number", *tables.entity.column_names, *VERSION_COLUMNS)
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    columns = columns[: len(names)]  # without the digest
    return pa.table(
        {name: pa.array(values, type=types[name]) for name, values in zip(names, columns, strict=True)}
    )


def erasures(records: RecordStore, since: int, *, until: int | None = None) -> list[Erasure]:
    """Return what was erased with ``since < change_number <= until``, in change order.

    Examples
    --------
    >>> with RecordStore.open(":memory:") as records:
    ...     _ = records.customers.add({"source_id": "C1", "name": "Ada"})
    ...     _ = records.erase_customer("C1")
    ...     [erasure] = erasures(records, since=0)
    >>> erasure.entity, erasure.change_number, len(erasure.key_hash)
    ('customers', 2, 64)
    """
    wanted = Statement(statements.erasures_since(), records.database.dialect)
    rows = records.database.run(wanted, {"since": since, "until": _LAST if until is None else until})
    return [Erasure(*row) for row in rows]


def _arrow_type(column: Column) -> pa.DataType:
    digits = decimal_digits(column)
    return pa.decimal128(*digits) if digits is not None else _ARROW[column.type]
