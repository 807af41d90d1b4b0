"""Where does each record of a delimited text begin and end, and which records are broken?  (RFC 4180)

A field is quoted when its first character is a quote; a quote elsewhere is an ordinary character (an
inch mark). Lines are classified with NumPy a block at a time; only lines whose quotes are not plain
within the line (fields over several lines, faults) are walked through one by one. Records that are sound
are handed on as bytes; broken ones are named with their place and reason and kept to the byte.

Units: offsets are bytes of the UTF-8 data; lines and records are counted from 1, the header is no
record, blank lines are lines but not records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from crm_analytics.errors import FileRefused

MAX_FIELD_CHARACTERS = 1_000_000
MAX_RECORD_BYTES = 64 * 1024 * 1024
BLOCK_BYTES = 8 * 1024 * 1024
_QUOTE, _LF, _CR = 34, 10, 13

Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BrokenRecord:
    """One record that cannot be read: where it is and why."""

    number: int
    line: int
    start: int
    end: int
    reason: str
    field: int | None = None


@dataclass
class Block:
    """The records of one stretch of the file.

    Attributes
    ----------
    sound : bytes
        The sound records, ready for a CSV parser.
    numbers, lines, starts, ends : arrays of int64
        Number, first line and bytes of each sound record.
    broken : list of BrokenRecord
        The others.
    record_count : int
        All records of the block.
    longest : int
        Bytes of the longest sound record.
    """

    sound: bytes
    numbers: Offsets
    lines: Offsets
    starts: Offsets
    ends: Offsets
    broken: list[BrokenRecord] = field(default_factory=list)
    record_count: int = 0
    longest: int = 0


@dataclass(frozen=True)
class Walked:
    """One record read character by character."""

    fields: list[bytes]
    end: int
    lines: int
    fault: str | None = None
    fault_field: int | None = None


def walk_record(data: bytes, start: int, delimiter: bytes, *, file: str, line: int) -> Walked:
    """Read one record from `start`; a fault is reported, an unclosed quote refuses the file.

    Examples
    --------
    >>> walk_record(b'a,"b""c"\\nd', 0, b",", file="x.csv", line=1).fields
    [b'a', b'b"c']
    """
    field_end = re.compile(b"[" + re.escape(delimiter) + b"\r\n]")
    fields: list[bytes] = []
    position = start
    while True:
        if data[position : position + 1] == b'"':
            close = _closing_quote(data, position)
            if close is None:
                raise _unclosed(file, _line_at(data, start, position, line))
            after = data[close + 1 : close + 2]
            if after not in (delimiter, b"\r", b"\n", b""):
                if _line_at(data, start, close, line) != _line_at(data, start, position, line):
                    raise _unclosed(file, _line_at(data, start, position, line))
                end = _line_end(data, close)
                return Walked(fields, end, _lines_in(data, start, end), "bad_quote", len(fields))
            fields.append(data[position + 1 : close].replace(b'""', b'"'))
            position = close + 1
        else:
            found = field_end.search(data, position)
            stop = found.start() if found else len(data)
            fields.append(data[position:stop])
            position = stop
        if data[position : position + 1] != delimiter:
            end = _line_end(data, position)
            return Walked(fields, end, _lines_in(data, start, end))
        position += 1


def split_records(
    data: bytes, start: int, *, line: int, columns: int, delimiter: bytes, file: str
) -> Iterator[Block]:
    """Yield the records from `start` on, block by block.

    Parameters
    ----------
    data : bytes
        The whole text.
    start, line : int
        Where the first record begins, and on which line.
    columns : int
        Fields a record must have. When the first record has one more and ends in a delimiter, every
        record must.
    delimiter : bytes
        One byte.
    file : str
        Name for messages.

    Raises
    ------
    FileRefused
        ``unclosed_quote`` with the line where it opened; ``record_too_long`` beyond 64 MB.
    """
    number = 1
    has_trailing: bool | None = None
    while start < len(data):
        stop = _block_end(data, start, file)
        lines = _Lines(data, start, stop, delimiter[0])
        records, stop = _join_lines(data, lines, delimiter, file, line, columns)
        if has_trailing is None and records.count:
            has_trailing = bool(records.fields[0] == columns + 1) and records.ends_in(data, 0, delimiter)
        yield _checked(data, records, number, line, columns, bool(has_trailing), delimiter, file)
        number += records.count
        line += records.line_count
        start = stop


class _Lines:
    """The physical lines of data[start:stop], with what their quotes and delimiters mean."""

    def __init__(self, data: bytes, start: int, stop: int, delimiter: int) -> None:
        self.start = start
        block = np.frombuffer(data, dtype=np.uint8, count=stop - start, offset=start)
        is_end = block == _LF
        carriage = np.flatnonzero(block == _CR)
        if carriage.size:
            follower = np.append(block[1:], 0)[carriage]
            is_end[carriage[follower != _LF]] = True
        ends = np.flatnonzero(is_end)
        if not ends.size or ends[-1] != block.size - 1:
            ends = np.append(ends, block.size)
        self.ends = np.minimum(ends + 1, block.size)
        self.starts = np.concatenate(([0], self.ends[:-1]))
        self.count = self.starts.size
        content = ends.copy()
        before = block[np.maximum(ends - 1, 0)]
        content[(before == _CR) & (ends > self.starts) & (ends < block.size)] -= 1
        self.content_ends = content
        closed = self._classify_quotes(block, delimiter)
        self._count_fields(block, delimiter, closed)
        self.odd_bytes = self._with_odd_bytes(data, block)

    def _with_odd_bytes(self, data: bytes, block: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Mark lines with NUL, or with bytes beyond ASCII where the block is not all UTF-8."""
        is_odd = block == 0
        try:
            data[self.start : self.start + block.size].decode("utf-8")
        except UnicodeDecodeError:
            is_odd |= block >= 128
        found: npt.NDArray[np.bool_] = np.zeros(self.count, dtype=bool)
        found[np.searchsorted(self.starts, np.flatnonzero(is_odd), side="right") - 1] = True
        return found

    def _classify_quotes(self, block: npt.NDArray[np.uint8], delimiter: int) -> npt.NDArray[np.bool_]:
        quotes = np.flatnonzero(block == _QUOTE)
        self._quotes = quotes
        self._first_quote = np.searchsorted(quotes, self.starts)
        counts = np.diff(np.append(self._first_quote, quotes.size))
        self.irregular = np.zeros(self.count, dtype=bool)
        if not quotes.size:
            return self.irregular.copy()
        line = np.searchsorted(self.starts, quotes, side="right") - 1
        rank = np.arange(quotes.size) - self._first_quote[line]
        gap = np.diff(quotes)
        after_quote = np.append(False, gap == 1) & (rank > 0)
        before_quote = np.append(gap == 1, False) & (np.append(line[1:], -1) == line)
        opens = (quotes == self.starts[line]) | (block[np.maximum(quotes - 1, 0)] == delimiter)
        follower = block[np.minimum(quotes + 1, block.size - 1)]
        closes = (quotes + 1 >= self.content_ends[line]) | (follower == delimiter)
        sound = np.where(rank % 2 == 0, opens | after_quote, closes | before_quote)
        faults = np.bincount(line[~sound], minlength=self.count)
        has_opening = np.bincount(line[opens], minlength=self.count) > 0
        plain = (faults == 0) & (counts % 2 == 0)
        self.irregular = has_opening & ~plain
        closed: npt.NDArray[np.bool_] = has_opening & plain
        return closed

    def _count_fields(
        self, block: npt.NDArray[np.uint8], delimiter: int, closed: npt.NDArray[np.bool_]
    ) -> None:
        delimiters = np.flatnonzero(block == delimiter)
        if closed.any():
            line = np.searchsorted(self.starts, delimiters, side="right") - 1
            rank = np.searchsorted(self._quotes, delimiters) - self._first_quote[line]
            delimiters = delimiters[~((rank % 2 == 1) & closed[line])]
        first = np.searchsorted(delimiters, self.starts)
        self.fields = np.diff(np.append(first, delimiters.size)) + 1


@dataclass
class _Records:
    """Records of one block: bytes relative to the data, first line relative to the block."""

    starts: Offsets
    ends: Offsets
    first_lines: Offsets
    fields: Offsets
    suspicious: npt.NDArray[np.bool_]
    faults: dict[int, tuple[str, int | None]]
    line_count: int

    @property
    def count(self) -> int:
        return int(self.starts.size)

    def ends_in(self, data: bytes, record: int, delimiter: bytes) -> bool:
        return data[int(self.starts[record]) : int(self.ends[record])].rstrip(b"\r\n").endswith(delimiter)


def _join_lines(
    data: bytes, lines: _Lines, delimiter: bytes, file: str, line: int, columns: int
) -> tuple[_Records, int]:
    """Put lines together to records; returns them and where the next block begins."""
    keep = np.ones(lines.count, dtype=bool)
    ends = lines.ends + lines.start
    fields = lines.fields.astype(np.int64)
    suspicious = lines.odd_bytes | (lines.ends - lines.starts > MAX_FIELD_CHARACTERS)
    faults: dict[int, tuple[str, int | None]] = {}
    stop = lines.start + int(lines.ends[-1])
    line_count = lines.count
    covered = 0
    for index in np.flatnonzero(lines.irregular).tolist():
        if index < covered:
            continue
        walked = walk_record(
            data, lines.start + int(lines.starts[index]), delimiter, file=file, line=line + index
        )
        if walked.lines > 1 and len(walked.fields) not in (columns, columns + 1):
            raise _unclosed(file, line + index)
        if walked.fault is not None:
            faults[index] = (walked.fault, walked.fault_field)
        fields[index] = len(walked.fields)
        ends[index] = walked.end
        suspicious[index] = True
        covered = index + walked.lines
        keep[index + 1 : covered] = False
        if walked.end > stop:
            stop, line_count = walked.end, covered
    width = lines.content_ends - lines.starts
    may_be_blank = keep & ((width < fields) | ((fields == 1) & (width < 256)))
    for index in np.flatnonzero(may_be_blank).tolist():
        if not data[lines.start + int(lines.starts[index]) : int(ends[index])].strip():
            keep[index] = False
    kept = np.flatnonzero(keep)
    position = {int(original): place for place, original in enumerate(kept.tolist())} if faults else {}
    return (
        _Records(
            starts=(lines.starts[kept] + lines.start).astype(np.int64),
            ends=ends[kept].astype(np.int64),
            first_lines=kept.astype(np.int64),
            fields=fields[kept],
            suspicious=suspicious[kept],
            faults={position[index]: fault for index, fault in faults.items()},
            line_count=line_count,
        ),
        stop,
    )


def _checked(
    data: bytes,
    records: _Records,
    number: int,
    line: int,
    columns: int,
    has_trailing: bool,
    delimiter: bytes,
    file: str,
) -> Block:
    """Set the broken records of a block aside."""
    expected = columns + has_trailing
    wrong = records.fields != expected
    faults: dict[int, tuple[str, int | None]] = {
        index: ("too_few_fields" if records.fields[index] < expected else "too_many_fields", None)
        for index in np.flatnonzero(wrong).tolist()
    }
    faults |= records.faults
    for index in np.flatnonzero(records.suspicious).tolist():
        if index not in faults:
            first, end = int(records.starts[index]), int(records.ends[index])
            fault = _content_fault(data, first, end, columns, delimiter, file)
            if fault is not None:
                faults[index] = fault
    if has_trailing:
        for index in range(records.count):
            if index not in faults and not records.ends_in(data, index, delimiter):
                faults[index] = ("too_many_fields", None)
    sound = np.ones(records.count, dtype=bool)
    sound[list(faults)] = False
    block = Block(
        sound=_joined(data, records, sound),
        numbers=np.flatnonzero(sound).astype(np.int64) + number,
        lines=records.first_lines[sound] + line,
        starts=records.starts[sound],
        ends=records.ends[sound],
        record_count=records.count,
        longest=int((records.ends - records.starts)[sound].max(initial=0)),
    )
    for index in sorted(faults):
        reason, column = faults[index]
        block.broken.append(
            BrokenRecord(
                number=number + index,
                line=line + int(records.first_lines[index]),
                start=int(records.starts[index]),
                end=int(records.ends[index]),
                reason=reason,
                field=column,
            )
        )
    return block


def _content_fault(
    data: bytes, start: int, end: int, columns: int, delimiter: bytes, file: str
) -> tuple[str, int | None] | None:
    record = data[start:end]
    text_is_valid = True
    try:
        record.decode("utf-8")
    except UnicodeDecodeError:
        text_is_valid = False
    is_short = len(record) <= MAX_FIELD_CHARACTERS
    if text_is_valid and is_short and b"\x00" not in record:
        return None
    fields = walk_record(data, start, delimiter, file=file, line=0).fields
    for place, content in enumerate(fields[:columns]):
        if b"\x00" in content:
            return ("nul_byte", place)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return ("invalid_encoding", place)
        if len(text) > MAX_FIELD_CHARACTERS:
            return ("field_too_long", place)
    return None


def _joined(data: bytes, records: _Records, sound: npt.NDArray[np.bool_]) -> bytes:
    """Return the sound records' bytes; neighbours are copied together."""
    if not sound.any():
        return b""
    starts, ends = records.starts[sound], records.ends[sound]
    breaks = np.flatnonzero(starts[1:] != ends[:-1])
    firsts = starts[np.concatenate(([0], breaks + 1))].tolist()
    lasts = ends[np.append(breaks, ends.size - 1)].tolist()
    pieces = [data[first:last] for first, last in zip(firsts, lasts, strict=True)]
    return b"".join(piece if piece.endswith((b"\n", b"\r")) else piece + b"\n" for piece in pieces)


def _block_end(data: bytes, start: int, file: str) -> int:
    size = BLOCK_BYTES
    while start + size < len(data):
        stop = data.rfind(b"\n", start, start + size) + 1
        if stop == 0:
            stop = data.rfind(b"\r", start, start + size - 1) + 1
        if stop:
            return stop
        size *= 2
        if size > MAX_RECORD_BYTES:
            line = data.count(b"\n", 0, start) + 1
            raise FileRefused(
                f"{file}, line {line}: no line end in {size:,} bytes. Is this the right kind of file?",
                file=file,
                reason="record_too_long",
                line=line,
            )
    return len(data)


def _closing_quote(data: bytes, opening: int) -> int | None:
    position = opening + 1
    while True:
        found = data.find(b'"', position)
        if found < 0:
            return None
        if data[found + 1 : found + 2] != b'"':
            return found
        position = found + 2


def _line_end(data: bytes, position: int) -> int:
    """Return the offset after the end of the line that `position` is on."""
    found = re.compile(b"\r\n|\r|\n").search(data, position)
    return found.end() if found else len(data)


def _lines_in(data: bytes, start: int, end: int) -> int:
    return max(1, len(data[start:end].splitlines()))


def _line_at(data: bytes, start: int, position: int, first_line: int) -> int:
    return first_line + len((data[start:position] + b"x").splitlines()) - 1


def _unclosed(file: str, line: int) -> FileRefused:
    return FileRefused(
        f"{file}, line {line}: a quote is opened and not closed, so the records after it cannot be told "
        "apart. Close or double it, and load the file again.",
        file=file,
        reason="unclosed_quote",
        line=line,
    )
