"""Which records were set aside, and how does one mend them?  List, look at, export for correction.

An export is a pair of files: the records as they were delivered, each behind its ``quarantine_id``
(``Q7-42``: load 7, record 42), to be corrected in any editor and given to `crm_analytics.replay`; and their
places and reasons beside it. Delimited text stays the text it was: the header, and the very bytes of each
record. Other kinds of files become JSON lines.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_analytics.errors import UsageError
from crm_analytics.ingest.layouts import Layout, read_layout
from crm_analytics.ingest.ledger import MESSAGES
from crm_analytics.ingest.profile import WHITESPACE
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse import connection as warehouse_connection

if TYPE_CHECKING:
    import pandas as pd

ID_COLUMN = "quarantine_id"
_LISTED = SqlFile.beside(warehouse_connection.__file__, "ops/quarantine_records.sql")
_PLACES = (ID_COLUMN, "file", "record_number", "line_number", "byte_offset", "column_name", "reason")


@dataclass(frozen=True)
class SetAsideRecord:
    """One record in quarantine.

    Attributes
    ----------
    quarantine_id, file : str
        By which it is called; name of its file.
    record_number, line_number, byte_offset : int
        Where it stands there.
    column_name, reason, advice, status : str
        Offending column (empty: the record as a whole), code of the reason, what to do; "open", "replayed"
        or "withdrawn".
    raw : bytes
        Its bytes as delivered; the first 1,000 characters when it had more than a megabyte.
    is_whole : bool
        Are those all its bytes?
    """

    quarantine_id: str
    file: str
    record_number: int
    line_number: int
    byte_offset: int
    column_name: str
    reason: str
    advice: str
    status: str
    raw: bytes
    is_whole: bool

    def text(self, *, show_values: bool = False) -> str:
        """Return the raw record as text; without `show_values` each letter is an x and each digit a 9."""
        told = self.raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        return told if show_values else "".join(map(_masked, told))


@dataclass(frozen=True)
class Exported:
    """What was written of one load: the file to correct, the places, and how many records it holds.

    `too_long` counts records of more than a megabyte: their bytes are not kept, they are only in `places`.
    """

    load_id: int
    file: Path
    places: Path
    count: int
    too_long: int


def quarantined(wh: Warehouse, *, load_id: int | None = None, only_open: bool = True) -> pd.DataFrame:
    """Return the records that were set aside, one per row.

    Parameters
    ----------
    wh : Warehouse
    load_id : int, optional
        Only those of this load.
    only_open : bool, default True
        Leave out those that were replayed, and those of withdrawn loads?

    Returns
    -------
    DataFrame
        Columns as in ``ops/quarantine_records.sql``; no values of the records.
    """
    listed = wh.frame(_LISTED)
    if load_id is not None:
        listed = listed[listed["load_id"] == load_id]
    return (listed[listed["status"] == "open"] if only_open else listed).reset_index(drop=True)


def quarantine_id(load_id: int, record_number: int) -> str:
    """Return by what a record in quarantine is called.

    Examples
    --------
    >>> quarantine_id(7, 42)
    'Q7-42'
    """
    return f"Q{load_id}-{record_number}"


def set_aside_record(wh: Warehouse, named: str) -> SetAsideRecord:
    """Return one record in quarantine by its ``quarantine_id``.

    Raises
    ------
    UsageError
        It is no such name, or there is no such record.
    """
    parts = re.fullmatch(r"[Qq]?(\d+)-(\d+)", named.strip())
    if parts is None:
        raise UsageError(f"{named!r} is no quarantine_id. Write it as Q7-42: load 7, record 42.")
    found = _records(wh, int(parts[1]), [int(parts[2])])
    if not found:
        name = quarantine_id(int(parts[1]), int(parts[2]))
        raise UsageError(f"There is no record {name} in quarantine. See `crm-analytics quarantine`.")
    return found[0]


def export_quarantine(wh: Warehouse, folder: Path, *, load_id: int | None = None) -> list[Exported]:
    """Write the open records of one load, or of every load, as files to correct and `replay`.

    Parameters
    ----------
    wh : Warehouse
    folder : pathlib.Path
        Where to; made if need be. Only the user of the process may read the files: they hold raw records.
    load_id : int, optional
        Only those of this load.

    Returns
    -------
    list of Exported
        One per load with open records.

    Raises
    ------
    UsageError
        A file is there already: it may hold corrections.

    Examples
    --------
    >>> import crm_analytics as crm, tempfile
    >>> with tempfile.TemporaryDirectory() as work, Warehouse.open() as wh:
    ...     file = Path(work, "customers.csv")
    ...     _ = file.write_text("customer_id,name\\nC1,Ada\\n,Bob\\n")
    ...     _ = crm.load(wh, file)
    ...     [exported] = export_quarantine(wh, Path(work))
    ...     print(exported.file.name, exported.file.read_text(), sep="\\n")
    customers.load1.csv
    quarantine_id,customer_id,name
    Q1-2,,Bob
    <BLANKLINE>
    """
    open_records = quarantined(wh, load_id=load_id)
    numbers: dict[int, list[int]] = {}
    for one in open_records.itertuples():
        numbers.setdefault(int(one.load_id), []).append(int(one.record_number))
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _export(read_layout(wh, one), _records(wh, one, listed), folder) for one, listed in numbers.items()
    ]


def encoding_of(layout: Layout, raw: bytes) -> str:
    """Return the encoding in which records of a load are exported: that of the file, where ASCII stays ASCII.

    Records of UTF-16 are exported as UTF-8.
    """
    declared = layout.encoding
    if declared is None:
        # Without a declaration there was a byte order mark, which stands before the first record only.
        return "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be" if raw[:1] == b"\0" else "utf-8"
    return codecs.lookup(declared).name


def exported_bytes(layout: Layout, raw: bytes) -> bytes:
    """Return a record as it is exported: its bytes without the line end; UTF-16 as UTF-8."""
    encoding = encoding_of(layout, raw)
    if encoding.startswith("utf-16"):
        raw = raw.decode(encoding, "replace").encode()
    return raw.rstrip(b"\r\n")


def delimiter_of(layout: Layout) -> str:
    """Return the character that parts the fields of an exported text."""
    return "\t" if layout.delimiter == WHITESPACE else layout.delimiter or ","


def _export(layout: Layout, records: Sequence[SetAsideRecord], folder: Path) -> Exported:
    stem = re.sub(r"[^\w. -]", "_", Path(layout.file).name).partition(".")[0] or "records"
    ending = ".csv" if layout.kind == "text" else ".ndjson"
    target = folder / f"{stem}.load{layout.load_id}{ending}"
    places = folder / f"{stem}.load{layout.load_id}.places.csv"
    there = [path.name for path in (target, places) if path.exists()]
    if there:
        raise UsageError(
            f"{', '.join(there)}: there already, and may hold corrections. Replay or move it first."
        )
    whole = [one for one in records if one.is_whole]
    told = _as_text(layout, whole) if layout.kind == "text" else b"".join(map(_as_json_line, whole))
    _write(target, told)
    _write(places, _places(records))
    return Exported(layout.load_id, target, places, len(whole), len(records) - len(whole))


def _as_text(layout: Layout, records: Sequence[SetAsideRecord]) -> bytes:
    delimiter = delimiter_of(layout)
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="").writerow((ID_COLUMN, *layout.header))
    encoding = encoding_of(layout, records[0].raw) if records else "utf-8"
    header = line.getvalue().encode("utf-8" if encoding.startswith("utf-16") else encoding, "replace")
    rows = [
        one.quarantine_id.encode() + delimiter.encode() + exported_bytes(layout, one.raw) for one in records
    ]
    return b"".join(row + b"\n" for row in (header, *rows))


def _as_json_line(one: SetAsideRecord) -> bytes:
    told: dict[str, Any] = {ID_COLUMN: one.quarantine_id, "reason": one.reason, "column": one.column_name}
    try:
        told["record"] = json.loads(one.raw)
    except ValueError:
        # No JSON: the corrected record is to be written in the place of the null.
        told |= {"record": None, "raw": one.raw.decode("utf-8", "backslashreplace")}
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"


def _places(records: Sequence[SetAsideRecord]) -> bytes:
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow((*_PLACES, "advice", "is_whole"))
    for one in records:
        writer.writerow((*(getattr(one, name) for name in _PLACES), one.advice, one.is_whole))
    return told.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _records(wh: Warehouse, load_id: int, numbers: Sequence[int]) -> list[SetAsideRecord]:
    raws = dict(
        wh.rows(
            "select record_number, raw from ops.quarantine "
            "where load_id = $load_id and list_contains($numbers, record_number)",
            load_id=load_id,
            numbers=list(numbers),
        )
    )
    listed = quarantined(wh, load_id=load_id, only_open=False)
    return [
        SetAsideRecord(
            quarantine_id=quarantine_id(load_id, int(one.record_number)),
            file=str(one.file),
            record_number=int(one.record_number),
            line_number=int(one.line_number),
            byte_offset=int(one.byte_offset),
            column_name=str(one.column_name),
            reason=str(one.reason),
            advice=MESSAGES[str(one.reason)],
            status=str(one.status),
            raw=raws[int(one.record_number)],
            is_whole=len(raws[int(one.record_number)]) == int(one.raw_length),
        )
        for one in listed[listed["record_number"].isin(raws)].itertuples()
    ]


def _masked(sign: str) -> str:
    kind = unicodedata.category(sign)
    return "x" if kind[0] in "LM" else "9" if kind[0] == "N" else sign
