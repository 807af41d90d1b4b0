"""What may others see of the warehouse?  No personal columns, and no id that is an e-mail address.

Columns tagged ``pii`` (`crm_analytics.warehouse.privacy_tags`) are left empty, and so are columns of our
tables that nobody tagged; an id that holds an "@" becomes a keyed hash (HMAC-SHA-256, RFC 2104; the first 32
hexadecimal digits) in every table alike, so that what is published still joins. The key is made once per
warehouse and never leaves it.
"""

from __future__ import annotations

import secrets

from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.identifiers import quote_ident, quote_table
from crm_analytics.warehouse.privacy_tags import privacy_tags

KEY_NAME = "published_id_key"

_KEPT_ROWS = {"ops.settings": "name not in ($key_name, 'audit_head')"}

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
    columns = wh.rows(
        f"select column_name, column_type, \"null\" = 'YES' from (describe {quote_table(table)})"
    )
    outputs = [
        f"{_masked(table, column, type_, nullable)} as {quote_ident(column)}"
        for column, type_, nullable in columns
    ]
    where = f"{where} and {_KEPT_ROWS.get(table, 'true')}"
    sql = f"select {', '.join(outputs)} from {quote_table(table)} where {where}"
    inner, outer = pads(bytes.fromhex(prepare_key(wh)))
    known: dict[str, object] = {"inner_pad": inner, "outer_pad": outer, "key_name": KEY_NAME}
    return sql, {key: value for key, value in known.items() if f"${key}" in sql}


def masked_customer(name: str) -> str:
    """Return the SQL expression for a customer_id, given ``inner_pad`` and ``outer_pad`` (`pads`)."""
    # "system:source_id": the system stays readable, the source id is hashed as everywhere else.
    start = f"instr({name}, ':')"
    hashed = f"left({name}, {start}) || {_HASH.format(text=f'substr({name}, {start} + 1)')}"
    return _SOURCE_ID.format(column=name, hash=hashed)


def prepare_key(wh: Warehouse) -> str:
    """Return the warehouse's key, made on first use."""
    key: str | None = wh.value("select value from ops.settings where name = $name", name=KEY_NAME)
    if key is None:
        key = secrets.token_hex(32)
        wh.execute("insert into ops.settings (name, value) values ($name, $value)", name=KEY_NAME, value=key)
    return key


def _masked(table: str, column: str, sql_type: str, is_nullable: bool) -> str:
    """Return the SQL expression for one column."""
    name = quote_ident(column)
    tags = privacy_tags().get(table)  # None: a table of the user's own
    if tags is not None and tags.columns.get(column, "pii") == "pii":
        return "null" if is_nullable else f"cast('' as {sql_type})"
    if column in ("customer_id", "lead_id", "left_id", "right_id") or column.endswith("_customer_id"):
        return masked_customer(name)
    if column == "source_id" or column.endswith("_source_id"):
        return _SOURCE_ID.format(column=name, hash=_HASH.format(text=name))
    return name


def pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and outer key of HMAC-SHA-256 (RFC 2104), padded from a key of at most 64 bytes."""
    padded = key.ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
