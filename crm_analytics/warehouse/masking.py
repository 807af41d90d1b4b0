"""What may others see of the warehouse?  No personal columns, and no id that is an e-mail address.

Columns tagged ``pii`` in ``schema/*.toml`` are left empty, and an id that holds an "@" becomes a keyed
hash (HMAC-SHA-256, RFC 2104; the first 32 hexadecimal digits) in every table alike, so that what is
published still joins. The key is made once per warehouse and never leaves it.
"""

from __future__ import annotations

import secrets

from crm_analytics.schema import entities
from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.identifiers import quote_ident, quote_table

KEY_NAME = "published_id_key"

# Columns of the machinery that stay empty or out: raw records, messages and details that may show values to
# the person at the prompt who loads, and the key itself.
_WITHHELD = {
    "ops.quarantine": {"raw": "''::blob", "message": "''"},
    "ops.load_issues": {"detail": "''"},
    "ops.load_layouts": {"options": "'{}'"},
}
_KEPT_ROWS = {"ops.settings": "name <> $key_name"}

_HASH = "left(sha256($outer_pad || unhex(sha256($inner_pad || encode({text})))), 32)"
_SOURCE_ID = "case when contains({column}, '@') then {hash} else {column} end"
_BLOCK = 64


def masked_select(wh: Warehouse, table: str, *, where: str = "true") -> tuple[str, dict[str, object]]:
    """Return a SELECT over a table as others may see it, and its parameters.

    Parameters
    ----------
    wh : Warehouse
        Where the table is; its key is made on first use.
    table : str
        ``schema.table``.
    where : str
        Condition on the rows, fixed text of the caller; its parameters are added by the caller.
    """
    schema, _, name = table.partition(".")
    columns = [
        row[0]
        for row in wh.rows(
            "select column_name from duckdb_columns() where schema_name = $schema and table_name = $name "
            "and database_name = current_database() order by column_index",
            schema=schema,
            name=name,
        )
    ]
    outputs = [f"{_masked(table, column)} as {quote_ident(column)}" for column in columns]
    where = f"{where} and {_KEPT_ROWS.get(table, 'true')}"
    sql = f"select {', '.join(outputs)} from {quote_table(table)} where {where}"
    inner, outer = _pads(wh)
    known: dict[str, object] = {"inner_pad": inner, "outer_pad": outer, "key_name": KEY_NAME}
    return sql, {key: value for key, value in known.items() if f"${key}" in sql}


def prepare_key(wh: Warehouse) -> str:
    """Return the warehouse's key, made on first use."""
    key: str | None = wh.value("select value from ops.settings where name = $name", name=KEY_NAME)
    if key is None:
        key = secrets.token_hex(32)
        wh.execute("insert into ops.settings (name, value) values ($name, $value)", name=KEY_NAME, value=key)
    return key


def _masked(table: str, column: str) -> str:
    """Return the SQL expression for one column."""
    name = quote_ident(column)
    if column in _WITHHELD.get(table, {}):
        return _WITHHELD[table][column]
    if column in _personal_columns(table):
        return "null"
    if column in ("customer_id", "lead_id") or column.endswith("_customer_id"):
        # "system:source_id": the system stays readable, the source id is hashed as everywhere else.
        start = f"instr({name}, ':')"
        hashed = f"left({name}, {start}) || {_HASH.format(text=f'substr({name}, {start} + 1)')}"
        return _SOURCE_ID.format(column=name, hash=hashed)
    if column == "source_id" or column.endswith("_source_id"):
        return _SOURCE_ID.format(column=name, hash=_HASH.format(text=name))
    return name


def _personal_columns(table: str) -> frozenset[str]:
    declared = entities().get(table.removeprefix("entities.").removesuffix("_versions"))
    if declared is None or not table.startswith("entities."):
        return frozenset()
    return frozenset(column.name for column in declared.columns if column.privacy == "pii")


def _pads(wh: Warehouse) -> tuple[bytes, bytes]:
    """Return the two padded keys of HMAC (RFC 2104), from the warehouse's own key."""
    key = prepare_key(wh)
    padded = bytes.fromhex(key).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
