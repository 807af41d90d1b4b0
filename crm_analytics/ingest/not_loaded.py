"""Is a file a table of a known system that tells of none of our entities?  Then that is said, and why.

``not_loaded.toml`` lists such tables by their columns: tags, names of stages, settings ... A folder of a
connector is full of them, and they are no mistakes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crm_analytics.ingest.headers import fold_header

REASON = "not_loaded"
# A table with as many listed columns may have others beside them; one with fewer has only those.
_ENOUGH = 8
# How names begin that a connector adds to every table.
_ADDED = "_"


@dataclass(frozen=True)
class TableNotLoaded:
    """A table that is known and not loaded: whose, which, why."""

    system: str
    table: str
    why: str


def table_not_loaded(names: Iterable[str]) -> TableNotLoaded | None:
    """Return which known table that is not loaded has these columns, or None.

    Examples
    --------
    >>> found = table_not_loaded(["deal_id", "merged_deal_id", "_fivetran_synced"])
    >>> found.system, found.table
    ('hubspot', 'merged_deal')
    >>> table_not_loaded(["id", "name"]) is None
    True
    """
    given = [name for name in names if name.strip()]
    folded = {fold_header(name) for name in given}
    own = {fold_header(name) for name in given if not name.strip().startswith(_ADDED)}
    for columns, table in _tables().items():
        if columns <= folded and (len(columns) >= _ENOUGH or own <= columns):
            return table
    return None


@cache
def tables_not_loaded() -> tuple[TableNotLoaded, ...]:
    """Return the tables that are known and not loaded, by system and reason."""
    return tuple(
        TableNotLoaded(system, table, why)
        for title, listed in _read().items()
        for system, _, why in [title.partition(": ")]
        for table in listed
    )


@cache
def _tables() -> Mapping[frozenset[str], TableNotLoaded]:
    columns = [names for listed in _read().values() for names in listed.values()]
    folded = (frozenset(map(fold_header, names)) for names in columns)
    return dict(zip(folded, tables_not_loaded(), strict=True))


@cache
def _read() -> Mapping[str, Mapping[str, list[str]]]:
    text = (Path(__file__).parent / "not_loaded.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
