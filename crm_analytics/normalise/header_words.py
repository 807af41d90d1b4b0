"""What does a column of a home-made system mean, by its name?  Five languages, in ``header_words.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from crm_analytics.normalise.letters import fold_letters

_MARKS = re.compile(r"[\W_]+")
_BRACKET = re.compile(r"[(\[{][^)\]}]*[)\]}]\s*$")
# The unit of Iranian money that a name ends in, as `crm_analytics.ingest.headers` leaves it out.
_UNIT = re.compile(r"\s(به )?(ریال|تومان|تومن|rials?|tomans?)\s*$")


@cache
def header_words() -> Mapping[str, tuple[str, ...]]:
    """Return meaning -> names of columns that have it.

    Examples
    --------
    >>> "کد مشتری" in header_words()["customer_id"]
    True
    """
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {meaning: tuple(names) for meaning, names in tomllib.loads(text).items()}


def meaning_of(header: str) -> str | None:
    """Return what a column of that name holds, or None where no list has the name.

    A bracket at the end (a unit) and rial or toman are left out, as are case, blanks and marks.

    Examples
    --------
    >>> meaning_of("مبلغ كل (تومان)"), meaning_of("Kunden-Nr."), meaning_of("shoe_size")
    ('amount', 'customer_id', None)
    """
    known = _folded()
    bare = _BRACKET.sub("", header)
    return (
        known.get(_fold(header))
        or known.get(_fold(bare))
        or known.get(_fold(_UNIT.sub("", fold_letters(bare))))
    )


@cache
def _folded() -> Mapping[str, str]:
    return {_fold(name): meaning for meaning, names in header_words().items() for name in names}


def _fold(name: str) -> str:
    return _MARKS.sub("", fold_letters(name))
