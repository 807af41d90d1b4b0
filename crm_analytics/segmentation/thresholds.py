"""Where does one RFM score end and the next begin?  Limits that are learned once and used night after night.

Equal values always share a score. By rank, a 2 and a 3 ask that one and two fifths of the customers are
worse, equals counted half; a 4 and a 5 that three and four fifths are strictly worse: a crowd of equals is
in the middle, neither best nor worst. Ranks alone say nothing of a single customer (somebody is last also
where all bought yesterday), so plain facts limit them:

=====  ======================================  ===================================
score  given at least                          given at most
=====  ======================================  ===================================
r 4    silent for the median pause or less
r 3    for twice the median pause or less      silent for more than twice the mean
r 2    for four times the median or less       for more than four times the mean
f 2    ordered more than once
f 1                                            ordered once
=====  ======================================  ===================================

The pause is that between the first and the second purchase of those who came back: half of them had within
the median; twice and four times the mean are the limits of `lifecycle` too. The bands cannot cross (a
median is at most twice the mean).

What is kept are the worst values that still earn a 2, 3, 4 and 5; scoring the customers they were learned
from gives exactly those scores, and a customer whose values stay the same keeps its scores whatever others
do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import ModelFileError
from crm_analytics.modelling.model_card import ModelCard
from crm_analytics.modelling.saved_model import load_model, save_model

KIND = "rfm"
Money = Literal["net_spend", "net_margin"]
MONEY = ("net_spend", "net_margin")
Limits = tuple[float | None, float | None, float | None, float | None]
# as in lifecycle.sql: nobody has come back yet, and the shortest pause whose double says something
PAUSE_UNKNOWN_DAYS, SHORTEST_PAUSE_DAYS = 90.0, 7.0


@dataclass(frozen=True)
class RfmThresholds:
    """The limits of the three scores.

    Attributes
    ----------
    as_of : datetime.date
        Day on which they were learned: nothing at or after it was seen.
    window_days : int | None
        Window over which customers were measured; None = the whole history.
    money : {"net_spend", "net_margin"}
        What the m_score measures.
    r, f, m : tuple of four floats
        The worst value that earns a 2, 3, 4, 5: days since the last order at most, orders at least, money at
        least. None = nobody earned it.
    median_pause_days, mean_pause_days : float
        Between first and second purchase; they limit r.
    customer_count : int
        Customers they were learned from.
    """

    as_of: date
    window_days: int | None
    money: Money
    r: Limits
    f: Limits
    m: Limits
    median_pause_days: float
    mean_pause_days: float
    customer_count: int

    @property
    def horizon_days(self) -> int:
        """Scores look back: 0."""
        return 0

    @property
    def card(self) -> ModelCard:
        """What the limits are, in words."""
        words = {
            "r": "days since the last order, at most",
            "f": "orders, at least",
            "m": f"{self.money}, at least",
        }
        notes = [
            f"{name}_score 2, 3, 4, 5 from {', '.join(map(_limit, getattr(self, name)))} ({meaning})"
            for name, meaning in words.items()
        ]
        notes.append(
            f"pause between first and second purchase: median {self.median_pause_days:,.0f} days, mean "
            f"{self.mean_pause_days:,.0f}"
        )
        return ModelCard(
            name=KIND,
            event="RFM scores 1 to 5 from limits that stay the same",
            as_of=self.as_of,
            horizon_days=0,
            cutoffs=(),
            features=("days_since_last_order", "order_count", self.money),
            metrics={},
            baselines=(),
            chosen="limits",
            verdict=f"Limits learned from {self.customer_count:,} customers; learn them anew when the "
            "business has changed.",
            notes=tuple(notes),
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the limits as one JSON file with its own digest; returns the path."""
        content = {
            "as_of": self.as_of.isoformat(),
            "window_days": self.window_days,
            "money": self.money,
            "r": list(self.r),
            "f": list(self.f),
            "m": list(self.m),
            "median_pause_days": self.median_pause_days,
            "mean_pause_days": self.mean_pause_days,
            "customer_count": self.customer_count,
        }
        features = ("days_since_last_order", "order_count", self.money)
        return save_model(path, kind=KIND, features=features, content=content)


def load_thresholds(path: str | os.PathLike[str]) -> RfmThresholds:
    """Read what `RfmThresholds.save` wrote.

    Raises
    ------
    ModelFileError
        Not our file, or changed since it was written.
    """
    _, content = load_model(path, kind=KIND)
    try:
        if content["money"] not in ("net_spend", "net_margin"):
            raise ValueError(content["money"])
        return RfmThresholds(
            as_of=date.fromisoformat(content["as_of"]),
            window_days=None if content["window_days"] is None else int(content["window_days"]),
            money=content["money"],
            r=_limits(content["r"]),
            f=_limits(content["f"]),
            m=_limits(content["m"]),
            median_pause_days=float(content["median_pause_days"]),
            mean_pause_days=float(content["mean_pause_days"]),
            customer_count=int(content["customer_count"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelFileError(
            f"{path}: cannot be read ({problem!r}). Remove the file, or learn the limits again with "
            "`crm-analytics train rfm`."
        ) from None


def learn_limits(values: pd.Series, *, more_is_better: bool) -> Limits:
    """Return the worst values that earn a 2, 3, 4 and 5 by rank; missing values are passed over.

    Examples
    --------
    >>> learn_limits(pd.Series([1, 1, 1, 2, 9]), more_is_better=True)
    (1.0, 2.0, 2.0, 9.0)
    """
    known = np.sort(_goodness(values, more_is_better)[~values.isna().to_numpy()])
    distinct, worse_count, tied_count = np.unique(known, return_index=True, return_counts=True)
    reached = [distinct[5 * (2 * worse_count + tied_count) >= 2 * step * len(known)] for step in (1, 2)]
    reached += [distinct[5 * worse_count >= step * len(known)] for step in (3, 4)]
    sign = 1.0 if more_is_better else -1.0
    found = [float(sign * earned[0]) if len(earned) else None for earned in reached]
    return (found[0], found[1], found[2], found[3])


def learn_recency_limits(
    silent_days: pd.Series, *, median_pause_days: float, mean_pause_days: float
) -> Limits:
    """Return the days that earn a 2, 3, 4 and 5 at most: by rank, within the bands of the pauses.

    Examples
    --------
    >>> learn_recency_limits(pd.Series([0] * 10), median_pause_days=20.0, mean_pause_days=30.0)
    (80.0, 40.0, 20.0, None)
    """
    second, third, fourth, fifth = learn_limits(silent_days, more_is_better=False)
    least, most = median_pause_days, 2 * mean_pause_days
    lately = min(max(least, fourth or 0.0), most)
    lasting = min(max(2 * least, third or 0.0), 2 * most)
    return (max(4 * least, second or 0.0), lasting, lately, None if fifth is None else min(fifth, lately))


def learn_order_limits(order_count: pd.Series) -> Limits:
    """Return the orders that earn a 2, 3, 4 and 5 at least: by rank, but one is 1 and two at least 2.

    Examples
    --------
    >>> learn_order_limits(pd.Series([35] * 10))
    (2.0, 35.0, None, None)
    """
    _, *higher = learn_limits(order_count, more_is_better=True)
    third, fourth, fifth = (None if limit is None else max(limit, 2.0) for limit in higher)
    return (2.0, third, fourth, fifth)


def score(values: pd.Series, limits: Limits, *, more_is_better: bool) -> pd.Series:
    """Return scores 1..5 as Int64; missing where the value is.

    Examples
    --------
    >>> score(pd.Series([1, 2, 5, 30]), (2.0, 2.0, 2.0, 9.0), more_is_better=True).to_list()
    [1, 4, 4, 5]
    """
    good = _goodness(values, more_is_better)
    reached = [_goodness(pd.Series([limit]), more_is_better)[0] for limit in limits if limit is not None]
    scores = 1 + np.searchsorted(np.array(reached, dtype=float), good, side="right")
    return pd.Series(scores, index=values.index, dtype="Int64").mask(values.isna())


def _goodness(values: pd.Series, more_is_better: bool) -> NDArray[np.float64]:
    """Return the values so that more is better."""
    numbers: NDArray[np.float64] = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers if more_is_better else -numbers


def _limits(given: list[float | None]) -> Limits:
    first, second, third, fourth = (None if value is None else float(value) for value in given)
    return (first, second, third, fourth)


def _limit(value: float | None) -> str:
    return "never" if value is None else f"{value:,g}"
