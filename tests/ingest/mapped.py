"""What does a small CSV become under a profile written in the test?  Helper of the mapping's tests."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from crm_analytics.ingest.mapping import Fault, Findings, Mapper, plan_mapping
from crm_analytics.ingest.profile import Profile
from crm_analytics.ingest.profile_file import parse_profile

RECEIVED = datetime(2025, 6, 30, tzinfo=UTC)


@dataclass(frozen=True)
class HasCells:
    """A block of nothing but cells."""

    cells: pa.Table


@dataclass(frozen=True)
class Result:
    """All that the mapping says of a file."""

    rows: dict[str, list[dict[str, Any]]]
    faults: list[Fault]
    findings: Findings
    ignored: int

    @property
    def reasons(self) -> list[tuple[int, str, str]]:
        """Record, column and reason of every broken record."""
        return [(one.record_number, one.column, one.reason) for one in self.faults]

    @property
    def issues(self) -> list[tuple[str, str]]:
        """Kind and column of every issue."""
        return [(one.issue, one.column_name) for one in self.findings.issues]


def shop(columns: str, *, entity: str = "orders", top: str = "") -> Profile:
    """Return a profile of one entity; `top` goes before its columns."""
    text = f"""
profile = "shop"
source_system = "shop"
{top}
[[entity]]
name = "{entity}"
[entity.columns]
{columns}
"""
    return parse_profile(text, "shop.toml")


def mapped(
    profile: Profile, text: str, *, zone: str = "UTC", block_rows: int = 1_000, missing: tuple[int, ...] = ()
) -> Result:
    """Map a CSV; the records numbered `missing` are taken for unreadable and never reach the mapping."""
    header, *records = list(csv.reader(io.StringIO(text.strip("\n"))))
    kept = [(number, one) for number, one in enumerate(records, start=1) if number not in missing]
    plan = plan_mapping(header, profile, file="x.csv", zone=zone, received_at=RECEIVED)
    for _ in range(2):
        rows: dict[str, list[dict[str, Any]]] = {one.target.name: [] for one in plan.targets}
        faults: list[Fault] = []
        ignored = 0
        with Mapper(plan) as mapper:
            for start in range(0, len(kept), block_rows):
                some = kept[start : start + block_rows]
                columns = {"record_number": pa.array([number for number, _ in some], pa.int64())}
                for place in range(len(header)):
                    columns[f"c{place}"] = pa.array([one[place] for _, one in some], pa.string())
                block = mapper.add(HasCells(pa.table(columns)))
                for target, table in block.staged:
                    rows[target.name] += table.to_pylist()
                faults += block.faults
                ignored += block.ignored
            findings = mapper.finish()
        if findings.again is None:
            break
        plan = findings.again
    for listed in rows.values():
        listed.sort(key=lambda row: row["record_number"])
        for row in listed:
            del row["record_number"]
    return Result(rows, faults, findings, ignored)
