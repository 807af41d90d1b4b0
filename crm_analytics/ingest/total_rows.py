"""Which rows of a file are no records but add others up?  Found by the word that they begin with.

A row of totals is one that begins with such a word (`crm_analytics.normalise.total_words`) and holds nothing
but numbers, currencies and formulas without a value beside it, unless it has all that the layout requires
beside that word; or one that begins so and that the profile leaves out (``[rows] ignore``, ``footers``). The
rows of a block that hold a word or a date behind their first cell are passed over by their bytes, so that few
are looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.ingest.row_shapes import footer_count
from crm_analytics.normalise.cell_errors import CELL_ERRORS
from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.total_words import TotalKind, total_kind

_SIGN = "(?:[€$£¥₺﷼]|ریال|تومان|تومن|[A-Za-z]{3})?"
_NUMBER = re.compile(rf"{_SIGN}\s*[-+(]?\s*\d[\d.,'’٬\s]*[)%-]?\s*{_SIGN}")
_NUMBER_BEHIND = re.compile(r"[\s:=](\d{1,3}(?:[,٬]\d{3})+|\d+)\W*$")
# How ids look that no word of totals does: letters, then digits.
_LIKE_AN_ID = r"^\p{L}{0,4}[-_/.]?\p{Nd}[\p{Nd}A-Za-z_/.-]*$"
_BLANK_BYTES = np.frombuffer(b" \t\xc2\xe2", dtype=np.uint8)
_DATE_MARKS = np.frombuffer(b"-/", dtype=np.uint8)


@dataclass(frozen=True)
class TotalRow:
    """One row of totals.

    Attributes
    ----------
    number : int
        Its number among the records of the file.
    place : int
        Column of its word.
    kind : {"grand", "total", "group", "count", "end"}
        See `crm_analytics.normalise.total_words`.
    stated : int | None
        Number of records that stands beside its word.
    cells : tuple of str
        Its cells, without outer blanks.
    """

    number: int
    place: int
    kind: TotalKind
    stated: int | None
    cells: tuple[str, ...]


@dataclass
class TotalRows:
    """The rows of totals of one delivery, and the numbers of the rows that the profile leaves out.

    Examples
    --------
    >>> found = TotalRows()
    >>> found.add_left_out(pa.table({"record_number": [4], "c0": ["Total (3 rows)"], "c1": ["12.50"]}))
    >>> found.rows
    [TotalRow(number=4, place=0, kind='total', stated=3, cells=('Total (3 rows)', '12.50'))]
    """

    rows: list[TotalRow] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)

    def add_left_out(self, cells: pa.Table, *, has_count: bool = True) -> None:
        """Note rows that the profile takes for no records; not `has_count`: their brackets are read."""
        self.left_out += cells["record_number"].to_pylist()
        found = [one for one in _found(cells) if one.kind != "end"]
        self.rows += [one if has_count else replace(one, stated=None) for one in found]

    def take(self, cells: pa.Table, required: Sequence[Sequence[int]] = ()) -> list[int]:
        """Note the rows of totals that stand among records; return their numbers.

        `required` are the columns of each thing that the layout requires, one of which must be filled.
        """
        found = [
            one
            for one in _found(cells.take(_candidates(cells)))
            if _holds_only_numbers(one) and not _is_complete(one, required)
        ]
        self.rows += [one for one in found if one.kind != "end"]
        self.left_out += [one.number for one in found if one.kind == "end"]
        return [one.number for one in found]


def _candidates(cells: pa.Table) -> npt.NDArray[np.int64]:
    """Return which rows may begin with a word of totals and hold only numbers behind it."""
    rows = np.arange(cells.num_rows, dtype=np.int64)
    is_begun = np.zeros(cells.num_rows, dtype=bool)
    columns = [cells[name].combine_chunks() for name in cells.column_names if name != "record_number"]
    for column in columns:
        if not rows.size:
            return rows
        first, fourth, fifth, length = _bytes_of(column, rows)
        is_filled = (length > 0) & ~np.isin(first, _BLANK_BYTES)
        is_word = _is_letter(first) & _is_letter(fourth)
        is_date = _is_digit(first) & _is_digit(fourth) & np.isin(fifth, _DATE_MARKS)
        stays = ~(is_begun[rows] & is_filled & (is_word | is_date))
        is_begun[rows] |= is_filled
        rows = rows[stays]
    texts = cells.take(rows)
    trimmed = [pc.utf8_trim_whitespace(texts[name]) for name in texts.column_names if name != "record_number"]
    begin = pc.coalesce(*(pc.if_else(pc.equal(one, ""), None, one) for one in trimmed), "")
    may_be: npt.NDArray[np.int64] = rows[~pc.match_substring_regex(begin, _LIKE_AN_ID).to_numpy()]
    return may_be


def _bytes_of(
    column: pa.Array, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the first, fourth and fifth byte of texts (0 where there is none), and how long they are."""
    column = column.cast(pa.large_string()).fill_null("")
    _, places, content = column.buffers()
    offsets = np.frombuffer(places, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(content if content is not None else b"", dtype=np.uint8)
    start, length = offsets[rows], offsets[rows + 1] - offsets[rows]

    def byte(number: int) -> npt.NDArray[np.uint8]:
        found = np.zeros(rows.size, dtype=np.uint8)
        is_there = length > number
        found[is_there] = data[start[is_there] + number]
        return found

    return byte(0), byte(3), byte(4), length


def _is_letter(some: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return ((some | np.uint8(32)) - np.uint8(ord("a"))) < 26


def _is_digit(some: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return (some - np.uint8(ord("0"))) < 10


def _found(cells: pa.Table) -> Iterable[TotalRow]:
    numbers = cells["record_number"].to_pylist()
    texts = cells.drop_columns("record_number")
    for number, row in zip(
        numbers, zip(*(one.to_pylist() for one in texts.columns), strict=True), strict=True
    ):
        stripped = tuple((text or "").strip() for text in row)
        place = next((place for place, text in enumerate(stripped) if text), None)
        kind = total_kind(stripped[place]) if place is not None else None
        if place is not None and kind is not None:
            yield TotalRow(number, place, kind, _count_beside(stripped[place], kind), stripped)


def _count_beside(text: str, kind: TotalKind) -> int | None:
    """Return the number of records that a word states: of a word that counts, the number behind it."""
    text = unicodedata.normalize("NFKC", text)
    stated = footer_count(text)
    behind = _NUMBER_BEHIND.search(fold_digits(text)) if stated is None and kind == "count" else None
    return stated if behind is None else int(re.sub("[,٬]", "", behind[1]))


def _holds_only_numbers(row: TotalRow) -> bool:
    others = [text for place, text in enumerate(row.cells) if text and place != row.place]
    return all(is_number(one) or one in CURRENCIES or one in CELL_ERRORS for one in others)


def _is_complete(row: TotalRow, required: Sequence[Sequence[int]]) -> bool:
    """Does a row have all that a record needs?  Of one thing beside its word, a number says nothing."""
    beside = [places for places in required if row.place not in places]
    return len(beside) > 1 and all(any(row.cells[place] for place in places) for places in beside)


def is_number(text: str) -> bool:
    """Is a cell a number, perhaps with a sign of money?

    Examples
    --------
    >>> is_number("۱٬۲۰۰ ریال"), is_number("-1,200.50"), is_number("P-12"), is_number("2024-01-02")
    (True, True, False, False)
    """
    return _NUMBER.fullmatch(fold_digits(text)) is not None


def stated_count(row: TotalRow, numbers_of: Sequence[int]) -> int | None:
    """Return the number of records that a row states, if that is beyond doubt.

    A row of counts states the one whole number that it holds, unless that stands in a column of numbers
    (`numbers_of`: places), of which it may be the sum.
    """
    if row.stated is not None or row.kind != "count":
        return row.stated
    filled = [(place, text) for place, text in enumerate(row.cells) if text and place != row.place]
    values = {fold_digits(text).replace(",", "").replace("٬", "") for _, text in filled}
    if len(values) != 1 or any(place in numbers_of for place, _ in filled):
        return None
    [value] = values
    return int(value) if value.isdecimal() else None
