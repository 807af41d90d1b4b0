"""What does a column of a home-made system mean, by its name?  Nine languages, in ``header_words.toml``."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.letters import fold_letters

_MARKS = re.compile(r"[\W_]+")
_BRACKET = re.compile(r"[(\[{][^)\]}]*[)\]}]\s*$")
# The unit of Iranian money that a name ends in, as `crm_analytics.ingest.headers` leaves it out.
_UNIT = re.compile(r"\s(به )?(ریال|تومان|تومن|rials?|tomans?)\s*$")
_LAST_WORD = re.compile(r"[\s_,/-]+(?:in[\s_])?([A-Z]{3}|[€$£¥₺])\s*$")
_CHOICE = re.compile(r"\{([^{}]*)\}")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_TAXES = "taxes"


@cache
def header_words() -> Mapping[str, tuple[str, ...]]:
    """Return meaning -> names of columns that have it.

    Examples
    --------
    >>> "کد مشتری" in header_words()["customer_id"]
    True
    """
    return {
        meaning: tuple(dict.fromkeys(name for one in names for name in _expanded(one)))
        for meaning, names in _file().items()
        if meaning != _TAXES
    }


def meaning_of(header: str) -> str | None:
    """Return what a column of that name holds, or None where no list has the name.

    A bracket at the end (a unit), rial or toman, a currency and words of taxes are left out, as are case,
    blanks, accents and marks.

    Examples
    --------
    >>> meaning_of("مبلغ كل (تومان)"), meaning_of("Kunden-Nr."), meaning_of("shoe_size")
    ('amount', 'customer_id', None)
    >>> meaning_of("Prix unitaire HT"), meaning_of("Einzelpreis netto"), meaning_of("Waehrung")
    ('unit_price', 'unit_price', 'currency')
    """
    known = _folded()
    bare = _BRACKET.sub("", header)
    found = (
        known.get(_fold(header))
        or known.get(_fold(bare))
        or known.get(_fold(_UNIT.sub("", fold_letters(bare))))
    )
    return found or known.get(_without_tax(_without_currency(bare))[0])


def has_tax(header: str) -> bool:
    """Does a name of money say that the tax is in it?

    Examples
    --------
    >>> has_tax("Prix unitaire TTC"), has_tax("Prix unitaire HT"), has_tax("Total (incl. VAT)")
    (True, False, True)
    """
    return _without_tax(_without_currency(header))[1]


def _without_currency(name: str) -> str:
    found = _LAST_WORD.search(name)
    is_one = found is not None and (found[1] in CURRENCIES or not found[1].isalpha())
    return name[: found.start()] if found is not None and is_one else name


def _without_tax(name: str) -> tuple[str, bool]:
    """Return a folded name without the words of taxes that it ends in, and whether they mean with tax."""
    folded = _fold(name)
    for words, is_in in _tax_words():
        if folded.endswith(words) and folded != words:
            return folded.removesuffix(words), is_in
    return folded, False


@cache
def _tax_words() -> tuple[tuple[str, bool], ...]:
    """Return the words of taxes, folded, the longest first, and whether the tax is in the amount."""
    taxes = _file()[_TAXES]
    found = {_fold(word): key == "with" for key, words in taxes.items() for word in words}
    return tuple(sorted(found.items(), key=lambda one: (-len(one[0]), one[0])))


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _expanded(name: str) -> Iterator[str]:
    """Yield the names that a name with choices stands for."""
    found = _CHOICE.search(name)
    if found is None:
        yield name
        return
    for one in found[1].split("|"):
        yield from _expanded(name[: found.start()] + one + name[found.end() :])


@cache
def _folded() -> Mapping[str, str]:
    named = [(name, meaning) for meaning, names in header_words().items() for name in names]
    typed = {_fold(name.casefold().translate(_UMLAUTS)): meaning for name, meaning in named}
    return typed | {_fold(name): meaning for name, meaning in named}


def _fold(name: str) -> str:
    parts = unicodedata.normalize("NFD", fold_letters(name))
    plain = "".join(one for one in parts if not unicodedata.combining(one)).replace("ı", "i")
    return _MARKS.sub("", plain)
