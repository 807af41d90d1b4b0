"""What does a corrected file of the quarantine hold?  Records tied by their id to what they correct.

A file of `crm_analytics.ingest.quarantine.export_quarantine`, as an editor or a spreadsheet saved it: another
encoding, delimiter or order of the records is no matter, as long as each record keeps its ``quarantine_id``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_analytics.errors import UsageError
from crm_analytics.ingest.kinds import BYTE_ORDER_MARKS
from crm_analytics.ingest.quarantine import ID_COLUMN

_ID = rb'[ \t]*"?Q(\d+)-(\d+)"?[ \t]*'


@dataclass(frozen=True)
class Corrected:
    """One record of the corrected file: what it corrects, its bytes, and the lines that it takes."""

    load_id: int
    record_number: int
    content: bytes
    lines: int = 1

    @property
    def place(self) -> tuple[int, int]:
        """The load that set it aside, and its number there."""
        return self.load_id, self.record_number

    @property
    def sha256(self) -> str:
        """Digest of what it says: equal = it reads as it did."""
        return hashlib.sha256(self.content.rstrip(b"\r\n")).hexdigest()


@dataclass(frozen=True)
class CorrectedFile:
    """What a corrected file holds; `header` and `delimiter` of a text."""

    records: list[Corrected]
    encoding: str | None = None
    header: bytes = b""
    delimiter: str = ","


def read_corrected(path: Path) -> CorrectedFile:
    """Read a corrected file.

    Raises
    ------
    UsageError
        It cannot be read, is no export of the quarantine, or a record has lost its id.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read ({error.strerror}).") from error
    encoding = None
    for mark, name in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            content, encoding = content[len(mark) :].decode(name, "replace").encode(), "utf-8"
            break
    if content.lstrip().startswith(b"{"):
        return CorrectedFile(list(_json_records(path.name, content)), encoding)
    return _text_file(path.name, content, encoding)


def _text_file(file: str, content: bytes, encoding: str | None) -> CorrectedFile:
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
        Corrected(int(one[1]), int(one[2]), content[one.end() : end], content[one.start() : end].count(b"\n"))
        for one, end in zip(starts, ends, strict=True)
    ]
    return CorrectedFile(records, encoding, found[2], found[1].decode())


def _json_records(file: str, content: bytes) -> Iterator[Corrected]:
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
        yield Corrected(int(load_id), int(record_number), json.dumps(record, ensure_ascii=False).encode())
