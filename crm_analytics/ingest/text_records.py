"""Where does each record of a delimited text begin and end, and which records are broken?  (RFC 4180)

A field is quoted when its first character is a quote; a quote elsewhere is an ordinary character (an
inch mark). The text passes through a window of some megabytes. A stretch without quotes and odd bytes is
handed to the CSV parser as it is; where that finds a line of another length, and in every other stretch,
lines are classified with NumPy, and only lines whose quotes are not plain within the line (fields over
several lines, faults) are walked through one by one. Broken records are named with their place and
reason and kept to the byte.

Units: offsets are bytes of the window (UTF-8) until a record's place is told; lines and records are
counted from 1, the header is no record, blank lines are lines but not records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.records import MAX_FIELD_CHARACTERS, MAX_RECORD_BYTES, Block, BrokenRecord, Place
from crm_analytics.ingest.source import Chunks, Text

BLOCK_BYTES = 16 * 1024 * 1024
_BEYOND_BYTES = 256 * 1024
_QUOTE, _LF, _CR = 34, 10, 13

Offsets = npt.NDArray[np.int64]


class NeedMoreText(Exception):
    """The text at hand ends before the record that begins on `line` does."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True)
class Layout:
    """What is known of a text before its records are read.

    Attributes
    ----------
    file : str
        Name for messages.
    columns : int
        Fields a record must have. When the first record has one more and ends in a delimiter, every
        record must.
    delimiter : bytes
        One byte.
    start, line : int
        Where in the UTF-8 text the first record begins, and on which line.
    """

    file: str
    columns: int
    delimiter: bytes
    start: int = 0
    line: int = 1


@dataclass(frozen=True)
class Walked:
    """One record read character by character."""

    fields: list[bytes]
    end: int
    lines: int
    fault: str | None = None
    fault_field: int | None = None


def walk_record(
    data: bytes, start: int, delimiter: bytes, *, file: str, line: int, is_last: bool = True
) -> Walked:
    """Read one record from `start`; a fault is reported, an unclosed quote refuses the file.

    `is_last`: no text follows `data`; otherwise a record that reaches its end raises `NeedMoreText`.

    Examples
    --------
    >>> walk_record(b'a,"b""c"\\nd', 0, b",", file="x.csv", line=1).fields
    [b'a', b'b"c']
    """
    field_end = re.compile(b"[" + re.escape(delimiter) + b"\r\n]")
    fields: list[bytes] = []
    position = start
    fault = None
    while True:
        if data[position : position + 1] == b'"':
            close = _closing_quote(data, position)
            if close is None:
                if not is_last:
                    raise NeedMoreText(line)
                raise _unclosed(file, _line_at(data, start, position, line))
            after = data[close + 1 : close + 2]
            if after not in (delimiter, b"\r", b"\n", b""):
                if _line_at(data, start, close, line) != _line_at(data, start, position, line):
                    raise _unclosed(file, _line_at(data, start, position, line))
                fault = "bad_quote"
                break
            fields.append(data[position + 1 : close].replace(b'""', b'"'))
            position = close + 1
        else:
            found = field_end.search(data, position)
            stop = found.start() if found else len(data)
            fields.append(data[position:stop])
            position = stop
        if data[position : position + 1] != delimiter:
            break
        position += 1
    end = _line_end(data, position)
    if end == len(data) and not is_last:
        raise NeedMoreText(line)
    lines = _lines_in(data, start, end)
    return Walked(fields, end, lines, fault, None if fault is None else len(fields))


def text_blocks(text: Text, layout: Layout) -> Iterator[Block]:
    """Yield the records of a text, block by block.

    Raises
    ------
    FileRefused
        ``unclosed_quote`` with the line where it opened; ``record_too_long`` beyond 64 MB; whatever the
        stream finds.
    """
    window = _Window(text)
    window.skip(layout.start)
    number, line = 1, layout.line
    has_trailing: bool | None = None
    wanted = BLOCK_BYTES
    while window.fill(wanted + _BEYOND_BYTES):
        stop = _block_end(window, layout.file, line)
        block = None
        if has_trailing is not None:
            block = _plain_block(window, stop, layout, number, line, has_trailing)
        if block is None:
            lines = _Lines(window.data, stop, layout.delimiter[0])
            try:
                records, stop = _join_lines(window, lines, layout, line)
            except NeedMoreText as opened:
                if len(window.data) > MAX_RECORD_BYTES:
                    raise _unclosed(layout.file, opened.line) from None
                wanted = 2 * len(window.data)
                continue
            if has_trailing is None and records.count:
                has_trailing = bool(records.fields[0] == layout.columns + 1 and records.ends_in_delimiter[0])
            block = _checked_block(window, records, layout, number, line, bool(has_trailing))
            line += records.line_count
        else:
            line += block.record_count
        number += block.record_count
        window.skip(stop)
        wanted = BLOCK_BYTES
        yield block


class _Window:
    """The stretch of a text that is being looked at, and where in the file it begins."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.data = b""
        self.is_last = False
        self.read_bytes = 0
        self.offset = text.mark
        self._pieces: Chunks = text.pieces()

    def fill(self, size: int) -> bool:
        """Read on until the window holds `size` bytes or the text ends; False when nothing is left."""
        pieces, held = [self.data], len(self.data)
        while held < size and not self.is_last:
            piece, read = next(self._pieces, (b"", self.read_bytes))
            self.is_last = not piece
            self.read_bytes = read
            pieces.append(piece)
            held += len(piece)
        self.data = b"".join(pieces)
        return held > 0

    def skip(self, count: int) -> None:
        """Move the window on by `count` bytes."""
        while len(self.data) < count and not self.is_last:
            count -= len(self.data)
            self.offset += len(self.text.delivered(self.data))
            self.data = b""
            self.fill(1)
        self.offset += len(self.text.delivered(self.data[:count]))
        self.data = self.data[count:]


class Places:
    """Line, byte offset and bytes as delivered of the records of one block, by row.

    Rows asked for in ascending order are found fastest.
    """

    def __init__(
        self, text: Text, data: bytes, offset: int, lines: Offsets, starts: Offsets, ends: Offsets
    ) -> None:
        self._text, self._data = text, data
        self._lines, self._starts, self._ends = lines, starts, ends
        self._first = (0, offset)
        self._last = (0, offset)

    def __call__(self, row: int) -> Place:
        """Return the place of one row."""
        start, end = int(self._starts[row]), int(self._ends[row])
        known, offset = self._last if self._last[0] <= start else self._first
        offset += len(self._text.delivered(self._data[known:start]))
        self._last = (start, offset)
        return int(self._lines[row]), offset, self._text.delivered(self._data[start:end])

    def chosen(self, rows: Offsets | npt.NDArray[np.bool_]) -> Places:
        """Return the places of some of the rows."""
        return Places(
            self._text, self._data, self._first[1], self._lines[rows], self._starts[rows], self._ends[rows]
        )


class _PlainPlaces:
    """Places of a block in which every line is a record; the lines are looked for when one is asked for."""

    def __init__(self, text: Text, data: bytes, offset: int, line: int) -> None:
        self._text, self._data, self._offset, self._line = text, data, offset, line
        self._places: Places | None = None

    def __call__(self, row: int) -> Place:
        """Return the place of one row."""
        if self._places is None:
            block = np.frombuffer(self._data, dtype=np.uint8)
            ends = np.minimum(_line_ends(block) + 1, block.size)
            starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1]))
            lines = np.arange(self._line, self._line + ends.size)
            self._places = Places(self._text, self._data, self._offset, lines, starts, ends)
        return self._places(row)


def _plain_block(
    window: _Window, stop: int, layout: Layout, number: int, line: int, has_trailing: bool
) -> Block | None:
    """Return the block up to `stop` if every line of it is a sound record, else None."""
    data = window.data[:stop]
    if layout.columns < 2 or b'"' in data or b"\x00" in data or not _is_utf8(data):
        return None
    # A line of nothing but tabs is blank, not a record.
    if layout.delimiter == b"\t" and (data[:1] in b"\t " or b"\n\t" in data or b"\n " in data):
        return None
    names = [f"c{place}" for place in range(layout.columns)]
    extra = ["trailing"] if has_trailing else []
    try:
        # Half the longest field: a longer line would straddle two blocks, which is an error.
        table = _parsed(data, names + extra, names + extra, layout.delimiter, MAX_FIELD_CHARACTERS // 2)
    except pa.ArrowInvalid:
        return None
    if has_trailing:
        if pc.any(pc.not_equal(table["trailing"], "")).as_py():
            return None
        table = table.drop_columns("trailing")
    numbers = pa.array(np.arange(number, number + table.num_rows))
    return Block(
        cells=table.append_column("record_number", numbers),
        broken=(),
        record_count=table.num_rows,
        place=_PlainPlaces(window.text, data, window.offset, line),
        read_bytes=window.read_bytes,
    )


def _parsed(data: bytes, names: list[str], wanted: list[str], delimiter: bytes, block_size: int) -> pa.Table:
    return pyarrow.csv.read_csv(
        pa.BufferReader(data),
        read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=block_size, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter.decode(), newlines_in_values=b'"' in data, ignore_empty_lines=False
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            include_columns=wanted,
            strings_can_be_null=False,
            check_utf8=False,
        ),
    )


class _Lines:
    """The physical lines of data[:stop], with what their quotes and delimiters mean."""

    def __init__(self, data: bytes, stop: int, delimiter: int) -> None:
        block = np.frombuffer(data, dtype=np.uint8, count=stop)
        ends = _line_ends(block)
        self.ends = np.minimum(ends + 1, block.size)
        self.starts = np.concatenate(([0], self.ends[:-1]))
        self.count = self.starts.size
        content = ends.copy()
        before = block[np.maximum(ends - 1, 0)]
        content[(before == _CR) & (ends > self.starts) & (ends < block.size)] -= 1
        self.content_ends = content
        closed = self._classify_quotes(block, delimiter)
        self._count_fields(block, delimiter, closed)
        self.ends_in_delimiter = (content > self.starts) & (block[np.maximum(content - 1, 0)] == delimiter)
        self.odd_bytes = self._with_odd_bytes(data[:stop], block)

    def _with_odd_bytes(self, data: bytes, block: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Mark lines with NUL, or with bytes beyond ASCII where the block is not all UTF-8."""
        found: npt.NDArray[np.bool_] = np.zeros(self.count, dtype=bool)
        is_utf8 = _is_utf8(data)
        if is_utf8 and b"\x00" not in data:
            return found
        is_odd = block == 0
        if not is_utf8:
            is_odd |= block >= 128
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
        line = np.repeat(np.arange(self.count), counts)
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
        first = np.searchsorted(delimiters, self.starts)
        if closed.any():
            counts = np.diff(np.append(first, delimiters.size))
            line = np.repeat(np.arange(self.count), counts)
            rank = np.searchsorted(self._quotes, delimiters) - self._first_quote[line]
            delimiters = delimiters[~((rank % 2 == 1) & closed[line])]
            first = np.searchsorted(delimiters, self.starts)
        self.fields = np.diff(np.append(first, delimiters.size)) + 1


@dataclass
class _Records:
    """Records of one block: bytes of the window, first line relative to the block."""

    starts: Offsets
    ends: Offsets
    first_lines: Offsets
    fields: Offsets
    suspicious: npt.NDArray[np.bool_]
    ends_in_delimiter: npt.NDArray[np.bool_]
    faults: dict[int, tuple[str, int | None]]
    line_count: int

    @property
    def count(self) -> int:
        return int(self.starts.size)


def _join_lines(window: _Window, lines: _Lines, layout: Layout, line: int) -> tuple[_Records, int]:
    """Put lines together to records; returns them and where the next block begins."""
    data, columns = window.data, layout.columns
    keep = np.ones(lines.count, dtype=bool)
    ends = lines.ends.astype(np.int64)
    fields = lines.fields.astype(np.int64)
    ends_in_delimiter = lines.ends_in_delimiter
    suspicious = lines.odd_bytes | (lines.ends - lines.starts > MAX_FIELD_CHARACTERS)
    faults: dict[int, tuple[str, int | None]] = {}
    stop = int(lines.ends[-1])
    line_count = lines.count
    covered = 0
    for index in np.flatnonzero(lines.irregular).tolist():
        if index < covered:
            continue
        walked = walk_record(
            data,
            int(lines.starts[index]),
            layout.delimiter,
            file=layout.file,
            line=line + index,
            is_last=window.is_last,
        )
        if walked.lines > 1 and len(walked.fields) not in (columns, columns + 1):
            raise _unclosed(layout.file, line + index)
        if walked.fault is not None:
            faults[index] = (walked.fault, walked.fault_field)
        fields[index] = len(walked.fields)
        ends[index] = walked.end
        ends_in_delimiter[index] = (
            data[max(walked.end - 3, 0) : walked.end].rstrip(b"\r\n").endswith(layout.delimiter)
        )
        suspicious[index] = True
        covered = index + walked.lines
        keep[index + 1 : covered] = False
        if walked.end > stop:
            stop, line_count = walked.end, covered
    width = lines.content_ends - lines.starts
    may_be_blank = keep & ((width < fields) | ((fields == 1) & (width < 256)))
    for index in np.flatnonzero(may_be_blank).tolist():
        if not data[int(lines.starts[index]) : int(ends[index])].strip():
            keep[index] = False
    kept = np.flatnonzero(keep)
    position = {int(original): place for place, original in enumerate(kept.tolist())} if faults else {}
    return (
        _Records(
            starts=lines.starts[kept].astype(np.int64),
            ends=ends[kept],
            first_lines=kept.astype(np.int64),
            fields=fields[kept],
            suspicious=suspicious[kept],
            ends_in_delimiter=ends_in_delimiter[kept],
            faults={position[index]: fault for index, fault in faults.items()},
            line_count=line_count,
        ),
        stop,
    )


def _checked_block(
    window: _Window, records: _Records, layout: Layout, number: int, line: int, has_trailing: bool
) -> Block:
    """Set the broken records of a block aside, and split the others into cells."""
    data = window.data
    expected = layout.columns + has_trailing
    wrong = records.fields != expected
    faults: dict[int, tuple[str, int | None]] = {
        index: ("too_few_fields" if records.fields[index] < expected else "too_many_fields", None)
        for index in np.flatnonzero(wrong).tolist()
    }
    faults |= records.faults
    for index in np.flatnonzero(records.suspicious).tolist():
        if index not in faults:
            first, end = int(records.starts[index]), int(records.ends[index])
            fault = _content_fault(data, first, end, layout)
            if fault is not None:
                faults[index] = fault
    if has_trailing:
        for index in np.flatnonzero(~records.ends_in_delimiter).tolist():
            faults.setdefault(index, ("too_many_fields", None))
    sound = np.ones(records.count, dtype=bool)
    sound[list(faults)] = False
    places = Places(
        window.text, data, window.offset, records.first_lines + line, records.starts, records.ends
    )
    broken = []
    for index in sorted(faults):
        reason, column = faults[index]
        first_line, offset, raw = places(index)
        broken.append(BrokenRecord(number + index, first_line, offset, raw, reason, column))
    numbers = np.flatnonzero(sound).astype(np.int64)
    longest = int((records.ends - records.starts)[sound].max(initial=0))
    table = _cells(_joined(data, records, sound), layout, expected, longest)
    if table.num_rows != numbers.size:
        raise FileRefused(
            f"{layout.file}: {numbers.size:,} records were counted and {table.num_rows:,} read. "
            "Please report it.",
            file=layout.file,
            reason="count_differs",
        )
    return Block(
        cells=table.append_column("record_number", pa.array(numbers + number)),
        broken=tuple(broken),
        record_count=records.count,
        place=places.chosen(sound),
        read_bytes=window.read_bytes,
    )


def _cells(sound: bytes, layout: Layout, fields: int, longest: int) -> pa.Table:
    """Split sound records into text cells; a trailing empty field of every record falls away."""
    names = [f"c{place}" for place in range(fields)]
    wanted = names[: layout.columns]
    if not sound:
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    return _parsed(sound, names, wanted, layout.delimiter, max(1 << 20, 2 * longest + 2))


def _content_fault(data: bytes, start: int, end: int, layout: Layout) -> tuple[str, int | None] | None:
    record = data[start:end]
    if len(record) <= MAX_FIELD_CHARACTERS and b"\x00" not in record and _is_utf8(record):
        return None
    fields = walk_record(record, 0, layout.delimiter, file=layout.file, line=0).fields
    for place, content in enumerate(fields[: layout.columns]):
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


def _line_ends(block: npt.NDArray[np.uint8]) -> Offsets:
    """Return where each line ends (LF, CR LF or a lone CR; the last one may end with the block)."""
    is_end = block == _LF
    carriage = np.flatnonzero(block == _CR)
    if carriage.size:
        follower = np.append(block[1:], 0)[carriage]
        is_end[carriage[follower != _LF]] = True
    ends = np.flatnonzero(is_end)
    if not ends.size or ends[-1] != block.size - 1:
        ends = np.append(ends, block.size)
    return ends


def _block_end(window: _Window, file: str, line: int) -> int:
    """Return where the last whole line of a block of about `BLOCK_BYTES` ends."""
    size = BLOCK_BYTES
    while size < len(window.data) or not window.is_last:
        window.fill(size + 1)
        data = window.data
        if window.is_last and len(data) <= size:
            break
        stop = data.rfind(b"\n", 0, size) + 1
        if stop == 0:
            stop = data.rfind(b"\r", 0, size - 1) + 1
        if stop:
            return stop
        size *= 2
        if size > MAX_RECORD_BYTES:
            raise _too_long(file, line, size)
    return len(window.data)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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


def _too_long(file: str, line: int, size: int) -> FileRefused:
    return FileRefused(
        f"{file}, line {line}: no line end in {size:,} bytes. Is this the right kind of file?",
        file=file,
        reason="record_too_long",
        line=line,
    )


def _unclosed(file: str, line: int) -> FileRefused:
    return FileRefused(
        f"{file}, line {line}: a quote is opened and not closed, so the records after it cannot be told "
        "apart. Close or double it, and load the file again.",
        file=file,
        reason="unclosed_quote",
        line=line,
    )
