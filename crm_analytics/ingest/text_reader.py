"""What do the records of a delimited text say, as text and with their places?  Header and blocks of cells.

Delimiters are one ASCII character, or "whitespace": any run of blanks, as in the fixed columns of old
statistical files, where a quote means nothing and a record is a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.profile import DELIMITERS, WHITESPACE, Dialect
from crm_analytics.ingest.records import (
    MAX_COLUMNS,
    MAX_FIELD_CHARACTERS,
    MAX_RECORD_BYTES,
    Block,
    BrokenRecord,
    Delivery,
    Part,
)
from crm_analytics.ingest.source import Text, decoded
from crm_analytics.ingest.text_records import (
    BLOCK_BYTES,
    Layout,
    NeedMoreText,
    Places,
    text_blocks,
    walk_record,
)

# How Excel says which character parts the fields.
_DECLARED = re.compile(rb'"?sep=([^\r\n"])"?(\r\n|\r|\n)', re.IGNORECASE)
_LINE_END = re.compile(b"\r\n|\r|\n")


def text_headers(part: Part, dialect: Dialect) -> list[tuple[str, tuple[str, ...]]]:
    """Return the header as each possible delimiter splits it: (delimiter, names)."""
    text = decoded(part, dialect.encoding)
    declared = _DECLARED.match(next((piece for piece, _ in text.pieces()), b""))
    candidates: tuple[str, ...] = (*DELIMITERS, WHITESPACE)
    if dialect.delimiter:
        candidates = (dialect.delimiter,)
    elif declared is not None and not dialect.skip_rows and declared[1].isascii():
        candidates = (declared[1].decode(),)
    found = [(one, _header(text, one, dialect.skip_rows)[0]) for one in candidates]
    several = [one for one in found if len(one[1]) > 1]
    if all(delimiter == WHITESPACE for delimiter, _ in several):
        return [found[0], *several] if found[0] not in several else several
    return several


def read_text(part: Part, dialect: Dialect) -> Delivery:
    """Return the delivery of a delimited text."""
    text = decoded(part, dialect.encoding)
    delimiter = dialect.delimiter or ","
    names, start, line = _header(text, delimiter, dialect.skip_rows)
    if dialect.header is not None:
        names, start, line = dialect.header, *_after_lines(text, dialect.skip_rows)
    layout = Layout(
        part.name, len(names), b"\t" if delimiter == WHITESPACE else delimiter.encode(), start, line
    )
    read = _blank_separated if delimiter == WHITESPACE else text_blocks
    return Delivery(part.name, names, lambda: read(text, layout))


def ends_within_line(part: Part, dialect: Dialect) -> bool:
    """Does a text end without a line end?"""
    last = b""
    for piece, _ in decoded(part, dialect.encoding).pieces():
        last = piece or last
    return not last.endswith((b"\n", b"\r"))


def _header(text: Text, delimiter: str, skip_rows: int) -> tuple[tuple[str, ...], int, int]:
    """Return the names, where the records begin, and on which line."""
    for head, is_last in _heads(text):
        try:
            return _header_in(head, delimiter, skip_rows, text.part.name, is_last=is_last)
        except NeedMoreText:
            continue
    raise FileRefused(
        f"{text.part.name}: no header in {MAX_RECORD_BYTES:,} bytes. Is this the right kind of file?",
        file=text.part.name,
        reason="record_too_long",
    )


def _heads(text: Text) -> Iterator[tuple[bytes, bool]]:
    """Yield longer and longer beginnings of a text; with each, whether it is the whole."""
    head, wanted = b"", 0
    for piece, _ in text.pieces():
        if head and len(head) >= wanted:
            yield head, False
            wanted = 4 * len(head)
        if len(head) > MAX_RECORD_BYTES:
            return
        head += piece
    yield head, True


def _header_in(
    data: bytes, delimiter: str, skip_rows: int, file: str, *, is_last: bool
) -> tuple[tuple[str, ...], int, int]:
    start, line = _lines_skipped(data, skip_rows, is_last=is_last)
    declared = _DECLARED.match(data) if not skip_rows else None
    if declared is not None:
        start, line = declared.end(), 2
    while start < len(data):
        if delimiter == WHITESPACE:
            start_of_next, next_line = _lines_skipped(data, line, is_last=is_last)
            names = data[start:start_of_next].split()
        else:
            walked = walk_record(data, start, delimiter.encode(), file=file, line=line, is_last=is_last)
            start_of_next, next_line, names = walked.end, line + walked.lines, walked.fields
        if any(name.strip() for name in names):
            if len(names) > MAX_COLUMNS:
                raise FileRefused(
                    f"{file}: {len(names):,} columns; at most {MAX_COLUMNS:,} are read.",
                    file=file,
                    reason="too_many_columns",
                )
            told = tuple(name.decode("utf-8", "backslashreplace").strip("\ufeff \t\xa0") for name in names)
            return told, start_of_next, next_line
        start, line = start_of_next, next_line
    if not is_last:
        raise NeedMoreText(line)
    return (), len(data), line


def _after_lines(text: Text, count: int) -> tuple[int, int]:
    """Return the offset after `count` lines, and the number of the line there."""
    for head, is_last in _heads(text):
        try:
            return _lines_skipped(head, count, is_last=is_last)
        except NeedMoreText:
            continue
    return 0, 1


def _lines_skipped(data: bytes, count: int, *, is_last: bool) -> tuple[int, int]:
    position = 0
    for number in range(count):
        found = _LINE_END.search(data, position)
        if found is None or (found.end() == len(data) and not is_last):
            if not is_last:
                raise NeedMoreText(number)
            return len(data), count + 1
        position = found.end()
    return position, count + 1


def _blank_separated(text: Text, layout: Layout) -> Iterator[Block]:
    """Yield the records of a text whose fields stand apart by blanks: one a line, block by block."""
    offset, line, number = text.mark, 1, 1
    for data, read_bytes in _whole_lines(text):
        lines = data.splitlines(keepends=True)
        sizes = np.array([len(one) for one in lines], dtype=np.int64)
        ends = np.cumsum(sizes)
        places = Places(text, data, offset, np.arange(line, line + len(lines)), ends - sizes, ends)
        rows: list[list[str]] = []
        numbers: list[int] = []
        kept: list[int] = []
        broken: list[BrokenRecord] = []
        count = 0
        for index, one in enumerate(lines):
            fields = one.split()
            if line + index < layout.line or not fields:
                continue
            fault = _line_fault(fields, layout.columns)
            if fault is None:
                rows.append([field.decode() for field in fields])
                numbers.append(number + count)
                kept.append(index)
            else:
                told_line, told_offset, raw = places(index)
                broken.append(BrokenRecord(number + count, told_line, told_offset, raw, *fault))
            count += 1
        columns = list(zip(*rows, strict=True)) or [()] * layout.columns
        cells = {f"c{place}": pa.array(column, pa.string()) for place, column in enumerate(columns)}
        yield Block(
            cells=pa.table(cells | {"record_number": pa.array(numbers, pa.int64())}),
            broken=tuple(broken),
            record_count=count,
            place=places.chosen(np.array(kept, dtype=np.int64)),
            read_bytes=read_bytes,
        )
        offset += len(text.delivered(data))
        line += len(lines)
        number += count


def _whole_lines(text: Text) -> Iterator[tuple[bytes, int]]:
    """Yield stretches of about a block that end with a line."""
    held, read = b"", 0
    for piece, read in text.pieces():
        held += piece
        if len(held) > BLOCK_BYTES:
            stop = held.rfind(b"\n") + 1
            if stop:
                yield held[:stop], read
                held = held[stop:]
        if len(held) > MAX_RECORD_BYTES:
            raise FileRefused(
                f"{text.part.name}: no line end in {len(held):,} bytes. Is this the right kind of file?",
                file=text.part.name,
                reason="record_too_long",
            )
    if held:
        yield held, read


def _line_fault(fields: list[bytes], columns: int) -> tuple[str, int | None] | None:
    if len(fields) != columns:
        return ("too_few_fields" if len(fields) < columns else "too_many_fields", None)
    for place, content in enumerate(fields):
        if b"\x00" in content:
            return ("nul_byte", place)
        try:
            told = content.decode("utf-8")
        except UnicodeDecodeError:
            return ("invalid_encoding", place)
        if len(told) > MAX_FIELD_CHARACTERS:
            return ("field_too_long", place)
    return None
