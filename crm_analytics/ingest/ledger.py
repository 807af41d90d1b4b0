"""What was loaded, what was set aside and what was noticed?  The entries in ops.loads and its two siblings.

Messages name file, record, line and column. They show the text of a value only where its column is tagged
``none`` (or the caller asked for it); else a keyed hash, by which equal values can be told as equal.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import pyarrow as pa

from crm_analytics.ingest.mapping import Fault, Issue, escaped
from crm_analytics.ingest.profile import Profile, header_key
from crm_analytics.ingest.readers import Delivery
from crm_analytics.schema import entity
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.masking import prepare_key

KEPT_BYTES = 1_000_000
KEPT_CHARACTERS = 1_000
SHOWN_CHARACTERS = 80

# Reason code -> what is wrong and what to do.
MESSAGES = {
    "ambiguous_time": "this time comes twice on that day (summer time ends). Export it with its offset.",
    "bad_boolean": "neither yes nor no. Use true or false.",
    "bad_date": "no date in the declared form (ISO 8601 unless date_format= says otherwise).",
    "bad_number": "no plain number. Declare the format (decimal=), or correct it.",
    "bad_quote": "a quote inside a quoted field is not doubled. Double it.",
    "date_out_of_range": "the date is implausibly early or late. Correct it.",
    "field_too_long": "a field has more than 1,000,000 characters. Shorten it.",
    "future_date": "the date lies after the day of receipt. Correct it.",
    "invalid_encoding": "bytes that are not UTF-8. Say encoding=, or correct the record.",
    "invisible_character": "an id holds an invisible character. Remove it.",
    "lossy_id": "a spreadsheet has cut this id to scientific notation. Export it as text.",
    "missing_value": "a required value is empty. Fill it.",
    "non_finite": "no finite number. Correct it.",
    "nonexistent_time": "this time does not exist on that day (summer time begins). Correct it.",
    "nul_byte": "a NUL byte. Remove it.",
    "out_of_range": "the number is implausibly large. Correct it.",
    "repeated_header": "this is the header again, no record. Remove it.",
    "too_few_fields": "fewer fields than the header has. Add the missing ones.",
    "too_many_fields": "more fields than the header has. Quote fields that hold the delimiter.",
    "unknown_currency": "no ISO 4217 currency code. Correct it.",
}


@dataclass(frozen=True)
class SetAside:
    """One record of ops.quarantine."""

    record_number: int
    line_number: int
    column_name: str
    reason: str
    message: str
    raw: bytes
    raw_length: int
    raw_sha256: str
    byte_offset: int


@dataclass(frozen=True)
class Entry:
    """One row of ops.loads."""

    load_id: int
    file: str
    file_sha256: str | None
    profile: str | None
    profile_sha256: str | None
    source_system: str | None
    entity: str | None
    status: str
    rows_in: int
    rows_loaded: int
    rows_quarantined: int
    rows_merged: int
    reason: str | None
    received_at: datetime
    started_at: datetime
    finished_at: datetime


def set_aside(
    wh: Warehouse, delivery: Delivery, profile: Profile, faults: Sequence[Fault], *, show_values: bool
) -> list[SetAside]:
    """Return every record of a delivery that cannot be loaded, in the order of the file."""
    found = []
    file = delivery.source.name
    for one in delivery.broken:
        raw = delivery.source.delivered(one.start, one.end)
        column = "" if one.field is None else delivery.header[one.field]
        offset = delivery.source.delivered_at(one.start)
        found.append(_kept(file, one.number, one.line, column, one.reason, None, raw, offset))
    declared = entity(profile.entity)
    key = prepare_key(wh) if faults else ""
    for fault in faults:
        line, offset, raw = delivery.place(fault.row)
        sources = profile.columns[fault.column].sources if fault.column else ()
        shown = None
        if sources and fault.reason != "missing_value":
            text = _text_of(delivery, fault.row, sources[0])
            is_open = show_values or declared.column(fault.column).privacy == "none"
            shown = repr(escaped(text[:SHOWN_CHARACTERS])) if is_open else f"value #{_keyed_hash(key, text)}"
        column = ", ".join(sources)
        found.append(_kept(file, fault.record_number, line, column, fault.reason, shown, raw, offset))
    return sorted(found, key=lambda one: one.record_number)


def next_load_id(wh: Warehouse) -> int:
    """Return the number of the next load."""
    return int(wh.value("select coalesce(max(load_id), 0) + 1 from ops.loads"))


def write_entry(
    wh: Warehouse, entry: Entry, aside: Sequence[SetAside] = (), issues: Sequence[Issue] = ()
) -> None:
    """Write one load with its quarantined records and issues."""
    wh.append("ops.loads", pa.Table.from_pylist([asdict(entry)]))
    if aside:
        rows = [{"load_id": entry.load_id} | asdict(one) for one in aside]
        wh.append("ops.quarantine", pa.Table.from_pylist(rows))
    if issues:
        rows = [{"load_id": entry.load_id} | asdict(one) for one in issues]
        wh.append("ops.load_issues", pa.Table.from_pylist(rows))


def count_reasons(aside: Sequence[SetAside]) -> dict[str, int]:
    """Return how many records were set aside for which reason, the most frequent first."""
    return dict(sorted(Counter(one.reason for one in aside).items(), key=lambda one: (-one[1], one[0])))


def _kept(
    file: str, number: int, line: int, column: str, reason: str, shown: str | None, raw: bytes, offset: int
) -> SetAside:
    place = f"{escaped(file)}, record {number} (line {line})"
    if column:
        place += f", column {escaped(column[:SHOWN_CHARACTERS])!r}"
    what = MESSAGES[reason] if shown is None else f"{shown} is refused: {MESSAGES[reason]}"
    kept = raw
    if len(raw) > KEPT_BYTES:
        kept = raw.decode("utf-8", "replace")[:KEPT_CHARACTERS].encode()
    return SetAside(
        record_number=number,
        line_number=line,
        column_name=column,
        reason=reason,
        message=f"{place}: {what}",
        raw=kept,
        raw_length=len(raw),
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        byte_offset=offset,
    )


def _text_of(delivery: Delivery, row: int, source: str) -> str:
    place = [header_key(name) for name in delivery.header].index(header_key(source))
    return str(delivery.cells[f"c{place}"][row].as_py() or "")


def _keyed_hash(key: str, text: str) -> str:
    return hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).hexdigest()[:12]
