"""Which rows at an end of a list are no records, though no word says so?  Told by what the others are like.

Reports add lines of their own below the records, or above them: "Exported by ...", "Generated 2024-05-01".
Where a layout requires little more than an id, such a line would become a customer. A row at the end (or
the beginning) is doubtful where it fills little, and its first text is not written as those of its column:

- it has a mark that none of them has: a colon, an equals sign, an asterisk; or a blank, where all other rows
  fill more or there are many of them;
- or all other rows fill more, and it lacks digits, letters or "@" that all have, or has some that none has.

Nobody knows what it is: it is set aside (``doubtful_end``), and comes in again where a person says so. A row
below or above a record that is beyond doubt is never looked at. Words of totals are known before
(`crm_analytics.ingest.total_rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from crm_analytics.ingest.total_rows import is_number
from crm_analytics.normalise.cell_errors import CELL_ERRORS

# How many rows at an end may be doubtful, by how many others they are judged, and how many are many.
LOOKED_AT = 5
COMPARED = 200
MANY = 20
# A record of which more is required is known by that.
_MOST_REQUIRED = 2
# Cells of a line such as "Exported by | Ada".
_MOST_BESIDE = 2
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
            last = [one for one in self._candidates(end[::-1]) if one not in first]
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
            if not (row.is_bare or (is_id and row.filled == _MOST_BESIDE and _may_be_marked(row.text))):
                break
            found.append(row)
        return found


def _stand_out(first: Sequence[_Row], last: Sequence[_Row], rows: Sequence[_Row]) -> list[int]:
    """Return as many rows at both ends as stand out from all the others."""
    sizes = [(one, other) for one in range(len(first) + 1) for other in range(len(last) + 1)]
    for one, other in sorted(sizes, key=sum, reverse=True):
        group = [*first[:one], *last[:other]]
        numbers = {row.number for row in group}
        judges = [row for row in rows if row.number not in numbers]
        if all(_is_doubtful(row, judges) for row in group):
            return sorted(numbers)
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
        stripped = tuple((text or "").strip() for text in texts)
        place = next((place for place, text in enumerate(stripped) if text), None)
        if place is not None:
            rows.append(_Row(number, stripped, place))
    return rows


def _is_doubtful(row: _Row, others: Sequence[_Row]) -> bool:
    texts = [one.cells[row.place] for one in others if one.cells[row.place]]
    others_fill_more = all(one.filled > row.filled or (row.is_bare and not one.is_bare) for one in others)
    marks = _marks(row.text) - {mark for text in texts for mark in _marks(text)}
    if " " in row.text and not any(" " in text for text in texts):
        marks |= {" "} if texts and (others_fill_more or len(texts) >= MANY) else set()
    if marks:
        return row.is_bare or others_fill_more
    return len(texts) > 1 and row.is_bare and others_fill_more and _is_otherwise(row.text, texts)


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
