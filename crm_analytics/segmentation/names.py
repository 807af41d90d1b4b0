"""What is a combination of RFM scores called, and what does one do about it?  See segment_names.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SCORES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class SegmentName:
    """One rule of ``segment_names.toml``.

    Attributes
    ----------
    name, label : str
        Key used in tables; words for people.
    meaning, advice : str
        What the customers have in common; what a marketer does about it.
    r, f, m : tuple of int
        Lowest and highest score that fits, both included.
    """

    name: str
    label: str
    meaning: str
    advice: str
    r: tuple[int, int] = (1, 5)
    f: tuple[int, int] = (1, 5)
    m: tuple[int, int] = (1, 5)

    def fits(self, r_score: int, f_score: int, m_score: int) -> bool:
        """Tell whether a combination of scores falls under this rule."""
        pairs = ((r_score, self.r), (f_score, self.f), (m_score, self.m))
        return all(low <= score <= high for score, (low, high) in pairs)


@cache
def segment_names() -> tuple[SegmentName, ...]:
    """Return the rules in their order: the first that fits names the segment.

    Examples
    --------
    >>> segment_names()[0].name
    'champions'
    """
    path = Path(__file__).with_name("segment_names.toml")
    declared = tomllib.loads(path.read_text(encoding="utf-8"))["segment"]
    return tuple(
        SegmentName(
            name=given["name"],
            label=given["label"],
            meaning=given["meaning"],
            advice=given["advice"],
            r=tuple(given.get("r", (1, 5))),
            f=tuple(given.get("f", (1, 5))),
            m=tuple(given.get("m", (1, 5))),
        )
        for given in declared
    )


@cache
def segment_of(r_score: int, f_score: int, m_score: int) -> str:
    """Return the segment's name for one combination of scores.

    Examples
    --------
    >>> segment_of(5, 5, 5), segment_of(5, 1, 2), segment_of(1, 1, 1)
    ('champions', 'new_customers', 'lost')
    """
    return next(rule.name for rule in segment_names() if rule.fits(r_score, f_score, m_score))
