"""Where does one RFM score end and the next begin?  Limits that are learned once and used night after night.

Learned, a score is 1 + five times the share of customers who are strictly worse, rounded down: equal values
always share a score, and one-time buyers, being the worst by frequency, get 1 however many they are. What
is kept are the worst values that still earn a 2, 3, 4 and 5; scoring the customers they were learned from
gives exactly those scores, and a customer whose values stay the same keeps its scores whatever others do.
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
Limits = tuple[float | None, float | None, float | None, float | None]


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
    customer_count : int
        Customers they were learned from.
    """

    as_of: date
    window_days: int | None
    money: Money
    r: Limits
    f: Limits
    m: Limits
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
            customer_count=int(content["customer_count"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelFileError(f"{path}: cannot be read ({problem!r}). Learn the limits again.") from None


def learn_limits(values: pd.Series, *, more_is_better: bool) -> Limits:
    """Return the worst values that earn a 2, 3, 4 and 5; missing values are passed over.

    Examples
    --------
    >>> learn_limits(pd.Series([1, 1, 1, 2, 9]), more_is_better=True)
    (2.0, 2.0, 2.0, 9.0)
    """
    known = np.sort(_goodness(values, more_is_better)[~values.isna().to_numpy()])
    distinct, worse_count = np.unique(known, return_index=True)
    reached = [distinct[5 * worse_count >= step * len(known)] for step in (1, 2, 3, 4)]
    sign = 1.0 if more_is_better else -1.0
    found = [float(sign * earned[0]) if len(earned) else None for earned in reached]
    return (found[0], found[1], found[2], found[3])


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
