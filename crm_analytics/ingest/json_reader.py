"""What do the records of JSON and NDJSON say, as text?  An array of objects, or one object per line.

A broken line of NDJSON is one broken record; a broken JSON document is refused, since the records after the
damage cannot be told apart. A document is held in memory: at most 256 MB; NDJSON streams. What a record says
is told in `json_cells`.
Formats: RFC 8259 (JSON), ndjson.org.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.json_cells import MAX_DEPTH, BrokenJson, json_cells, json_names
from crm_analytics.ingest.options import option
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.records import MAX_RECORD_BYTES, Delivery, Part
from crm_analytics.ingest.row_blocks import Row, blocks_of, check_width
from crm_analytics.ingest.source import Text, decoded

MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
# The header of NDJSON is known when all of it was read; a layout is recognised by its first records.
_RECOGNISED_BY = 1_000
_BLANKS = re.compile(r"[ \t\r\n]*")
# What an answer of a web service calls the number of records it tells of.
_COUNTS = ("count", "totalsize", "total_count", "@odata.count")

Headers = list[tuple[str, tuple[str, ...]]]


# Walks over a value and keeps next to nothing of it.
_WALK = json.JSONDecoder(object_pairs_hook=lambda pairs: None, parse_float=len, parse_int=len)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The text of one record, with its place and the bytes of the file read so far."""

    text: bytes
    line: int
    offset: int
    read: int


def json_headers(part: Part, dialect: Dialect) -> Headers:
    """Return the columns that the first records have."""
    return [("", _header(part.name, islice(_pieces(part, dialect), _RECOGNISED_BY)))]


def read_json(part: Part, dialect: Dialect) -> Delivery:
    """Return the delivery of a JSON document or of NDJSON; its columns are those of all records."""
    header = _header(part.name, _pieces(part, dialect))
    places = {name: place for place, name in enumerate(header)}
    text = _text(part, dialect)

    def rows() -> Iterator[tuple[Row, int]]:
        for piece in _pieces(part, dialect):
            yield _row(piece, text, places, dialect.decimal), piece.read

    return Delivery(
        part.name,
        header,
        lambda: blocks_of(rows(), len(header)),
        lambda: _controls(part, dialect),
    )


def _header(file: str, pieces: Iterable[_Piece]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for piece in pieces:
        try:
            found = json_names(piece.text)
        except BrokenJson:
            continue
        if not names.keys() >= set(found):
            names |= dict.fromkeys(found)
            check_width(file, len(names))
    return tuple(names)


def _row(piece: _Piece, text: Text, places: dict[str, int], decimal: str) -> Row:
    def raw() -> bytes:
        return text.delivered(piece.text)

    try:
        found = json_cells(piece.text, decimal)
    except BrokenJson as fault:
        field = places.get(fault.key) if fault.key is not None else None
        return Row(piece.line, piece.offset, raw, (), fault.reason, field)
    cells: list[str | None] = [None] * len(places)
    for name, cell in found.items():
        cells[places[name]] = cell
    return Row(piece.line, piece.offset, raw, cells)


def _text(part: Part, dialect: Dialect) -> Text:
    """Return how the text is read; without mark and declaration, NULs beside the first sign tell UTF-16."""
    encoding = dialect.encoding
    if encoding is None:
        start = next((piece for piece, _ in part.chunks()), b"")[:2]
        if start[1:] == b"\x00":
            encoding = "utf-16-le"
        elif start[:1] == b"\x00":
            encoding = "utf-16-be"
    return decoded(part, encoding)


def _pieces(part: Part, dialect: Dialect) -> Iterator[_Piece]:
    if part.kind == "ndjson":
        return _lines(_text(part, dialect), dialect.skip_rows)
    return _elements(_document(part, dialect), part.size)


def _lines(text: Text, skip_rows: int) -> Iterator[_Piece]:
    """Yield the lines that are not blank."""
    held, line, offset, read = b"", 0, text.mark, 0
    for piece, read in text.pieces():
        *lines, held = (held + piece).split(b"\n")
        for one in lines:
            line += 1
            whole = one + b"\n"
            if line > skip_rows and one.strip():
                yield _Piece(whole, line, offset, read)
            offset += len(text.delivered(whole))
        if len(held) > MAX_RECORD_BYTES:
            raise _refused(
                text.part.name,
                "record_too_long",
                f"no line end in {len(held):,} bytes. Is this NDJSON?",
                line + 1,
            )
    if held.strip() and line >= skip_rows:
        yield _Piece(held, line + 1, offset, read)


@dataclass(frozen=True)
class _Document:
    """A JSON document: where its list of records begins; None where the whole is one record."""

    text: Text
    content: str
    list_start: int | None
    counts: tuple[int, ...] = ()


def _document(part: Part, dialect: Dialect) -> _Document:
    """Return a document that was walked through to its end."""
    text = _text(part, dialect)
    content = _content(text)
    start = _after_blanks(content, 0)
    try:
        if content[start : start + 1] == "[":
            _walked_to_end(content, start)
            return _Document(text, content, start)
        members = _members(content, start)
    except json.JSONDecodeError as error:
        raise _unreadable(part.name, error) from error
    except RecursionError as error:
        raise _refused(
            part.name, "too_deep", f"values are nested deeper than {MAX_DEPTH} levels. Flatten the export."
        ) from error
    lists = {
        key: at
        for key, at in members
        if content[at] == "[" and content[_after_blanks(content, at + 1)] == "{"
    }
    if len(lists) > 1:
        raise _refused(
            part.name,
            "not_a_table",
            f"it holds several lists of records ({', '.join(repr(key[:40]) for key in lists)}). "
            "Write each to a file of its own.",
        )
    if not lists or any(_is_id(key) for key, _ in members):
        return _Document(text, content, None)
    counts = tuple(
        int(found[0])
        for key, at in members
        if key.casefold() in _COUNTS and (found := re.compile(r"\d{1,15}(?=[\s,}])").match(content, at))
    )
    return _Document(text, content, next(iter(lists.values())), counts)


def _is_id(key: str) -> bool:
    """Does a key beside a list tell that the object is a record itself, not an envelope?"""
    return key.casefold() in ("id", "uuid", "key") or key.endswith(("_id", "Id", "ID"))


def _content(text: Text) -> str:
    pieces, size = [], 0
    for piece, _ in text.pieces():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_DOCUMENT_BYTES:
            raise _refused(
                text.part.name,
                "file_too_large",
                f"a JSON document of more than {MAX_DOCUMENT_BYTES:,} bytes. Write it as NDJSON, one object "
                "per line, which has no limit.",
            )
    data = b"".join(pieces)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(
            text.part.name,
            "invalid_encoding",
            f"byte {text.mark + error.start} is not UTF-8. Say {option('encoding', 'cp1252', 'cp1256')}.",
            line,
        ) from error


def _members(content: str, start: int) -> list[tuple[str, int]]:
    """Return the keys of an object, each with where its value begins, after walking over all of it."""
    _walked_to_end(content, start)
    found = []
    position = _after_blanks(content, start + 1)
    while content[position] != "}":
        key, position = _WALK.raw_decode(content, position)
        position = _after_blanks(content, _after_blanks(content, position) + 1)
        found.append((key, position))
        _, position = _WALK.raw_decode(content, position)
        position = _after_blanks(content, position)
        if content[position] == ",":
            position = _after_blanks(content, position + 1)
    return found


def _walked_to_end(content: str, start: int) -> None:
    _, end = _WALK.raw_decode(content, start)
    end = _after_blanks(content, end)
    if end < len(content):
        raise json.JSONDecodeError("more text after the end", content, end)


def _elements(document: _Document, size: int) -> Iterator[_Piece]:
    """Yield the records of a document."""
    content, text = document.content, document.text
    line, offset, before = 1, text.mark, 0

    def piece(start: int, end: int) -> _Piece:
        nonlocal line, offset, before
        between = content[before:start]
        line += between.count("\n")
        offset += len(text.delivered(between.encode()))
        before = start
        return _Piece(content[start:end].encode(), line, offset, size)

    if document.list_start is None:
        yield piece(_after_blanks(content, 0), len(content.rstrip()))
        return
    position = _after_blanks(content, document.list_start + 1)
    while content[position] != "]":
        _, end = _WALK.raw_decode(content, position)
        yield piece(position, end)
        position = _after_blanks(content, end)
        if content[position] == ",":
            position = _after_blanks(content, position + 1)


def _controls(part: Part, dialect: Dialect) -> dict[str, int]:
    """Return the number of records that the envelope of a document tells of."""
    counts = _document(part, dialect).counts if part.kind == "json" else ()
    return {"records": counts[0]} if counts else {}


def _after_blanks(content: str, position: int) -> int:
    found = _BLANKS.match(content, position)
    return found.end() if found else position


def _unreadable(file: str, error: json.JSONDecodeError) -> FileRefused:
    is_cut = error.msg.startswith("Unterminated") or not error.doc[error.pos :].strip()
    if is_cut:
        return _refused(
            file, "truncated", "the JSON ends too early. Export or transfer it again.", error.lineno
        )
    return _refused(
        file,
        "bad_json",
        f"no JSON at column {error.colno} ({error.msg}). Export it again, or "
        "write one object per line (NDJSON), so that the other records can be read.",
        error.lineno,
    )


def _refused(file: str, reason: str, text: str, line: int | None = None) -> FileRefused:
    where = file if line is None else f"{file}, line {line}"
    return FileRefused(f"{where}: {text}", file=file, reason=reason, line=line)
