"""What do all cells of a column have in common?  Looked up in the bytes of a block, so that SQL need not ask.

Most columns hold plain numbers, ISO dates or ASCII texts without outer blanks, all the way down. A look at
the bytes as a whole shows it a hundred times faster than a regular expression per value; where it shows
nothing, the facts say so, and every value is tested by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_SPACE, _TAB, _NBSP_START, _NBSP_END, _DELETE = 32, 9, 0xC2, 0xA0, 127
_DASH, _COLON, _LETTER_T = 45, 58, 84
_DAY_LENGTH, _SECOND_LENGTH = 10, 19
_DAY_DIGITS = (0, 1, 2, 3, 5, 6, 8, 9)
_TIME_DIGITS = (11, 12, 14, 15, 17, 18)

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Facts:
    """What is known of the cells of one column in one block; by default nothing.

    Attributes
    ----------
    has_blank, has_outer_blanks : bool
        Some cells may be empty; some may begin or end with a blank.
    is_ascii : bool
        All characters are printable ASCII.
    has_plus, has_hash : bool
        A "+" or a "#" may occur.
    has_list : bool
        A cell may begin with "[".
    is_number : bool
        Filled cells hold digits and points only, and begin and end with a digit.
    iso : {"day", "second"} or None
        Filled cells are all like 2024-02-29, or all like 2024-02-29 10:05:07 (the day may not exist).
    """

    has_blank: bool = True
    has_outer_blanks: bool = True
    is_ascii: bool = False
    has_plus: bool = True
    has_hash: bool = True
    has_list: bool = True
    is_number: bool = False
    iso: Literal["day", "second"] | None = None


NOTHING = Facts()


def facts_of(column: pa.ChunkedArray) -> Facts:
    """Return what the cells of a column have in common.

    Examples
    --------
    >>> facts_of(pa.chunked_array([["1.50", "20"]])).is_number
    True
    >>> facts_of(pa.chunked_array([["2024-02-29", ""]])).iso
    'day'
    >>> facts_of(pa.chunked_array([["a ", "ب"]])) == NOTHING
    False
    """
    found = [_facts(chunk) for chunk in column.chunks if len(chunk)]
    if not found:
        return NOTHING
    iso = {one.iso for one in found}
    return Facts(
        has_blank=any(one.has_blank for one in found),
        has_outer_blanks=any(one.has_outer_blanks for one in found),
        is_ascii=all(one.is_ascii for one in found),
        has_plus=any(one.has_plus for one in found),
        has_hash=any(one.has_hash for one in found),
        has_list=any(one.has_list for one in found),
        is_number=all(one.is_number for one in found),
        iso=found[0].iso if len(iso) == 1 else None,
    )


def _facts(chunk: Any) -> Facts:
    if not (pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type)):
        return NOTHING
    _, places, content = chunk.buffers()
    width: Any = np.int32 if pa.types.is_string(chunk.type) else np.int64
    offsets = np.frombuffer(places, dtype=width)[chunk.offset : chunk.offset + len(chunk) + 1]
    data = np.frombuffer(content if content is not None else b"", dtype=np.uint8)
    filled = offsets[1:] > offsets[:-1]
    if chunk.null_count:
        filled &= ~np.asarray(chunk.is_null())
    has_blank = not bool(filled.all())
    first, last = data[offsets[:-1][filled]], data[offsets[1:][filled] - 1]
    if not first.size:
        return NOTHING
    written = data[offsets[0] : offsets[-1]]
    lowest, highest = int(written.min()), int(written.max())
    texts = written.tobytes()
    is_outer = _is_any(first, _SPACE, _TAB, _NBSP_START) or _is_any(last, _SPACE, _TAB, _NBSP_END)
    # between "." and "9" there is only one that no number holds
    is_digits = lowest >= ord(".") and highest <= ord("9") and b"/" not in texts
    return Facts(
        has_blank=has_blank,
        has_outer_blanks=is_outer,
        is_ascii=lowest >= _SPACE and highest < _DELETE,
        has_plus=b"+" in texts,
        has_hash=b"#" in texts,
        has_list=_is_any(first, ord("[")),
        is_number=is_digits and bool((_is_digit(first) & _is_digit(last)).all()),
        iso=_iso(written, np.diff(offsets)[filled]),
    )


def _is_any(some: Bytes, *bytes_: int) -> bool:
    return any(bool((some == one).any()) for one in bytes_)


def _is_digit(some: Bytes) -> npt.NDArray[np.bool_]:
    return (some - np.uint8(ord("0"))) <= 9


def _iso(data: Bytes, lengths: npt.NDArray[Any]) -> Literal["day", "second"] | None:
    """Return whether texts that lie end to end are all days, or all days with a time to the second."""
    length = int(lengths[0])
    if length not in (_DAY_LENGTH, _SECOND_LENGTH) or not (lengths == length).all():
        return None
    if data.size != length * lengths.size:
        return None
    texts = data.reshape(-1, length)
    if not _is_digit(texts[:, _DAY_DIGITS]).all() or not (texts[:, (4, 7)] == _DASH).all():
        return None
    if length == _DAY_LENGTH:
        return "day"
    if not _is_digit(texts[:, _TIME_DIGITS]).all() or not (texts[:, (13, 16)] == _COLON).all():
        return None
    if not np.isin(texts[:, 10], (_SPACE, _LETTER_T)).all():
        return None
    tens, ones = texts[:, 11] - np.uint8(ord("0")), texts[:, 12] - np.uint8(ord("0"))
    is_hour = (tens * np.uint8(10) + ones) <= 23
    is_clock = is_hour & (texts[:, 14] < ord("6")) & (texts[:, 17] < ord("6"))
    return "second" if is_clock.all() else None
