"""Is a file a table of a known system that tells of none of our entities?  Then that is said, and why.

``not_loaded.toml`` lists such tables by their columns: tags, names of stages, settings ... A folder of a
connector is full of them, and they are no mistakes. Few columns prove little ("id, status, created_at" may be
anybody's): then the file has to be named like the table as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crm_analytics.ingest.headers import fold_header

REASON = "not_loaded"
# A table of so many listed columns may have others beside them; one of fewer has only those, and its name.
_ENOUGH = 8
# How names begin that a connector adds to every table.
_ADDED = "_"


@dataclass(frozen=True)
class TableNotLoaded:
    """A table that is known and not loaded: whose, which, why."""

    system: str
    table: str
    why: str


def table_not_loaded(names: Iterable[str], *, file: str) -> TableNotLoaded | None:
    """Return which known table that is not loaded has these columns, or None.

    Parameters
    ----------
    names : iterable of str
        Columns of the file.
    file : str
        Its name: the words of a small table's name must stand in it, in their order.

    Examples
    --------
    >>> columns = ["deal_id", "merged_deal_id", "_fivetran_synced"]
    >>> found = table_not_loaded(columns, file="export/hubspot_merged_deal_data.csv")
    >>> found.system, found.table
    ('hubspot', 'merged_deal')
    >>> table_not_loaded(columns, file="deals.csv") is None
    True
    """
    given = [name for name in names if name.strip()]
    folded = {fold_header(name) for name in given}
    own = {fold_header(name) for name in given if not name.strip().startswith(_ADDED)}
    base = _words(file.replace("\\", "/").rpartition("/")[2])
    for columns, table in _tables():
        if columns <= folded and (
            len(columns) >= _ENOUGH or (own <= columns and _words(table.table) in base)
        ):
            return table
    return None


def _words(name: str) -> str:
    """Return the words of a name in lower case, each between two marks."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return "".join(f"|{word}|" for word in re.findall(r"[a-z0-9]+", parted.lower()))


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
def _tables() -> tuple[tuple[frozenset[str], TableNotLoaded], ...]:
    columns = [names for listed in _read().values() for names in listed.values()]
    folded = (frozenset(map(fold_header, names)) for names in columns)
    return tuple(zip(folded, tables_not_loaded(), strict=True))


@cache
def _read() -> Mapping[str, Mapping[str, list[str]]]:
    text = (Path(__file__).parent / "not_loaded.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
