"""How are records kept in the database?  Two tables per entity, made from ``schema/*.toml``.

``<entity>_versions`` is append-only: every change is a row of its own with the declared columns, the
record's key, ``version`` (1, 2, ...), ``recorded_at`` (UTC), ``changed_by``, ``is_deleted`` and
``change_number``. ``<entity>`` holds one row per key and points at its latest version, which makes
reading a record two look-ups by primary key, however long its history.

``change_number`` counts all changes of all entities. It is taken from the single row of ``store``
inside the writing transaction, so numbers appear in the order of commits and without gaps.

``digest`` of a version is made from its values when it is written and compared when it is read, so that a
record whose bytes were altered on the disk is never handed out. ``erasures`` holds one row per erased
record: its change number and a keyed hash of its key, nothing else of it.

Money and quantities are exact: whole numbers of their smallest unit in SQLite, NUMERIC elsewhere.
Times are stored in UTC to the microsecond, dates as ISO text. Text sorts by code point everywhere.

References between records that people enter here (contacts, leads, opportunities, tickets) are
foreign keys. References to what exports hold as well (customers, products, users, campaigns,
orders) are plain text: an opt-out of a customer whom only the shop knows must not be refused, and
a stand-in customer entered to please a foreign key would overwrite the real one at the next sync.
Tasks reference as plain text throughout: the night writes them about anything in the warehouse.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import sqlalchemy as sa

from crm_analytics.schema import Column, Entity, entities

ENTERED_HERE = ("contacts", "leads", "opportunities", "tickets")
WITHOUT_FOREIGN_KEYS = ("tasks",)
LOOKED_UP_BY = ("email", "phone")
VERSION_COLUMNS = ("version", "recorded_at", "changed_by", "is_deleted")

_SMALLEST_UNITS_DIGITS = 18  # whole numbers of this many digits fit a 64-bit integer
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # sorts as SQLite does
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # INTEGER is SQLite's own row number


class ExactDecimal(sa.types.TypeDecorator[Decimal]):
    """A decimal of fixed places that never passes through a float."""

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision = precision
        self.scale = scale

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Whole numbers of the smallest unit in SQLite, which has no decimals; NUMERIC elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.Numeric(self.precision, self.scale))

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        """Turn 19.99 of four places into 199900."""
        if value is None or dialect.name != "sqlite":
            return value
        return int(value.scaleb(self.scale))

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        """Turn 199900 of four places into 19.9900."""
        if value is None or dialect.name != "sqlite":
            return value  # type: ignore[no-any-return]
        return Decimal(value).scaleb(-self.scale)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A moment, stored in UTC and given back in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn any zone into UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn the server's moment into UTC."""
        return None if value is None else value.astimezone(UTC)

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
        """Write SQLite's text in one step: a version has three of them."""
        return _text_of_utc if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Read SQLite's text, and say again that it is UTC, in one step: a read has three of them."""
        return _utc_of_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _text_of_utc(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _utc_of_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


@dataclass(frozen=True)
class EntityTables:
    """The two tables of one entity.

    Attributes
    ----------
    entity : Entity
        The declaration they were made from.
    key : str
        Column that identifies a record: ``source_id``, or ``record_id`` (the key's values as JSON)
        for an entity that has none.
    heads, versions : sqlalchemy.Table
        One row per record; one row per version of it.
    """

    entity: Entity
    key: str
    heads: sa.Table
    versions: sa.Table

    @property
    def record_columns(self) -> list[sa.Column[Any]]:
        """Columns of a version that make up a record, in the order of `Record`, and its digest."""
        return [self.versions.c[name] for name in (*self.entity.column_names, *VERSION_COLUMNS, "digest")]

    def key_of(self, values: Mapping[str, Any]) -> str:
        """Return the key column's text of a record's values."""
        if len(self.entity.key) == 1:
            return str(values[self.entity.key[0]])
        parts = [values[name] for name in self.entity.key]
        return json.dumps(
            [part.isoformat() if isinstance(part, date) else part for part in parts], ensure_ascii=False
        )


metadata = sa.MetaData()

# One row: who this store is (for sync), the number of its last change, the key of the erasures' hashes, and
# whether deleted bytes are still to leave the files.
store_table = sa.Table(
    "store",
    metadata,
    sa.Column("store_id", _TEXT, primary_key=True),
    sa.Column("last_change_number", _BIG, nullable=False),
    sa.Column("hash_key", _TEXT),
    sa.Column("wipe_due", sa.Boolean),
)

erasures_table = sa.Table(
    "erasures",
    metadata,
    sa.Column("change_number", _BIG, primary_key=True, autoincrement=False),
    sa.Column("entity", _TEXT, nullable=False),
    sa.Column("key_hash", _TEXT, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
)

migrations_table = sa.Table(
    "migrations",
    metadata,
    sa.Column("name", _TEXT, primary_key=True),
    sa.Column("applied_at", UtcTime, nullable=False),
)


@cache
def record_tables() -> dict[str, EntityTables]:
    """Return the tables of every entity that the record store keeps, by entity name.

    Examples
    --------
    >>> tables = record_tables()["customers"]
    >>> tables.key, tables.versions.name, tables.versions.primary_key.columns.keys()
    ('source_id', 'customers_versions', ['change_number'])
    """
    kept = (entity for entity in entities().values() if entity.in_record_store)
    return {entity.name: _entity_tables(entity) for entity in kept}


def fingerprint() -> str:
    """Return a digest of the declared columns: equal = the tables need no new column."""
    declared = [
        f"{name}.{column.name} {column.type}"
        for name, tables in record_tables().items()
        for column in tables.entity.columns
    ]
    return hashlib.sha256("\n".join(declared).encode()).hexdigest()[:16]


def decimal_digits(column: Column) -> tuple[int, int] | None:
    """Return (precision, scale) of a decimal column, None for any other.

    Examples
    --------
    >>> from crm_analytics.schema import entity
    >>> decimal_digits(entity("products").column("unit_price"))
    (18, 4)
    """
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", column.sql_type)
    return (int(found[1]), int(found[2])) if found else None


def is_foreign_key(entity: Entity, column: Column) -> bool:
    """Say whether a reference must point at a record of this store (see the top of this file)."""
    return column.refers in ENTERED_HERE and entity.name not in WITHOUT_FOREIGN_KEYS


def _entity_tables(entity: Entity) -> EntityTables:
    key = entity.key[0] if len(entity.key) == 1 else "record_id"
    heads = sa.Table(
        entity.name,
        metadata,
        sa.Column(key, _TEXT, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("change_number", _BIG, nullable=False),
        sa.Column("is_deleted", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    declared = [
        sa.Column(column.name, _sql_type(column), *_foreign_key(entity, column))
        for column in entity.columns
        if column.name != key
    ]
    versions = sa.Table(
        f"{entity.name}_versions",
        metadata,
        sa.Column("change_number", _BIG, primary_key=True, autoincrement=False),
        sa.Column(key, _TEXT, sa.ForeignKey(f"{entity.name}.{key}"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("recorded_at", UtcTime, nullable=False),
        sa.Column("changed_by", _TEXT),
        sa.Column("is_deleted", sa.Boolean, nullable=False),
        sa.Column("digest", _TEXT),
        *declared,
        sa.UniqueConstraint(key, "version"),
    )
    for column in entity.columns:
        if column.refers is not None or column.name in LOOKED_UP_BY:
            filled = versions.c[column.name].is_not(None)
            sa.Index(
                f"{entity.name}_by_{column.name}",
                versions.c[column.name],
                sqlite_where=filled,
                postgresql_where=filled,
            )
    return EntityTables(entity=entity, key=key, heads=heads, versions=versions)


def _foreign_key(entity: Entity, column: Column) -> list[sa.ForeignKey]:
    return [sa.ForeignKey(f"{column.refers}.source_id")] if is_foreign_key(entity, column) else []


def _sql_type(column: Column) -> sa.types.TypeEngine[Any]:
    digits = decimal_digits(column)
    if digits is not None:
        if digits[0] > _SMALLEST_UNITS_DIGITS:
            raise ValueError(f"{column.name}: {column.type} does not fit SQLite's 64-bit integers.")
        return ExactDecimal(*digits)
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "TEXT": _TEXT,
        "CURRENCY": _TEXT,
        "BIGINT": sa.BigInteger(),
        "BOOLEAN": sa.Boolean(),
        "DATE": sa.Date(),
        "TIMESTAMP": UtcTime(),
    }
    return types[column.type]
