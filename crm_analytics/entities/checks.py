"""Do the entities hold together, and how good are they?  Runs the rules of ``checks/`` and ``quality/``.

A file of ``checks/*.sql`` returns the bad rows of one rule; a file of ``quality/*.sql`` counts rows and bad
rows per entity, field, source system and owner. What becomes of a night when too much is bad, the file's
own header says (``gate: warn above 0``, ``gate: stop above 0.5``). Findings hold counts, never values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crm_analytics.warehouse import SqlFile, Warehouse

if TYPE_CHECKING:
    import pandas as pd

FOLDERS = (Path(__file__).parent / "checks", Path(__file__).parent / "quality")

# A share of fewer rows says little: it gates nothing.
ENOUGH_ROWS = 20
_PLACE = ["entity", "field", "source_system"]


@dataclass(frozen=True)
class Finding:
    """One rule that more rows break than its header allows.

    Attributes
    ----------
    check : str
        Name of the rule: its file without the ending.
    purpose : str
        The question that the rule asks.
    row_count : int
        Bad rows.
    gate : {"warn", "stop"}
        What becomes of the night.
    where : str
        Entity, field and system, with the share of bad rows; empty for a rule of ``checks/``.
    """

    check: str
    purpose: str
    row_count: int
    gate: Literal["warn", "stop"] = "warn"
    where: str = ""

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.check}: {self.row_count:,} rows{place}. {self.purpose}"


def rules() -> list[SqlFile]:
    """Return every rule: those of ``checks/``, then those of ``quality/``, by name."""
    return [SqlFile.load(path) for folder in FOLDERS for path in sorted(folder.glob("*.sql"))]


def quality_names() -> list[str]:
    """Return the names of the checks that `quality` measures.

    Examples
    --------
    >>> "completeness" in quality_names()
    True
    """
    return [rule.path.stem for rule in rules() if rule.kind == "quality"]


def run(wh: Warehouse, *, as_of: date | None = None) -> list[Finding]:
    """Run every rule that has a gate and return what is beyond its limit, in the order of `rules`.

    Parameters
    ----------
    wh : Warehouse
    as_of : date, optional
        First day not seen; rules that ask how old something is are left out without it.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     run(wh)
    []
    """
    findings: list[Finding] = []
    for rule in rules():
        if rule.gate and (as_of is not None or "as_of" not in rule.parameters):
            findings += _findings(rule, _result(wh, rule, as_of))
    return findings


def quality(wh: Warehouse, *, as_of: date | None = None, by_owner: bool = False) -> pd.DataFrame:
    """Measure the data: completeness, validity, duplicates, staleness, relations that find their row.

    Parameters
    ----------
    wh : Warehouse
    as_of : date, optional
        First day not seen; staleness is left out without it.
    by_owner : bool, default False
        One row per owner (user who looks after the records) instead of one per source system?

    Returns
    -------
    DataFrame
        ``check`` (file of ``quality/``), ``entity``, ``field``, ``source_system`` (and with `by_owner`
        ``owner_source_id``, empty where there is none), ``row_count``, ``bad_count``, ``good_rate``
        (1 = all rows are good), ``gate`` ("warn", "stop", or empty), ``limit_rate`` (share of bad rows that
        is allowed; missing without a gate), ``is_beyond_limit``. The worst of each check come first.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     quality(wh).empty
    True
    """
    import pandas as pd

    parts = []
    for rule in rules():
        if rule.kind != "quality" or (as_of is None and "as_of" in rule.parameters):
            continue
        measured = _by(_result(wh, rule, as_of), [*_PLACE, *(["owner_source_id"] if by_owner else [])])
        measured.insert(0, "check", rule.path.stem)
        measured["good_rate"] = 1 - measured["bad_count"] / measured["row_count"]
        measured["gate"] = rule.gate
        measured["limit_rate"] = rule.limit if rule.gate else float("nan")
        measured["is_beyond_limit"] = _is_beyond(rule, measured)
        parts.append(measured.sort_values(["good_rate", *measured.columns[1:4]], kind="stable"))
    return pd.concat(parts, ignore_index=True)


def _result(wh: Warehouse, rule: SqlFile, as_of: date | None) -> pd.DataFrame:
    return wh.frame(rule, **({"as_of": as_of} if "as_of" in rule.parameters else {}))


def _findings(rule: SqlFile, result: pd.DataFrame) -> Iterator[Finding]:
    gate: Literal["warn", "stop"] = "stop" if rule.gate == "stop" else "warn"
    if rule.kind == "check":
        if len(result) > rule.limit:
            yield Finding(rule.path.stem, rule.purpose, len(result), gate)
        return
    places = _by(result, _PLACE)
    for place in places[_is_beyond(rule, places)].itertuples():
        share = place.bad_count / place.row_count
        where = f"{place.entity}.{place.field} of {place.source_system}: {share:.1%} of {place.row_count:,}"
        yield Finding(rule.path.stem, rule.purpose, int(place.bad_count), gate, where)


def _is_beyond(rule: SqlFile, counted: pd.DataFrame) -> pd.Series:
    beyond = counted["bad_count"] > rule.limit * counted["row_count"]
    return beyond & (counted["row_count"] >= ENOUGH_ROWS) & bool(rule.gate)


def _by(result: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return result.groupby(keys, as_index=False, sort=True)[["row_count", "bad_count"]].sum()
