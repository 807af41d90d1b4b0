"""What was loaded, what was set aside and what was noticed?  The entries in ops.loads and its two siblings.

Messages name file, record, line and column. They show the text of a value only where its column is tagged
``none`` (or the caller asked for it); else a keyed hash, by which equal values can be told as equal.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import pyarrow as pa

from crm_analytics.entities.versions import Stored
from crm_analytics.ingest.mapping import Fault, Issue, escaped
from crm_analytics.ingest.options import option
from crm_analytics.ingest.records import Block, BrokenRecord
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.audit_log import record
from crm_analytics.warehouse.erased_keys import REASON, erased_keys
from crm_analytics.warehouse.masking import prepare_key

KEPT_BYTES = 1_000_000
KEPT_CHARACTERS = 1_000
SHOWN_CHARACTERS = 80

# Reason code -> what is wrong and what to do.
MESSAGES = {
    "ambiguous_time": "this time comes twice on that day (summer time ends). Export it with its offset.",
    "bad_boolean": "neither yes nor no. Use true or false.",
    "bad_date": f"no date in the declared form (ISO 8601 unless {option('date_format')} says otherwise), or "
    "no day of its calendar: in a column that is read as Jalali, 1404/12/30 and 1403/13/01 do not exist.",
    "bad_json": "this is no JSON. Correct it.",
    "bad_number": f"no plain number. Say {option('decimal')} or {option('thousands')}; where (4) means -4, "
    f"{option('brackets', 'negative')}; or correct it.",
    "bad_quote": "a quote inside a quoted field is not doubled. Double it.",
    "date_out_of_range": "the date is implausibly early or late (a year like 1403 is Jalali: say "
    f"{option('calendar', 'jalali')}). Correct it.",
    "duplicate_key": "a name comes twice in one record. Remove one.",
    REASON: "this person was erased. Nothing of the record was kept; take it out at the source.",
    "doubtful_end": "a row at an end of the list that fills less than the records and is not written as "
    "their ids are: a note, a page or a total rather than a record. Leave it; if it is a record, replay it "
    f"with more of it filled, or as it is with {option('bare_ends', 'keep')}.",
    "error_cell": "an error of a spreadsheet, not a value. Correct the formula and save the file with a "
    "spreadsheet program, or clear the cell.",
    "field_too_long": "a field has more than 1,000,000 characters. Shorten it.",
    "formula_without_value": "a formula that was never calculated: the file holds no value of it. Open the "
    "file in a spreadsheet program (Excel), save it there, and load it again; or write the value into the "
    "cell.",
    "future_date": "the date lies after the day of receipt. Correct it.",
    "invalid_encoding": f"bytes that are not UTF-8. Say {option('encoding')}, or correct the record.",
    "invisible_character": "an id holds an invisible character. Remove it.",
    "list_as_id": "an id is one text or number, and here stands a list. Export the id alone.",
    "lossy_id": "a spreadsheet has cut this id to scientific notation. Export it as text.",
    "missing_value": "a required value is empty. Fill it.",
    "non_finite": "no finite number. Correct it.",
    "nonexistent_time": "this time does not exist on that day (summer time begins). Correct it.",
    "not_a_record": "a row of totals or the end of a report, no record. Leave it; ignore in the profile's "
    "[rows] keeps such rows out of the quarantine. The account of the load says which of its numbers agree.",
    "not_above_zero": "a rate must be above zero. Correct it.",
    "not_an_object": "no JSON object with names and values. Correct it.",
    "nul_byte": "a NUL byte. Remove it.",
    "out_of_range": "the number is implausibly large. Correct it.",
    "same_currency": "a currency is priced in itself, and not at 1. Correct it; is "
    f"{option('default_currency')} right?",
    "tells_nothing": "this record tells of none of the layout's entities. Correct it, or the profile's "
    "when=.",
    "repeated_header": "this is the header again, no record. Remove it.",
    "too_deep": "values are nested deeper than 64 levels. Flatten the export.",
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


class Quarantine:
    """The records of one load that are set aside, written to ops.quarantine block by block.

    Parameters
    ----------
    wh : Warehouse
        Inside the transaction of the load. Records that an earlier try set aside are forgotten.
    load_id : int
        Number of the load.
    file : str
        Name of the part.
    header : sequence of str
        Column names as the file has them.

    Attributes
    ----------
    count, broken_count, erased_count, total_count, no_record_count : int
        All records; those without the orders of guests (a record that lacks nothing but its customer
        is not broken), of erased persons, and without rows of totals and doubtful ends; those of erased
        persons; rows of totals; these and doubtful ends.
    first_broken : SetAside | None
        The first broken one of the file.
    """

    def __init__(self, wh: Warehouse, load_id: int, file: str, header: Sequence[str]) -> None:
        self._wh, self._load_id, self._file, self._header = wh, load_id, file, header
        self._reasons: Counter[str] = Counter()
        self._broken_reasons: Counter[str] = Counter()
        self._key: str | None = None
        self.erased = erased_keys(wh)
        self.first_broken: SetAside | None = None
        wh.execute("delete from ops.quarantine where load_id = $load_id", load_id=load_id)

    @property
    def count(self) -> int:
        """Number of records set aside."""
        return self._reasons.total()

    @property
    def broken_count(self) -> int:
        """Number of those that are broken."""
        return self._broken_reasons.total()

    @property
    def erased_count(self) -> int:
        """Number of those that are about erased persons."""
        return self._reasons[REASON]

    @property
    def total_count(self) -> int:
        """Number of those that are no records: rows of totals, the end of a report."""
        return self._reasons["not_a_record"]

    @property
    def no_record_count(self) -> int:
        """Number of those that are no records, and of those that may be none."""
        return self.total_count + self._reasons["doubtful_end"]

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> records, the most frequent first."""
        return _most_first(self._reasons)

    @property
    def broken_reasons(self) -> dict[str, int]:
        """The same of the broken ones."""
        return _most_first(self._broken_reasons)

    def add(self, block: Block, faults: Sequence[Fault], erased: Collection[int] = ()) -> None:
        """Set the broken records of a block aside, and those of erased persons, in the order of the file."""
        found = [(self._unread(one), False) for one in block.broken]
        for fault in faults:
            is_guest = fault.column == "customer_source_id" and fault.reason == "missing_value"
            is_sound = is_guest or fault.reason in ("not_a_record", "doubtful_end")
            found.append((self._unconverted(block, fault), is_sound))
        if self.erased:
            found = [(self._without_the_erased(one), is_sound) for one, is_sound in found]
        found += [(_nothing_kept(self._file, number), False) for number in erased]
        self._write(found)

    def set_aside_erased(self, numbers: Sequence[int]) -> None:
        """Set records of erased persons aside; nothing of them is kept."""
        self._write([(_nothing_kept(self._file, number), False) for number in numbers])

    def _write(self, found: list[tuple[SetAside, bool]]) -> None:
        if not found:
            return
        found.sort(key=lambda one: one[0].record_number)
        for one, is_guest in found:
            self._reasons[one.reason] += 1
            if not is_guest and one.reason != REASON:
                self._broken_reasons[one.reason] += 1
                self.first_broken = self.first_broken or one
        rows = [{"load_id": self._load_id} | asdict(one) for one, _ in found]
        self._wh.append("ops.quarantine", pa.Table.from_pylist(rows))

    def _without_the_erased(self, one: SetAside) -> SetAside:
        if self.erased.is_mentioned(one.raw):
            return _nothing_kept(self._file, one.record_number, one.line_number, one.byte_offset)
        return one

    def _unread(self, one: BrokenRecord) -> SetAside:
        # a field beyond the header has no name
        column = "" if one.field is None else next(iter(self._header[one.field : one.field + 1]), "")
        return _kept(self._file, one.number, one.line, column, one.reason, None, one.raw, one.offset)

    def _unconverted(self, block: Block, fault: Fault) -> SetAside:
        line, offset, raw = block.place(fault.row)
        shown = None
        if fault.place is not None and fault.reason != "missing_value":
            text = str(block.cells[f"c{fault.place}"][fault.row].as_py() or "")
            shown = repr(escaped(text[:SHOWN_CHARACTERS])) if fault.is_open else self._masked(text)
        column = ", ".join(fault.sources)
        return _kept(self._file, fault.record_number, line, column, fault.reason, shown, raw, offset)

    def _masked(self, text: str) -> str:
        if self._key is None:
            self._key = prepare_key(self._wh)
        digest = hmac.new(bytes.fromhex(self._key), text.encode(), hashlib.sha256).hexdigest()
        return f"value #{digest[:12]}"


def last_load_id(wh: Warehouse) -> int:
    """Return the number of the last load; 0 before the first."""
    return int(wh.value("select coalesce(max(load_id), 0) from ops.loads"))


def next_load_id(wh: Warehouse) -> int:
    """Return the number of the next load."""
    return last_load_id(wh) + 1


def write_entry(
    wh: Warehouse, entry: Entry, issues: Sequence[Issue] = (), *, is_forced: bool = False
) -> None:
    """Write one load with what was noticed, and say so in the audit log."""
    wh.append("ops.loads", pa.Table.from_pylist([asdict(entry)]))
    counts = {name: getattr(entry, name) for name in ("rows_in", "rows_loaded", "rows_quarantined")}
    record(wh, "load", f"load {entry.load_id}", status=entry.status, force=is_forced, **counts)
    write_issues(wh, entry.load_id, issues)


def write_issues(wh: Warehouse, load_id: int, issues: Sequence[Issue]) -> None:
    """Write what was noticed about one load."""
    if issues:
        rows = [{"load_id": load_id} | asdict(one) for one in issues]
        wh.append("ops.load_issues", pa.Table.from_pylist(rows))


def write_entities(
    wh: Warehouse, load_id: int, entities: Mapping[str, Stored], removed: Mapping[str, int]
) -> None:
    """Write what each entity got of one load, and what a snapshot removed of it."""
    rows = [
        {
            "load_id": load_id,
            "entity": name,
            "rows_staged": stored.loaded + stored.merged,
            "rows_loaded": stored.loaded,
            "rows_merged": stored.merged,
            "rows_removed": removed.get(name, 0),
        }
        for name, stored in entities.items()
    ]
    if rows:
        wh.append("ops.load_entities", pa.Table.from_pylist(rows))


def write_counts(wh: Warehouse, load_id: int, stated: Sequence[int], rows_in: int) -> None:
    """Write the numbers of records that the file itself states, beside the number that was found."""
    if stated:
        theirs = max(stated)
        wh.execute(
            "insert into ops.load_controls "
            "values ($load_id, 'records', 'file', '', $theirs, $ours, $difference)",
            load_id=load_id,
            theirs=theirs,
            ours=rows_in,
            difference=rows_in - theirs,
        )


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _nothing_kept(file: str, number: int, line: int = 0, offset: int = 0) -> SetAside:
    """Return what stays of a record of an erased person: where it stood."""
    return SetAside(
        record_number=number,
        line_number=line,
        column_name="",
        reason=REASON,
        message=f"{escaped(file)}, record {number}: {MESSAGES[REASON]}",
        raw=b"",
        raw_length=0,
        raw_sha256="",
        byte_offset=offset,
    )


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
