"""Which state of an order does a word of a home-made system mean?  In nine languages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from crm_analytics.normalise.letters import fold_letters

_MARKS = re.compile(r"[\W_]+")


def order_state(text: str) -> str | None:
    """Return the state that a word means, a word of ``order_states``, or None where no list has it.

    Examples
    --------
    >>> order_state("لغو‌شده"), order_state("تحويل شد"), order_state("Paid"), order_state("نامعلوم")
    ('cancelled', 'confirmed', 'confirmed', None)
    """
    return _folded().get(_fold(text))


@cache
def order_states() -> Mapping[str, tuple[str, ...]]:
    """Return our word -> theirs.

    Examples
    --------
    >>> "مرجوعی" in order_states()["cancelled"]
    True
    """
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {state: tuple(words) for state, words in tomllib.loads(text).items()}


@cache
def _folded() -> Mapping[str, str]:
    return {_fold(word): state for state, words in order_states().items() for word in words}


def _fold(text: str) -> str:
    return _MARKS.sub("", fold_letters(text))
