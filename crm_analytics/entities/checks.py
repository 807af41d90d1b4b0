"""Do the entities hold together?  Runs every rule of ``checks/*.sql``; each returns the bad rows.

A rule has no severity of its own: who runs it decides what a finding means. Findings hold counts, never
values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crm_analytics.warehouse import SqlFile, Warehouse

FOLDER = Path(__file__).parent / "checks"


@dataclass(frozen=True)
class Finding:
    """One rule that some rows break.

    Attributes
    ----------
    check : str
        Name of the rule: its file without the ending.
    purpose : str
        The question that the rule asks.
    row_count : int
        Rows it returned.
    """

    check: str
    purpose: str
    row_count: int

    def __str__(self) -> str:
        return f"{self.check}: {self.row_count:,} rows. {self.purpose}"


def rules() -> list[SqlFile]:
    """Return every rule, by name."""
    return [SqlFile.load(path) for path in sorted(FOLDER.glob("*.sql"))]


def run(wh: Warehouse) -> list[Finding]:
    """Run every rule and return those that some rows break, by name.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     run(wh)
    []
    """
    findings = []
    for rule in rules():
        count = len(wh.frame(rule))
        if count:
            findings.append(Finding(rule.path.stem, rule.purpose, count))
    return findings
