"""Could a table of groups single somebody out?  Groups of fewer than k people are hidden before it is shown.

Whoever knows the total of a table can subtract what is shown from it. So hidden are always at least two
groups that hold k people together: where fewer are small, the next smallest go with them (complementary
suppression). Averages and sums of a hidden group are hidden with it. A group of nobody hides nobody, and is
shown.

Source: Hundepool et al. (2012), "Statistical Disclosure Control", chapter 4 (minimum frequency rule).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SMALLEST_GROUP = 5


def is_small(count: int, smallest: int) -> bool:
    """Tell whether a group is of somebody, but of fewer than `smallest`."""
    return 0 < count < smallest


def hidden(counts: Sequence[int | None], smallest: int) -> list[bool]:
    """Tell which groups of a table that adds up to a known total must be hidden.

    Parameters
    ----------
    counts : sequence of int or None
        People per group; None is hidden already.
    smallest : int
        Size from which a group is shown; 1 hides nothing.

    Examples
    --------
    >>> hidden([40, 12, 3], 5), hidden([40, 3, 2], 5), hidden([40, 2, 1], 5), hidden([40, 12, 0], 5)
    ([False, True, True], [False, True, True], [True, True, True], [False, False, False])
    """
    is_hidden = [count is None or is_small(count, smallest) for count in counts]
    known = sum(count or 0 for count, gone in zip(counts, is_hidden, strict=True) if gone)
    for place in sorted(range(len(counts)), key=lambda one: counts[one] or 0):
        if not any(is_hidden) or (sum(is_hidden) > 1 and known >= smallest):
            break
        if not is_hidden[place] and counts[place]:
            is_hidden[place] = True
            known += counts[place] or 0
    return is_hidden


def without_small(
    rows: Sequence[Mapping[str, Any]],
    count: str,
    figures: Sequence[str] = (),
    *,
    smallest: int,
    others: int = 0,
) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of a table of groups with nothing said of those that must be hidden.

    Parameters
    ----------
    rows : sequence of mapping
        One per group.
    count : str
        Key of the number of people (None is hidden already).
    figures : sequence of str
        Keys of figures about them.
    smallest : int
        Size from which a group is shown.
    others : int, default 0
        People of the total who are in no group: one more group that must not be had by subtraction.

    Returns
    -------
    (list of dict, bool)
        The rows, with None for the count and the figures of a hidden one; is the number of the others shown?

    Examples
    --------
    >>> rows = [{"n": 60, "mean": 0.2}, {"n": 9, "mean": 0.5}, {"n": 1, "mean": 0.9}]
    >>> [row["mean"] for row in without_small(rows, "n", ["mean"], smallest=5)[0]]
    [0.2, None, None]
    """
    *is_hidden, others_are = hidden([*(row[count] for row in rows), others], smallest)
    gone = dict.fromkeys([count, *figures])
    shown = [dict(row) | (gone if is_out else {}) for row, is_out in zip(rows, is_hidden, strict=True)]
    return shown, not others_are


def part_of(count: int, whole: int | None, smallest: int) -> int | None:
    """Return the size of a part of a group; None where it, or the rest of the group, must be hidden.

    Examples
    --------
    >>> part_of(12, 40, 5), part_of(2, 40, 5), part_of(38, 40, 5), part_of(40, 40, 5)
    (12, None, None, 40)
    """
    if whole is None or is_small(count, smallest) or is_small(whole - count, smallest):
        return None
    return count
