"""Which records at the end of a file are none?  Grand totals, copyright lines and the like that reports add.

A trailing record is a footer where its only filled cell (or the text of a record that cannot be read) begins
as the profile says, in any case; words of a total may have numbers beside them. Footers stand at the end:
one that is followed by a record is a record, and so is one that fills other cells (a company may be Copyright
Ltd) or all that a record must tell.
Among them stand blank rows and a few lines of a single text that cannot be a record (the time at which a
report was made), right above them one such line (its name): they are footers too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.ingest.records import Block
from crm_analytics.ingest.row_shapes import footer_count
from crm_analytics.normalise.total_words import total_kind

# How many lines of a single text an end may have beside its declared footers.
_MOST_BARE = 3
_MARKS = ",;\t|"
# What stands beside the words of a total: a number, with a sign or code of a currency.
_NUMBER = re.compile(r"[^\W\d_]{0,3}[\W\d_]*\d[\W\d_]*[^\W\d_]{0,3}")


class WithoutFooters:
    """The blocks of a delivery without its footers; to be iterated once.

    Parameters
    ----------
    blocks : iterable of Block
        Of the delivery.
    footers : sequence of str
        How footers begin.
    required : sequence of sequences of int, default ()
        For each thing that every record tells, the columns that may tell it (`MappingPlan.required_places`).

    Attributes
    ----------
    stated : list of int
        Numbers of records that the footers state, once all blocks have passed.
    left_out : list of pyarrow.Table
        Cells of the footers, where they can be read.

    Examples
    --------
    >>> import pyarrow as pa
    >>> cells = pa.table({"c0": ["a", "Grand Totals (1 record)"], "record_number": [1, 2]})
    >>> blocks = WithoutFooters([Block(cells, (), 2, lambda row: (row + 2, 0, b""))], ["grand totals"])
    >>> [block.record_count for block in blocks], blocks.stated
    ([1], [1])
    """

    def __init__(
        self, blocks: Iterable[Block], footers: Sequence[str], required: Sequence[Sequence[int]] = ()
    ) -> None:
        self._blocks = blocks
        self._required = required
        self._footers = tuple(one.casefold() for one in footers)
        self.stated: list[int] = []
        self.left_out: list[pa.Table] = []

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks; those that may be the last are held back until the next one is seen."""
        if not self._footers:
            yield from self._blocks
            return
        held: list[tuple[Block, list[str]]] = []
        for block in self._blocks:
            found = self._trailing(block)
            if len(found) < block.record_count:
                yield from (one for one, _ in held)
                held.clear()
            held.append((block, found))
        for block, found in held:
            self.stated += [count for text in found if (count := footer_count(text)) is not None]
            left = _without_last(block, len(found))
            if left.cells.num_rows < block.cells.num_rows:
                self.left_out.append(block.cells.slice(left.cells.num_rows))
            yield left

    def _trailing(self, block: Block) -> list[str]:
        """Return the texts of the trailing footers of a block, the last one first."""
        found: list[str] = []
        count = above = bare = 0
        numbers = block.cells["record_number"]
        row, place = block.cells.num_rows - 1, len(block.broken) - 1
        while row >= 0 or place >= 0:
            is_broken = place >= 0 and (row < 0 or block.broken[place].number > numbers[row].as_py())
            text, is_bare = _of_broken(block, place) if is_broken else self._of_row(block, row)
            is_declared = text.casefold().startswith(self._footers)
            if not is_declared and not is_bare:
                break
            found.append(text)
            if is_declared:
                count, above = len(found), 0
            elif text:
                above, bare = above + 1, bare + 1
            if bare > _MOST_BARE:
                break
            if count and above <= 1:
                count = len(found)
            place, row = place - is_broken, row - (not is_broken)
        return found[:count]

    def _of_row(self, block: Block, row: int) -> tuple[str, bool]:
        """Return the text of the first filled cell ("" where the cells make it a record), and whether it
        stands alone and cannot be a record.
        """
        cells = block.cells.slice(row, 1).drop_columns("record_number").to_pylist()[0]
        filled = [place for place, text in enumerate(cells.values()) if text and text.strip()]
        if not filled:
            return "", True
        beside = [places for places in self._required if filled[0] not in places]
        if beside and all(not set(filled).isdisjoint(places) for places in beside):
            return "", False
        text, *others = (str(cells[f"c{place}"]).strip() for place in filled)
        if others and not (total_kind(text) and all(map(_NUMBER.fullmatch, others))):
            return "", False  # a record that lacks its id is no footer: it is told as what it lacks
        return text, bool(beside) and not others


def _of_broken(block: Block, place: int) -> tuple[str, bool]:
    """Return the text of a record that cannot be read, and whether it is a single field."""
    text = block.broken[place].raw.decode("utf-8", "replace").strip().lstrip('"\ufeff')
    is_single = '","' not in text if text.endswith('"') else not set(_MARKS) & set(text)
    return text, block.broken[place].reason == "too_few_fields" and is_single


def _without_last(block: Block, count: int) -> Block:
    if not count:
        return block
    numbers = [*block.cells["record_number"].to_pylist(), *(one.number for one in block.broken)]
    first = sorted(numbers)[-count]
    return replace(
        block,
        cells=block.cells.filter(pc.less(block.cells["record_number"], first)),
        broken=tuple(one for one in block.broken if one.number < first),
        record_count=block.record_count - count,
    )
