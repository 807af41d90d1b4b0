"""What of the warehouse is personal, and what does erasing a person do to it?  One tag for every column.

Columns of entities are tagged where they are declared (``schema/*.toml``), all others in
``privacy_tags.toml``, which also says what becomes of each table when a person is erased. `untagged` compares
that with what a warehouse really holds.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crm_analytics.errors import StoreError
from crm_analytics.schema import SYSTEM_COLUMNS, entities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crm_analytics.warehouse.connection import Warehouse

Privacy = Literal["pii", "quasi", "none"]
EraseRule = Literal["rows", "mentions", "keep", "run"]
_RULES = ("rows", "mentions", "keep", "run")
_COLUMNS = """
    select schema_name || '.' || table_name, column_name
    from duckdb_columns()
    semi join (select schema_name, table_name from duckdb_tables() where not internal and not temporary)
        using (schema_name, table_name)
    where database_name = current_database()
    order by all"""


@dataclass(frozen=True)
class TableTags:
    """The privacy of one table.

    Attributes
    ----------
    erase : {"rows", "mentions", "keep", "run"}
        Rows of an erased person go; they stay and texts are emptied that hold something of the person; the
        table holds nothing of a person; or it is in published runs alone, which are removed whole.
    columns : mapping of str to {"pii", "quasi", "none"}
        Every column.
    keys : mapping of str to str
        Column -> entity of which it holds the key (``system:id``); by these rows are found. ``source_id``
        stands for the key that it makes together with ``source_system``.
    """

    erase: EraseRule
    columns: Mapping[str, Privacy]
    keys: Mapping[str, str]


@cache
def privacy_tags() -> Mapping[str, TableTags]:
    """Return the tags of every table, by ``schema.table``.

    Examples
    --------
    >>> privacy_tags()["ops.quarantine"].columns["raw"], privacy_tags()["scores.clv"].erase
    ('pii', 'rows')
    """
    text = Path(__file__).with_name("privacy_tags.toml").read_text(encoding="utf-8")
    found: dict[str, TableTags] = {}
    for name, told in tomllib.loads(text).items():
        columns: dict[str, Privacy] = {}
        tags: tuple[Privacy, ...] = ("pii", "quasi", "none")
        for tag in tags:
            for column in told.get(tag, ()):
                if column in columns:
                    raise StoreError(f"privacy_tags.toml: {name}.{column} is tagged twice.")
                columns[column] = tag
        if told["erase"] not in _RULES:
            raise StoreError(f"privacy_tags.toml: {name}: erase is one of {', '.join(_RULES)}.")
        found[name] = TableTags(told["erase"], columns, told.get("keys", {}))
    for entity in entities().values():
        of_entity: dict[str, Privacy] = {column.name: column.privacy for column in entity.columns}
        # row_id and content_id are digests of what the row says.
        of_system: dict[str, Privacy] = {
            name: "quasi" if name in ("row_id", "content_id") and name in SYSTEM_COLUMNS else "none"
            for name in entity.system_columns
        }
        found[f"entities.{entity.name}_versions"] = TableTags("rows", of_system | of_entity, {})
    return found


def untagged(wh: Warehouse) -> list[str]:
    """Return the columns of a warehouse that nobody tagged, as ``schema.table.column``.

    Examples
    --------
    >>> from crm_analytics.warehouse import Warehouse
    >>> with Warehouse.open() as wh:
    ...     wh.execute("create table scores.new (customer_id varchar)")
    ...     untagged(wh)
    0
    ['scores.new.customer_id']
    """
    tags = privacy_tags()
    return [
        f"{table}.{column}"
        for table, column in wh.rows(_COLUMNS)
        if table not in tags or column not in tags[table].columns
    ]
