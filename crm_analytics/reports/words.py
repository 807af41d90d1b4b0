"""How is a figure written in a report?  Amounts, shares, counts and dates for people; a dash when missing."""

from __future__ import annotations

import math
from typing import Any


def money(value: Any, currency: str, digits: int = 0) -> str:
    """Format an amount, or an en dash when it is missing."""
    return "–" if is_missing(value) else f"{float(value):,.{digits}f} {currency}".strip()


def number(value: Any, digits: int = 0) -> str:
    """Format a number, or an en dash when it is missing."""
    return "–" if is_missing(value) else f"{float(value):,.{digits}f}"


def count(value: Any, one: str, many: str = "") -> str:
    """Format a number of things, in the singular for one.

    Examples
    --------
    >>> count(1, "purchase"), count(1200, "purchase"), count(0, "is", "are")
    ('1 purchase', '1,200 purchases', '0 are')
    """
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def percent(value: Any, digits: int = 0) -> str:
    """Format a fraction as per cent, or an en dash when it is missing.

    Examples
    --------
    >>> percent(0.256), percent(None), percent(0.0012)
    ('26 %', '–', '0.1 %')
    """
    if is_missing(value):
        return "–"
    if digits == 0 and 0 < abs(float(value)) < 0.01:
        digits = 1
    return f"{float(value) * 100:.{digits}f} %"


def short(value: float) -> str:
    """Format a figure of a scale: 1.2 m, 340 k, 75.

    Examples
    --------
    >>> short(1_250_000), short(340_000), short(75)
    ('1.25 m', '340 k', '75')
    """
    if value >= 1e6:
        return f"{value / 1e6:g} m"
    return f"{value / 1e3:g} k" if value >= 1e4 else f"{value:,.0f}"


def day(value: Any) -> str:
    """Format a date as 30 June 2025, or an en dash."""
    if is_missing(value):
        return "–"
    import pandas as pd

    stamp = pd.Timestamp(value)
    return f"{stamp.day} {stamp:%B %Y}"


def is_missing(value: Any) -> bool:
    """Tell whether there is nothing to write: None, NaN, NaT or an infinite number."""
    if value is None or isinstance(value, int | float):
        return value is None or not math.isfinite(value)
    import pandas as pd  # not for a figure alone: the view of a customer does without

    return bool(pd.isna(value))
