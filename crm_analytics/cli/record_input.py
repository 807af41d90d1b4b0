"""How are records, ids and days read that somebody types?  JSON, CSV and COLUMN=VALUE, kept exact."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_analytics.errors import UsageError

if TYPE_CHECKING:
    from crm_analytics.records import RecordStore
    from crm_analytics.schema import Entity


def read_json(text: str, example: str = '{"name": "Ada"}') -> Any:
    """Read JSON in which every name stands once; numbers with a point stay what was written."""
    try:
        # 19.99 stays what was written
        return json.loads(text, parse_float=str, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"This is not JSON: {error}. Write it as '{example}'.") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} comes twice")
        found[name] = value
    return found


def read_object(text: str) -> dict[str, Any]:
    """Read the columns of a record, from the command line or standard input."""
    given = read_json(sys.stdin.read() if text == "-" else text)
    if not isinstance(given, dict):
        raise UsageError('A JSON object of columns expected, as \'{"name": "Ada"}\'.')
    return given


def read_id(key: Sequence[str], text: str) -> Any:
    """Read the id of a record; where several columns identify it, JSON of them."""
    return text if len(key) == 1 else read_json(text, json.dumps(dict.fromkeys(key, "...")))


def read_moment(text: str | None) -> date | datetime | None:
    """Read a day, or a moment with its zone."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-of {text!r} is no day and no moment. Write 2025-07-01 or 2025-07-01T09:30:00+00:00."
        ) from None


def read_equals(records: RecordStore, entity: str, given: list[str]) -> dict[str, Any]:
    """Read COLUMN=VALUE ..., each value as its column takes it."""
    declared = records.entity(entity).declared
    wanted: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"{text!r}: write COLUMN=VALUE, as city=Bonn.")
        wanted[name] = _typed(declared, name, value)
    return wanted


def read_rows(file: Path, declared: Entity) -> list[dict[str, Any]]:
    """Read the rows of a file of .csv, .json or .jsonl."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not UTF-8. Save it as UTF-8.") from None
    if file.suffix == ".csv":
        lines = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="")
        try:
            rows = list(lines)
        except csv.Error as error:
            raise UsageError(f"{file}: line {lines.line_num}: {error}.") from None
        for number, row in enumerate(rows, start=1):
            if "" in row or None in row.values():
                raise UsageError(f"{file}: row {number} has not as many cells as the header.")
        return [{name: _typed(declared, name, cell) for name, cell in row.items()} for row in rows]
    given = (
        read_json(text) if file.suffix == ".json" else [read_json(line) for line in text.splitlines() if line]
    )
    if not isinstance(given, list):
        raise UsageError(f"{file}: a JSON list of objects expected.")
    return given


def _typed(declared: Entity, name: str, text: str) -> Any:
    """Turn the text of a cell into what its column takes; what does not fit is left for validation."""
    if text == "":
        return None
    types = {column.name: column.type for column in declared.columns} | {"version": "BIGINT"}
    if types.get(name) == "BOOLEAN":
        return {"true": True, "false": False}.get(text.lower(), text)
    if types.get(name) == "BIGINT" and text.lstrip("-").isdecimal() and text.isascii():
        return int(text)
    return text
