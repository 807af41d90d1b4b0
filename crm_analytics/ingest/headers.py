"""Which column of a file is which column of a layout?  Header names compared.

The very name wins over one that differs in case or blanks, that over one that differs in "_", "-", "."
too (StageName = "Stage Name" = stage_name), and all of them over other spellings that the profile lists.
A file's column that is named exactly as one column of the layout never stands for another.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from crm_analytics.normalise.letters import fold_letters

_DROPPED = re.compile(r"[\s_.\-:?؟*]+")
# The unit of Iranian money that a name ends in; what it means is told apart (`planning.unit_of_header`).
_UNIT = re.compile(r"\s*[(\[]?\s*(به )?(ریال|تومان|تومن|rials?|tomans?)\s*[)\]]?\s*$")
_LEVELS = 3


@dataclass(frozen=True)
class Found:
    """Where the columns of a layout stand in a file, and which stand there more than once."""

    places: Mapping[str, int]
    repeated: Mapping[str, int]


def header_key(name: str) -> str:
    """Return a header name without outer blanks, with single inner ones and without case."""
    return " ".join(name.split()).casefold()


def fold_header(name: str) -> str:
    """Return what header names are compared by when they are not the same.

    Examples
    --------
    >>> fold_header("Stage Name") == fold_header("stage_name") == fold_header("StageName")
    True
    >>> fold_header("كد مشتري") == fold_header("کد_مشتری")
    True
    >>> fold_header("مبلغ کل (تومان)") == fold_header("مبلغ کل")
    True
    """
    folded = fold_letters(name)
    return _DROPPED.sub("", _UNIT.sub("", folded)) or _DROPPED.sub("", folded) or name


class HeaderIndex:
    """The places of a header's names, by each way to compare them."""

    def __init__(self, header: Sequence[str]) -> None:
        self.size = len(header)
        self._places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, name in enumerate(header):
            for key in _keys(name):
                self._places[key].append(place)

    def has(self, name: str) -> bool:
        """Say whether a name stands there in any way of comparing; the loosest way holds all others."""
        return _keys(name)[-1] in self._places

    def places(self, key: tuple[str, str], claimed: set[int]) -> list[int]:
        """Return the places of a name that no better match has claimed."""
        return [place for place in self._places.get(key, ()) if place not in claimed]


def find_columns(
    header: HeaderIndex, sources: Iterable[str], spellings: Mapping[str, Sequence[str]] | None = None
) -> Found:
    """Find the columns of a layout in the header of a file.

    Parameters
    ----------
    header : HeaderIndex
        Names as the file has them.
    sources : iterable of str
        Names as the layout has them.
    spellings : mapping of str to sequence of str, optional
        Column of the layout -> its other spellings.

    Examples
    --------
    >>> find_columns(HeaderIndex(["ID", "Stage"]), ["Id", "StageName"], {"StageName": ["Stage"]}).places
    {'Id': 0, 'StageName': 1}
    """
    others = spellings or {}
    left = [
        source
        for source in dict.fromkeys(sources)
        if header.has(source) or any(map(header.has, others.get(source, ())))
    ]
    claimed: set[int] = set()
    places: dict[str, int] = {}
    repeated: dict[str, int] = {}
    # In passes, so that the better match of one column is not taken by a worse one of another.
    for is_own in (True, False):
        for level in range(_LEVELS):
            found: dict[str, list[int]] = {}
            for source in left:
                names = (source,) if is_own else others.get(source, ())
                at = [header.places(_keys(name)[level], claimed) for name in names]
                if any(at):
                    found[source] = next(filter(None, at))
            for source, where in found.items():
                places[source] = where[0]
                if len(where) > 1:
                    repeated[source] = len(where)
            claimed.update(*found.values())
            left = [source for source in left if source not in found]
    return Found(places, repeated)


@lru_cache(maxsize=65_536)
def _keys(name: str) -> tuple[tuple[str, str], ...]:
    """Return what a name is compared by, the strictest first."""
    return (("exact", name.strip()), ("key", header_key(name)), ("fold", fold_header(name)))
