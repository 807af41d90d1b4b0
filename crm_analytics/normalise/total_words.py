"""Does a row add others up, by the word that it begins with?  Five languages, in ``total_words.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from crm_analytics.normalise.letters import fold_letters

TotalKind = Literal["grand", "total", "group", "count"]
_MARKS = re.compile(r"[\W_]+")
_BRACKET = re.compile(r"\([^()]*\)\W*$")
# No word of the list is near so long, with a bracket.
_LONGEST = 80


def total_kind(text: str) -> TotalKind | None:
    """Return what a row that begins with this text adds up, or None where the text is no such word.

    Parameters
    ----------
    text : str
        First filled cell of the row. Case, blanks, marks and a bracket at the end do not count.

    Returns
    -------
    {"grand", "total", "group", "count"} or None
        All records; all or those of a group; those of a group or page; the number of records.

    Examples
    --------
    >>> total_kind("جمع كل:"), total_kind("Total (3 records)"), total_kind("Sub-Total"), total_kind("Anzahl")
    ('grand', 'total', 'group', 'count')
    >>> total_kind("Total Energies") is None
    True
    """
    return _folded().get(_fold(_BRACKET.sub("", text))) if len(text) <= _LONGEST else None


@cache
def total_words() -> Mapping[TotalKind, tuple[str, ...]]:
    """Return kind -> the words that begin such a row.

    Examples
    --------
    >>> "جمع صفحه" in total_words()["group"]
    True
    """
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {kind: tuple(words) for kind, words in tomllib.loads(text).items()}  # type: ignore[misc]


@cache
def _folded() -> Mapping[str, TotalKind]:
    return {_fold(word): kind for kind, words in total_words().items() for word in words}


def _fold(text: str) -> str:
    return _MARKS.sub("", fold_letters(text))
