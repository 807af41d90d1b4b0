"""Does a row add others up, by the word that it begins with?  Fifteen languages, in ``total_words.toml``."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.letters import fold_letters

TotalKind = Literal["grand", "total", "group", "count", "end"]
_MARKS = re.compile(r"[\W_]+")
_BRACKET = re.compile(r"\([^()]*\)\W*$")
_NUMBERED = re.compile(r"([^\d()]*)\(?(\d[\d.,٬' ]*)([^\d()]*)\)?\W*")
_PARTED = re.compile(r"[\s:=]$")
# No word of the list is near so long, with a bracket.
_LONGEST = 80


def total_kind(text: str) -> TotalKind | None:
    """Return what a row that begins with this text adds up, or None where the text is no such word.

    Parameters
    ----------
    text : str
        First filled cell of the row. Case, blanks, marks, full width and a bracket at the end do not count; a
        number may follow, with what it counts.

    Returns
    -------
    {"grand", "total", "group", "count", "end"} or None
        All records; all or those of a group; those of a group or page; the number of records; nothing.

    Examples
    --------
    >>> total_kind("جمع كل:"), total_kind("Total (3 records)"), total_kind("Sub-Total"), total_kind("Anzahl")
    ('grand', 'total', 'group', 'count')
    >>> [total_kind(text) for text in ("Summe: 2", "تعداد کل: ۲ نفر", "2 rows", "End of report")]
    ['total', 'count', 'count', 'end']
    >>> [total_kind(text) for text in ("Total customers: 2", "Kunden insgesamt", "Page 1 of 3", "صفحه ۱")]
    ['count', 'count', 'end', 'end']
    >>> [total_kind(text) for text in ("合计：5", "共5条", "総計")]
    ['total', 'count', 'grand']
    >>> total_kind("Total Energies"), total_kind("Total2"), total_kind("2 Euro"), total_kind("Customers 2")
    (None, None, None, None)
    """
    if len(text) > _LONGEST:
        return None
    text = unicodedata.normalize("NFKC", text)
    kind = _kind_of(_BRACKET.sub("", text))
    if kind is not None:
        return kind
    folded = fold_digits(text).strip()
    if _page().fullmatch(fold_letters(folded)):
        return "end"
    found = _NUMBERED.fullmatch(folded)
    if found is None:
        return None
    word, unit = found[1], _fold(found[3])
    if unit:
        is_counted = unit in _units()
        return (_kind_of(word) if _fold(word) else "count") if is_counted else None
    return _kind_of(word) if _PARTED.search(word) else None


@cache
def total_words() -> Mapping[TotalKind, tuple[str, ...]]:
    """Return kind -> the words that begin such a row.

    Examples
    --------
    >>> "جمع صفحه" in total_words()["group"]
    True
    """
    return {kind: words for kind, words in _file().items() if kind in get_args(TotalKind)}  # type: ignore[misc]


def count_units() -> tuple[str, ...]:
    """Return the words for what is counted, as they are written.

    Examples
    --------
    >>> "records" in count_units()
    True
    """
    return _file()["units"]


@cache
def _file() -> Mapping[str, tuple[str, ...]]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {name: tuple(words) for name, words in tomllib.loads(text).items()}


def _kind_of(text: str) -> TotalKind | None:
    """Return what a word means, alone or beside what it counts."""
    kind = _folded().get(_fold(text))
    if kind is not None:
        return kind
    words = [word for word in _MARKS.split(fold_letters(text)) if word]
    for unit, rest in ((words[-1:], words[:-1]), (words[:1], words[1:])):
        if rest and unit[0] in _units() and _folded().get("".join(rest)) in ("grand", "total", "count"):
            return "count"
    return None


@cache
def _page() -> re.Pattern[str]:
    page, of = ("|".join(map(re.escape, map(fold_letters, _file()[key]))) for key in ("page", "of"))
    return re.compile(rf"\W*({page})\W*\d+(\W*({of}|/)?\W*\d+)?\W*")


@cache
def _units() -> frozenset[str]:
    return frozenset(map(_fold, count_units()))


@cache
def _folded() -> Mapping[str, TotalKind]:
    return {_fold(word): kind for kind, words in total_words().items() for word in words}


def _fold(text: str) -> str:
    return _MARKS.sub("", fold_letters(text))
