"""How do records that a reader has one by one, as text cells, become blocks?  For formats that are not CSV.

Numbers are decimal text, never a float's; a record of a format without text of its own (a sheet, Parquet)
is kept, where it must be set aside, as one line of JSON with the columns' names: it can be mended and
loaded again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.records import MAX_COLUMNS, MAX_FIELD_CHARACTERS, Block, BrokenRecord, Place

BLOCK_ROWS = 65_536
BLOCK_CHARACTERS = 8 * 1024 * 1024
_PLAIN_EXPONENT = 400
_WHOLE = re.compile(r"(-?\d+)\.0+")


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its place, its cells in the order of the header, or why it has none.

    `raw` gives its bytes as delivered; it is called only for records that are set aside.
    """

    line: int
    offset: int
    raw: Callable[[], bytes]
    cells: Sequence[str | None] = ()
    reason: str | None = None
    field: int | None = None


def blocks_of(rows: Iterable[tuple[Row, int]], columns: int) -> Iterator[Block]:
    """Yield the blocks of rows that come with the bytes of the file read so far.

    Examples
    --------
    >>> [block] = blocks_of([(Row(2, 0, lambda: b"C1", ["C1"]), 2)], columns=1)
    >>> block.cells.to_pylist(), block.place(0)
    ([{'c0': 'C1', 'record_number': 1}], (2, 0, b'C1'))
    """
    held: list[Row] = []
    number, size, read = 1, 0, 0
    for row, read in rows:
        held.append(row)
        size += sum(len(cell) for cell in row.cells if cell is not None) + 64
        if len(held) >= BLOCK_ROWS or size >= BLOCK_CHARACTERS:
            yield _block(held, number, columns, read)
            number, held, size = number + len(held), [], 0
    if held:
        yield _block(held, number, columns, read)


def number_text(text: str, decimal: str = ".") -> str:
    """Return a number as plain decimal text: no exponent, no ".0", with the decimal mark of the dialect.

    An exponent that would give hundreds of digits stays as it is (and is out of every range).

    Examples
    --------
    >>> number_text("7.0"), number_text("1.5e-7"), number_text("12.50", ",")
    ('7', '0.00000015', '12,50')
    """
    if text.isdigit():
        return text
    if "e" in text or "E" in text:
        try:
            given = Decimal(text)
        except InvalidOperation:
            return text
        if not given.is_finite() or abs(given.adjusted()) > _PLAIN_EXPONENT:
            return text
        text = format(given, "f")
    whole = _WHOLE.fullmatch(text)
    if whole:
        return whole[1]
    return text if decimal == "." else text.replace(".", decimal)


def record_line(header: Sequence[str], cells: Sequence[str | None]) -> bytes:
    """Return a record as one line of JSON; columns of the same name are told apart by their number.

    Examples
    --------
    >>> record_line(("id", "id"), ("1", None))
    b'{"id": "1", "id (2)": null}'
    """
    told: dict[str, str | None] = {}
    for place, (name, cell) in enumerate(zip(header, cells, strict=True), start=1):
        told[f"{name} ({place})" if name in told else name] = cell
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")


def check_width(file: str, columns: int) -> None:
    """Refuse a table that is wider than any export.

    Raises
    ------
    FileRefused
        ``too_many_columns``.
    """
    if columns > MAX_COLUMNS:
        raise FileRefused(
            f"{file}: {columns:,} columns; at most {MAX_COLUMNS:,} are read.",
            file=file,
            reason="too_many_columns",
        )


def _block(rows: Sequence[Row], first: int, columns: int, read: int) -> Block:
    faults = {index: (row.reason, row.field) for index, row in enumerate(rows) if row.reason is not None}
    try:
        arrays = _arrays(rows, faults, columns)
        is_odd = any(_is_odd(array) for array in arrays)
    except UnicodeEncodeError:
        is_odd = True
    if is_odd:
        faults |= _content_faults(rows, faults)
        arrays = _arrays(rows, faults, columns)
    sound = [index for index in range(len(rows)) if index not in faults]
    cells = {f"c{place}": array for place, array in enumerate(arrays)}
    numbers = pa.array([first + index for index in sound], pa.int64())

    def place(row: int) -> Place:
        one = rows[sound[row]]
        return one.line, one.offset, one.raw()

    return Block(
        cells=pa.table(cells | {"record_number": numbers}),
        broken=tuple(
            BrokenRecord(
                first + index, rows[index].line, rows[index].offset, rows[index].raw(), reason, column
            )
            for index, (reason, column) in sorted(faults.items())
        ),
        record_count=len(rows),
        place=place,
        read_bytes=read,
    )


def _arrays(rows: Sequence[Row], faults: Mapping[int, object], columns: int) -> list[pa.Array]:
    """Return the cells of the sound rows by column."""
    sound = [row.cells for index, row in enumerate(rows) if index not in faults]
    by_column = list(zip(*sound, strict=True)) if sound else [()] * columns
    return [pa.array(column, pa.string()) for column in by_column]


def _is_odd(array: pa.Array) -> bool:
    has_nul = pc.any(pc.match_substring(array, "\x00")).as_py()
    longest = pc.max(pc.binary_length(array)).as_py() or 0
    return bool(has_nul) or longest > MAX_FIELD_CHARACTERS


def _content_faults(rows: Sequence[Row], faults: Mapping[int, object]) -> dict[int, tuple[str, int | None]]:
    found: dict[int, tuple[str, int | None]] = {}
    for index, row in enumerate(rows):
        if index in faults:
            continue
        for place, cell in enumerate(row.cells):
            fault = None if cell is None else _fault_of(cell)
            if fault is not None:
                found[index] = (fault, place)
                break
    return found


def _fault_of(cell: str) -> str | None:
    if "\x00" in cell:
        return "nul_byte"
    if len(cell) > MAX_FIELD_CHARACTERS:
        return "field_too_long"
    return None if cell.isascii() or not _has_surrogate(cell) else "invalid_encoding"


def _has_surrogate(cell: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in cell)
