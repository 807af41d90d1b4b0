"""Which rows at an end of a list are no records, though no word says so?  Told by what the others are like.

Reports add lines of their own below the records, or above them: "Exported by ...", "Generated 2024-05-01".
Where a layout requires little more than an id, such a line would become a customer. A row at the end (or
the beginning) is doubtful where it fills little, and its first text is not written as those of its column:

- it has a mark that none of them has: a colon, an equals sign, an asterisk; or a blank, where all other rows
  fill more or there are many of them. Cells beside it are no hindrance where one is not as its column is;
- or all other rows fill more, and it lacks digits, letters or "@" that all have, or has some that none has;
  where they fill no more, it must have a blank as well. What is written as ids are ("WEB-7", a hexadecimal
  number among such, the word that all others begin with) does not stand out so;
- or it is a word of totals, and beside it stand only numbers, dates, codes and what other rows say as well.

Nobody knows what it is: it is set aside (``doubtful_end``), and comes in again where a person says so. A row
below or above a record that is beyond doubt is never looked at. Words of totals beside only numbers are
known before (`crm_analytics.ingest.total_rows`). Characters of full width count as the plain ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from crm_analytics.ingest.total_rows import is_number
from crm_analytics.normalise.cell_errors import CELL_ERRORS
from crm_analytics.normalise.total_words import total_kind

# How many rows at an end may be doubtful, by how many others they are judged, and how many are many.
LOOKED_AT = 5
COMPARED = 200
MANY = 20
# A record of which more is required is known by that.
_MOST_REQUIRED = 2
# Cells of a line such as "Exported by | Ada | on | 2024-05-01"; up to so many say little by themselves.
_MOST_CELLS, _FEW_CELLS = 4, 2
# How many others a row that fills no less than they do is judged by.
_FEWEST_ALIKE = 3
# Ids that tell themselves: a word and a number ("WEB-7"); hexadecimal numbers; letters before the number.
_WORD_AND_NUMBER = re.compile(r"[^\W\d_]+[-_/.#]?(?:\d+|[〇零一二三四五六七八九十百千]+)")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F-]{6,}")
_STEM = re.compile(r"[^\W\d_]{3,}")
_CODE = re.compile(r"[A-Z]{2,3}")
_MARKS = frozenset(":=*")
Item = TypeVar("Item")


@dataclass(frozen=True)
class _Row:
    """One row: its number, its cells without outer blanks, and the place of the first filled one."""

    number: int
    cells: tuple[str, ...]
    place: int

    @property
    def text(self) -> str:
        return self.cells[self.place]

    @property
    def filled(self) -> int:
        return sum(map(bool, self.cells))

    @property
    def is_bare(self) -> bool:
        """Is there nothing beside the first text, or one cell without a letter?"""
        others = [text for place, text in enumerate(self.cells) if text and place != self.place]
        return not others or (len(others) == 1 and _is_mute(others[0]))


class Ends:
    """Finds the doubtful rows at both ends of one delivery, whose blocks are given in their order.

    Parameters
    ----------
    required : sequence of sequence of int
        The columns of each thing that the layout requires, one of which must be filled.

    Examples
    --------
    >>> cells = {"record_number": [1, 2, 3], "c0": ["C1", "C2", "Exported by: Ada"], "c1": ["Ada", "Ben", ""]}
    >>> Ends([[0]]).take(pa.table(cells), is_last=True)
    [3]
    """

    def __init__(self, required: Sequence[Sequence[int]]) -> None:
        self._required = required
        self._begin: list[_Row] | None = None

    @property
    def is_needed(self) -> bool:
        """May a row that fills little pass for a record?"""
        return 0 < len(self._required) <= _MOST_REQUIRED

    def take(self, cells: pa.Table, *, is_last: bool) -> list[int]:
        """Return the numbers of the doubtful rows of a block; `is_last`: none follows."""
        if not self.is_needed or not cells.num_rows:
            return []
        first: list[_Row] = []
        last: list[_Row] = []
        if self._begin is None:
            self._begin = _rows(cells.slice(0, COMPARED))
            first = self._candidates(self._begin)
        rows = {one.number: one for one in self._begin}
        if is_last:
            end = _rows(cells.slice(max(cells.num_rows - COMPARED, 0)))
            rows |= {one.number: one for one in end}
            last = self._candidates(end[::-1])
        found = _stand_out(first, last, list(rows.values()))
        self._begin = [one for one in self._begin if one.number not in found]
        return found

    def _candidates(self, rows: Sequence[_Row]) -> list[_Row]:
        """Return which of the first of some rows fill little; none behind a row that is beyond doubt."""
        found = []
        for row in rows[:LOOKED_AT]:
            if not all(any(row.cells[place] for place in places) for places in self._required):
                continue  # is set aside for what it lacks
            is_id = any(row.place in places for places in self._required)
            is_marked = row.filled <= _MOST_CELLS and _may_be_marked(row.text)
            if not (row.is_bare or (is_id and (is_marked or total_kind(row.text) is not None))):
                break
            found.append(row)
        return found


def _stand_out(first: Sequence[_Row], last: Sequence[_Row], rows: Sequence[_Row]) -> list[int]:
    """Return as many rows at both ends as stand out from all the others."""
    groups = [
        {row.number: row for row in (*first[:one], *last[:other])}
        for one in range(len(first) + 1)
        for other in range(len(last) + 1)
    ]
    for group in sorted(groups, key=len, reverse=True):
        judges = [row for row in rows if row.number not in group]
        if all(_is_doubtful(row, judges) for row in group.values()):
            return sorted(group)
    return []


def with_last(blocks: Iterable[Item], *, is_asked: bool) -> Iterator[tuple[Item, bool]]:
    """Yield each block and whether it is the last; where nobody asks, none is held back for that.

    Examples
    --------
    >>> list(with_last("ab", is_asked=True)), list(with_last("ab", is_asked=False))
    ([('a', False), ('b', True)], [('a', False), ('b', False)])
    """
    if not is_asked:
        yield from ((one, False) for one in blocks)
        return
    coming = iter(blocks)
    for one in coming:
        held = one
        for following in coming:
            yield held, False
            held = following
        yield held, True


def _rows(cells: pa.Table) -> list[_Row]:
    numbers = cells["record_number"].to_pylist()
    columns = [one.to_pylist() for one in cells.drop_columns("record_number").columns]
    rows = []
    for number, texts in zip(numbers, zip(*columns, strict=True), strict=True):
        stripped = tuple(unicodedata.normalize("NFKC", text or "").strip() for text in texts)
        place = next((place for place, text in enumerate(stripped) if text), None)
        if place is not None:
            rows.append(_Row(number, stripped, place))
    return rows


def _is_doubtful(row: _Row, others: Sequence[_Row]) -> bool:
    if total_kind(row.text) is not None:
        return _tells_nothing(row, others)
    texts = [one.cells[row.place] for one in others if one.cells[row.place]]
    others_fill_more = all(one.filled > row.filled or (row.is_bare and not one.is_bare) for one in others)
    marks = _marks(row.text) - {mark for text in texts for mark in _marks(text)}
    if " " in row.text and not any(" " in text for text in texts):
        marks |= {" "} if texts and (others_fill_more or len(texts) >= MANY) else set()
    if marks:
        return row.is_bare or (others_fill_more and (row.filled <= _FEW_CELLS or _is_odd_beside(row, others)))
    if not row.is_bare or not _is_otherwise(row.text, texts) or _may_be_id(row.text, texts):
        return False
    return len(texts) > 1 if others_fill_more else len(texts) >= _FEWEST_ALIKE and " " in row.text


def _tells_nothing(row: _Row, others: Sequence[_Row]) -> bool:
    """Is there nothing beside the word of a row but numbers, dates, codes and what other rows say as well?"""
    return all(
        _is_mute(text) or _CODE.fullmatch(text) is not None or any(one.cells[place] == text for one in others)
        for place, text in enumerate(row.cells)
        if text and place != row.place
    )


def _is_odd_beside(row: _Row, others: Sequence[_Row]) -> bool:
    """Is a cell beside the first text not written as those of its column?"""
    for place, text in enumerate(row.cells):
        texts = [one.cells[place] for one in others if one.cells[place]]
        if text and place != row.place and len(texts) > 1 and _is_otherwise(text, texts):
            return True
    return False


def _may_be_id(text: str, texts: Sequence[str]) -> bool:
    """Is a text written as ids are, though not as all others?"""
    if _WORD_AND_NUMBER.fullmatch(text):
        return True
    if all(_HEXADECIMAL.fullmatch(one) and len(one) == len(text) for one in (text, *texts)):
        return any(map(_has_letter, texts)) and any(map(_has_digit, texts))
    stem = _STEM.match(text)
    begin = [_STEM.match(one) for one in texts]
    return stem is not None and all(one is not None and one[0] == stem[0] for one in begin)


def _marks(text: str) -> set[str]:
    return set(_MARKS.intersection(text))


def _may_be_marked(text: str) -> bool:
    return " " in text or bool(_marks(text))


def _is_otherwise(text: str, texts: Sequence[str]) -> bool:
    """Does a text lack digits, letters or "@" that all others have, or have some that none of them has?"""
    for has in (_has_digit, _has_letter, _has_at):
        known = {has(one) for one in texts}
        if len(known) == 1 and has(text) not in known:
            return True
    return False


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, text))


def _has_at(text: str) -> bool:
    return "@" in text


def _is_mute(text: str) -> bool:
    """Is a cell a number, a date or an error of a spreadsheet?"""
    return text in CELL_ERRORS or is_number(text) or not _has_letter(text)
