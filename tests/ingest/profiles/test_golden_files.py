"""Does every import profile read its layout as it should?  A small file of our own per layout, its records.

To add a profile's golden test, put two files into ``files/`` (no code):

    <profile>.<ending>                      a file in that layout, written by us, with its quirks in it
    <profile>.expected.toml                 what it becomes
    <profile>.<variant>.<ending>            further files of the same layout (report, connector table ...),
    <profile>.<variant>.expected.toml       each with its own expectation

An expectation has ``[options]`` (what a person types for such a file; mostly nothing, for the profile must
be recognised by its header), ``[load]`` (rows_in, rows_loaded, rows_quarantined, rows_merged, reasons, and
the issues as "issue column count", without the unknown columns) and ``[rows]``: per entity a table of the
current rows, columns parted by "|". Columns that are not in a table must be empty in every row, and entities
that are not there must have no rows. Times are those of the warehouse's zone, America/Bogota (five hours
before UTC, so that a day that is shifted shows); midnight is written as the day. A failure prints the tables
that were found.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_analytics.ingest import load
from crm_analytics.ingest.check import check_profile
from crm_analytics.ingest.recognise import profiles
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse

FOLDER = Path(__file__).parent / "files"
PROFILES = Path(__file__).parents[3] / "crm_analytics" / "ingest" / "profiles"
ENDING = ".expected.toml"
EXPECTED = sorted(FOLDER.glob(f"*{ENDING}"))
ZONE = "America/Bogota"
RECEIVED = date(2025, 7, 1)


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.toml")))
def test_every_profile_has_a_golden_file(profile: str) -> None:
    pairs = [path for path in EXPECTED if path.name.split(".")[0] == profile]
    assert pairs, f"tests/ingest/profiles/files has no {profile}{ENDING}"


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.name.removesuffix(ENDING))
def test_golden_file_becomes_these_records(expected: Path) -> None:
    told = tomllib.loads(expected.read_text(encoding="utf-8"))
    stem = expected.name.removesuffix(ENDING)
    file = _file_of(expected)
    with Warehouse.open(timezone=ZONE, reporting_currency="USD") as wh:
        [loaded] = load(wh, file, received_at=RECEIVED, **told.get("options", {}))
        # an entity of which no version was stored has no rows
        stored = [name for name in entities() if wh.rows(f"select 1 from entities.{name}_versions limit 1")]
        found = {name: _table(wh, name) for name in stored}
        noticed = wh.rows(
            "select issue, column_name, sum(row_count) from ops.load_issues where issue <> 'unknown_column' "
            "group by all order by all"
        )
    assert loaded.profile == stem.split(".")[0]
    account = {
        "rows_in": loaded.rows_in,
        "rows_loaded": loaded.rows_loaded,
        "rows_quarantined": loaded.rows_quarantined,
        "rows_merged": loaded.rows_merged,
        "reasons": dict(loaded.reasons),
        "issues": [f"{issue} {column} {count}".replace("  ", " ") for issue, column, count in noticed],
    }
    assert account == {"reasons": {}, "issues": []} | told["load"]
    assert loaded.rows_in == loaded.rows_loaded + loaded.rows_quarantined + loaded.rows_merged
    filled = {name: table for name, table in found.items() if table}
    wanted = {name: _read(text) for name, text in told["rows"].items()}
    shown = "\n\n".join(f"{name}:\n{_shown(table)}" for name, table in filled.items())
    assert filled == wanted, f"found:\n{shown}"


def test_a_check_of_a_golden_file_tells_what_a_load_would_do() -> None:
    """Of each system one file of each kind: with footers, with rows to ignore, with records set aside."""
    received_at = datetime(2025, 7, 1, tzinfo=ZoneInfo(ZONE))
    looked_at: set[tuple[object, ...]] = set()
    for expected in EXPECTED:
        used = profiles()[expected.name.split(".")[0]]
        has_reasons = "reasons = {" in expected.read_text("utf-8")
        kind = (used.source_system, bool(used.rows.footers), bool(used.rows.ignore), has_reasons)
        if kind in looked_at:
            continue
        looked_at.add(kind)
        told = tomllib.loads(expected.read_text(encoding="utf-8"))
        file = _file_of(expected)
        options = {
            "repeats" if key == "duplicates" else key: value for key, value in told.get("options", {}).items()
        }
        options["profile_name"] = options.pop("profile", file.name.split(".")[0])
        [check] = check_profile(file, received_at=received_at, home_zone=ZONE, **options)
        assert check.refusal is None, check.refusal
        account = {"rows_in": 0, "reasons": {}} | told["load"]
        assert (file.name, check.records, check.reasons) == (
            file.name,
            account["rows_in"],
            account["reasons"],
        )


def _file_of(expected: Path) -> Path:
    stem = expected.name.removesuffix(ENDING)
    [file] = [one for one in FOLDER.glob(f"{stem}.*") if one.name != expected.name and _stem(one) == stem]
    return file


def _stem(path: Path) -> str:
    """Return <profile> or <profile>.<variant> of a file name; an ending may be two (csv.gz)."""
    parts = path.name.split(".")
    return ".".join(parts[:-2] if parts[-1] == "gz" else parts[:-1])


def _table(wh: Warehouse, name: str) -> list[dict[str, str]]:
    """Return the current rows of an entity in the order of the file, as text, without empty columns."""
    columns = entities()[name].column_names
    listed = ", ".join(f'"{column}"' for column in columns)
    rows = wh.rows(f"select record_number, {listed} from entities.{name}")
    numbered = sorted((row[0], [_text(value) for value in row[1:]]) for row in rows)
    texts = [dict(zip(columns, row, strict=True)) for _, row in numbered]
    used = [column for column in columns if any(row[column] for row in texts)]
    return [{column: row[column] for column in used} for row in texts]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        local = value.astimezone(ZoneInfo(ZONE)) if value.tzinfo else value.replace(tzinfo=UTC)
        return f"{local:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value).replace("\n", "\\n").strip()


def _read(text: str) -> list[dict[str, str]]:
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[1:]]


def _shown(table: list[dict[str, str]]) -> str:
    lines = [list(table[0]), *(list(row.values()) for row in table)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(" | ".join(line).rstrip() for line in padded)
