"""Which rows of a file are no records but add others up?  Found by the word that they begin with.

A row of totals is one that the profile leaves out (``[rows] ignore``, ``footers``) and that begins with such
a word (`crm_analytics.normalise.total_words`); or one that lacks what a record needs, begins so, and holds
nothing but numbers and currencies beside the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from crm_analytics.ingest.row_shapes import footer_count
from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.total_words import TotalKind, total_kind

_SIGN = "(?:[€$£¥₺﷼]|ریال|تومان|تومن|[A-Za-z]{3})?"
_NUMBER = re.compile(rf"{_SIGN}\s*[-+(]?\s*\d[\d.,'’٬\s]*[)%-]?\s*{_SIGN}")


@dataclass(frozen=True)
class TotalRow:
    """One row of totals.

    Attributes
    ----------
    number : int
        Its number among the records of the file.
    place : int
        Column of its word.
    kind : {"grand", "total", "group", "count"}
        See `crm_analytics.normalise.total_words`.
    stated : int | None
        Number of records that stands in its bracket.
    cells : tuple of str
        Its cells, without outer blanks.
    """

    number: int
    place: int
    kind: TotalKind
    stated: int | None
    cells: tuple[str, ...]


class TotalRows:
    """The rows of totals of one delivery, and the numbers of the rows that the profile leaves out.

    Examples
    --------
    >>> found = TotalRows()
    >>> found.add_left_out(pa.table({"record_number": [4], "c0": ["Total (3 rows)"], "c1": ["12.50"]}))
    >>> found.rows
    [TotalRow(number=4, place=0, kind='total', stated=3, cells=('Total (3 rows)', '12.50'))]
    """

    def __init__(self) -> None:
        self.rows: list[TotalRow] = []
        self.left_out: list[int] = []

    def add_left_out(self, cells: pa.Table, *, has_count: bool = True) -> None:
        """Note rows that the profile takes for no records; not `has_count`: their brackets are read."""
        self.left_out += cells["record_number"].to_pylist()
        self.rows += [one if has_count else replace(one, stated=None) for one in _found(cells)]

    def add_broken(self, cells: pa.Table) -> set[int]:
        """Note those rows of totals that stand among broken records; return their numbers."""
        found = [one for one in _found(cells) if _holds_only_numbers(one)]
        self.rows += found
        return {one.number for one in found}


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
            yield TotalRow(number, place, kind, footer_count(stripped[place]), stripped)


def _holds_only_numbers(row: TotalRow) -> bool:
    others = [text for place, text in enumerate(row.cells) if text and place != row.place]
    return any(map(is_number, others)) and all(is_number(one) or one.upper() in CURRENCIES for one in others)


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
