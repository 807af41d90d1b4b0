"""How do corrected records come back in?  `replay`: read as their file was, tied to what they correct.

A corrected record is known by its ``quarantine_id``. What still reads as it did is left where it is, what
was replayed before is passed over; the others are loaded as one more delivery of the same profile, options
and ``received_at`` as the file they come from, so that the entities are as if it had been right at once. Of
each the fact is recorded (``ops.quarantine_resolutions``) in the same transaction. One that is wrong again
is in quarantine again, under a new id. So for every load, with all its replays::

    rows_in = rows_loaded + rows_merged + accepted records of its replays + records still open

This file reads the clock: when a record was replayed.
"""

from __future__ import annotations

import codecs
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from crm_analytics.errors import UsageError
from crm_analytics.ingest.intake import Progress
from crm_analytics.ingest.layouts import Layout, read_layout
from crm_analytics.ingest.load import Load, load
from crm_analytics.ingest.mapping import Issue
from crm_analytics.ingest.profile import WHITESPACE
from crm_analytics.ingest.quarantine import ID_COLUMN, encoding_of, exported_bytes, quarantine_id, quarantined
from crm_analytics.warehouse import Warehouse

_ID = rb'[ \t]*"?Q(\d+)-(\d+)"?[ \t]*'
_LISTED = 5


@dataclass(frozen=True)
class _Corrected:
    """One record of the corrected file: what it corrects, its bytes, and the lines that it takes."""

    load_id: int
    record_number: int
    content: bytes
    lines: int = 1


@dataclass(frozen=True)
class _CorrectedFile:
    """What a corrected file holds; `header` and `delimiter` of a text."""

    records: list[_Corrected]
    encoding: str | None = None
    header: bytes = b""
    delimiter: str = ","


def replay(
    wh: Warehouse,
    corrected_file: str | PathLike[str],
    *,
    received_at: datetime | date | str | None = None,
    show_values: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Load:
    """Load records that were set aside and have been corrected.

    Parameters
    ----------
    wh : Warehouse
        That holds them in quarantine.
    corrected_file : path
        A file of `export_quarantine`, corrected. Records may be left out, and stand in any order; each keeps
        its ``quarantine_id``.
    received_at : datetime, date or ISO text, optional
        When the records were learned. Default: when their file was received, so that a record that came in
        a newer state since does not go back to an older one.
    show_values : bool, default False
        May messages hold values of personal columns?
    progress : callable, optional
        As of `crm_analytics.load`.
    **options
        As of `crm_analytics.load` (`decimal`, `date_format` ...), in place of those the file was loaded
        with: all records are then tried, corrected or not.

    Returns
    -------
    Load
        ``rows_in`` records were replayed. Status "unchanged" and no record when there was nothing new.

    Raises
    ------
    UsageError
        Records without a known ``quarantine_id``, or of several loads, or of one that was withdrawn.
    FileRefused
        Too many are wrong again, or the file cannot be read.

    Examples
    --------
    >>> from crm_analytics.ingest.quarantine import export_quarantine
    >>> with tempfile.TemporaryDirectory() as work, Warehouse.open() as wh:
    ...     file = Path(work, "customers.csv")
    ...     _ = file.write_text("customer_id,name\\nC1,Ada\\n,Bob\\n")
    ...     _ = load(wh, file)
    ...     [exported] = export_quarantine(wh, Path(work))
    ...     _ = exported.file.write_text("quarantine_id,customer_id,name\\nQ1-2,C2,Bob\\n")
    ...     account = replay(wh, exported.file)
    ...     names = wh.rows("select name from entities.customers order by name")
    >>> account.rows_in, account.rows_loaded, names
    (1, 1, [('Ada',), ('Bob',)])
    """
    path = Path(corrected_file)
    given = _read(path)
    layout = _layout(wh, path.name, given)
    with wh.transaction():
        chosen = _chosen(wh, layout, given, is_asked_anew=bool(options))
        if not any(one is not None for one in chosen):
            return _nothing(path.name, layout, len(given.records))
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / path.with_suffix(".csv" if layout.kind == "text" else ".ndjson").name
            part.write_bytes(_as_delivered(layout, given, chosen))
            [account] = load(
                wh,
                part,
                profile=layout.profile,
                source_system=layout.source_system,
                received_at=received_at or layout.received_at,
                show_values=show_values,
                progress=progress,
                **_options(layout, given, options),
            )
        replayed = [one for one in chosen if one is not None]
        if account.rows_in != len(replayed):
            raise UsageError(
                f"{path.name}: {len(replayed):,} records have a {ID_COLUMN}, but {account.rows_in:,} were "
                "read. Each record begins with its own id; look for quotes that do not end. Nothing came in."
            )
        _resolve(wh, account, replayed)
    return account


def _read(path: Path) -> _CorrectedFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read ({error.strerror}).") from error
    encoding = None
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if content.startswith(mark):
            content, encoding = content[len(mark) :].decode(name, "replace").encode(), "utf-8"
    if content.lstrip().startswith(b"{"):
        return _CorrectedFile(list(_json_records(path.name, content)), encoding)
    return _text_file(path.name, content, encoding)


def _text_file(file: str, content: bytes, encoding: str | None) -> _CorrectedFile:
    found = re.match(rb'"?' + ID_COLUMN.encode() + rb'"?([^\w"\r\n])([^\r\n]*)(\r\n|\r|\n)', content)
    if found is None:
        raise UsageError(
            f"{file}: the first column is not {ID_COLUMN!r}. Replay takes what `quarantine export` wrote."
        )
    if encoding is None and not content.isascii():
        try:
            content.decode("utf-8")
            encoding = "utf-8"
        except UnicodeDecodeError:
            encoding = None  # as it was delivered
    begins = re.compile(rb"^" + _ID + re.escape(found[1]), re.MULTILINE)
    starts = list(begins.finditer(content, found.end()))
    first = starts[0].start() if starts else len(content)
    if content[found.end() : first].strip():
        raise UsageError(f"{file}, line 2: the record has no {ID_COLUMN}. Leave the ids as they are.")
    ends = [*(one.start() for one in starts[1:]), len(content)][: len(starts)]
    records = [
        _Corrected(
            int(one[1]), int(one[2]), content[one.end() : end], content[one.start() : end].count(b"\n")
        )
        for one, end in zip(starts, ends, strict=True)
    ]
    return _CorrectedFile(records, encoding, found[2], found[1].decode())


def _json_records(file: str, content: bytes) -> Iterator[_Corrected]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            load_id, record_number = re.fullmatch(r"Q(\d+)-(\d+)", told[ID_COLUMN]).groups()  # type: ignore[union-attr]
            record = told["record"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{file}, line {number}: no JSON object with {ID_COLUMN!r} and 'record'. Leave the ids alone."
            ) from error
        if record is None:
            continue  # was no JSON, and still waits to be written
        yield _Corrected(int(load_id), int(record_number), json.dumps(record, ensure_ascii=False).encode())


def _layout(wh: Warehouse, file: str, given: _CorrectedFile) -> Layout:
    """Return how the records were read; all must be in quarantine, of one load that stands."""
    load_ids = sorted({one.load_id for one in given.records})
    if not load_ids:
        raise UsageError(f"{file}: no record with a {ID_COLUMN}.")
    if len(load_ids) > 1:
        raise UsageError(
            f"{file}: records of several loads ({load_ids}). Replay those of each load by itself."
        )
    known = set(quarantined(wh, load_id=load_ids[0], only_open=False)["record_number"])
    unknown = [one for one in given.records if one.record_number not in known]
    if unknown:
        names = ", ".join(quarantine_id(one.load_id, one.record_number) for one in unknown[:_LISTED])
        raise UsageError(
            f"{file}: {len(unknown)} ids are not in quarantine: {names}. Leave the ids as they are."
        )
    numbers = [one.record_number for one in given.records]
    twice = (
        sorted({one for one in numbers if numbers.count(one) > 1}) if len(set(numbers)) < len(numbers) else []
    )
    if twice:
        names = ", ".join(quarantine_id(load_ids[0], one) for one in twice[:_LISTED])
        raise UsageError(f"{file}: {names} come twice. Keep one of each.")
    if wh.rows("select 1 from ops.withdrawals where load_id = $load_id", load_id=load_ids[0]):
        raise UsageError(f"{file}: load {load_ids[0]} was withdrawn. Load its file again instead.")
    return read_layout(wh, load_ids[0])


def _chosen(
    wh: Warehouse, layout: Layout, given: _CorrectedFile, *, is_asked_anew: bool
) -> list[_Corrected | None]:
    """Return the records to be replayed; None in the place of the others."""
    still_open = set(quarantined(wh, load_id=layout.load_id)["record_number"])
    before: Mapping[int, bytes] = dict(
        wh.rows("select record_number, raw from ops.quarantine where load_id = $id", id=layout.load_id)
    )
    return [
        one
        if one.record_number in still_open
        and (is_asked_anew or not _is_same(layout, given, before[one.record_number], one.content))
        else None
        for one in given.records
    ]


def _is_same(layout: Layout, given: _CorrectedFile, raw: bytes, content: bytes) -> bool:
    if layout.kind != "text":
        try:
            return bool(json.loads(raw) == json.loads(content))
        except ValueError:
            return False
    told = exported_bytes(layout, raw)
    if given.encoding is not None and not encoding_of(layout, raw).startswith("utf"):
        told = told.decode(encoding_of(layout, raw), "replace").encode(given.encoding)
    return told == content.rstrip(b"\r\n")


def _as_delivered(layout: Layout, given: _CorrectedFile, chosen: list[_Corrected | None]) -> bytes:
    """Return the chosen records in the layout of their file; each line keeps its number."""
    if layout.kind != "text":
        return b"".join(one.content + b"\n" for one in chosen if one is not None)
    pieces = [given.header if layout.has_header else b"", b"\n"]
    for record, one in zip(given.records, chosen, strict=True):
        if one is None:
            pieces.append(b"\n" * record.lines)
        else:
            pieces.append(one.content if one.content.endswith(b"\n") else one.content + b"\n")
    return b"".join(pieces)


def _options(layout: Layout, given: _CorrectedFile, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the load: as before, but for what the corrected file changed."""
    # The corrected records of a snapshot are no snapshot.
    changed: dict[str, Any] = {"skip_rows": 0, "snapshot": False}
    if layout.kind == "text":
        is_blank = layout.delimiter == WHITESPACE
        changed["delimiter"] = WHITESPACE if is_blank else given.delimiter
        utf_16 = layout.encoding is not None and "utf-16" in codecs.lookup(layout.encoding).name
        changed["encoding"] = given.encoding or ("utf-8" if utf_16 else layout.encoding)
    else:
        changed["encoding"] = None
    return {**layout.options, **changed, **options}


def _nothing(file: str, layout: Layout, count: int) -> Load:
    detail = "every record reads as it did, or was replayed before"
    return Load(
        file=file,
        profile=layout.profile,
        status="unchanged",
        rows_in=0,
        rows_loaded=0,
        rows_quarantined=0,
        rows_merged=0,
        issues=(Issue("nothing_new", "", detail, count),),
    )


def _resolve(wh: Warehouse, account: Load, replayed: list[_Corrected]) -> None:
    again = {
        row[0]
        for row in wh.rows("select record_number from ops.quarantine where load_id = $id", id=account.load_id)
    }
    now = datetime.now(UTC)
    rows = [
        {
            "load_id": one.load_id,
            "record_number": one.record_number,
            "replay_load_id": account.load_id,
            "replay_record_number": number,
            "outcome": "set_aside" if number in again else "accepted",
            "resolved_at": now,
        }
        for number, one in enumerate(replayed, start=1)
    ]
    wh.append("ops.quarantine_resolutions", pa.Table.from_pylist(rows))
