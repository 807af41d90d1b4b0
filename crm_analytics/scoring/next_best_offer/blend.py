"""What is a recommender's score worth as a probability?  A logistic blend, learned on what was bought
later.

Pairs of customer and product that was bought before, and pairs that were not, are two different questions,
so each has a blend of its own. Inputs are the recommenders' logarithms and how active the customer is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_analytics.errors import NotEnoughData
from crm_analytics.scoring.next_best_offer.purchases import Purchases
from crm_analytics.scoring.next_best_offer.recommenders import Scorer

Floats = NDArray[np.float64]
ACTIVITY = ("silence", "activity", "no_order_yet")
_CHUNK_CELLS = 6_000_000


@dataclass(frozen=True)
class Blend:
    """Log-odds = intercept + sum of weight x input; `names` and `weights` run parallel."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float

    def log_odds(self, inputs: Mapping[str, Floats]) -> Floats:
        """Return the log-odds for inputs of a common shape; added one by one, so batches do not matter."""
        total = self.intercept + self.weights[0] * inputs[self.names[0]]
        for name, weight in zip(self.names[1:], self.weights[1:], strict=True):
            total = total + weight * inputs[name]
        return np.asarray(total, dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {"names": list(self.names), "weights": list(self.weights), "intercept": self.intercept}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Blend:
        """Rebuild what `to_dict` gave."""
        weights = tuple(float(weight) for weight in stored["weights"])
        return cls(tuple(stored["names"]), weights, float(stored["intercept"]))


def fit_blend(inputs: Mapping[str, Floats], bought: NDArray[np.bool_], row_weights: Floats) -> Blend:
    """Fit a blend on pairs.

    Parameters
    ----------
    inputs : mapping of str to array, shape (pairs,)
        Inputs by name.
    bought : array of bool, shape (pairs,)
        Was the product bought in the window?
    row_weights : array of float, shape (pairs,)
        How many pairs each stands for, where only a part of the pairs without a purchase was drawn.

    Raises
    ------
    NotEnoughData
        No pair was bought, or all.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    events = int(np.sum(bought))
    if events in (0, len(bought)):
        raise NotEnoughData(
            f"{events} of {len(bought)} customer-product pairs were bought: nothing to learn."
        )
    names = tuple(inputs)
    columns = np.column_stack([inputs[name] for name in names])
    center, spread = columns.mean(axis=0), columns.std(axis=0)
    spread = np.where(spread > 1e-9, spread, np.inf)
    with threadpool_limits(limits=1):
        found = LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit(
            (columns - center) / spread, bought, sample_weight=row_weights
        )
    weights = found.coef_[0] / spread
    intercept = float(found.intercept_[0] - np.sum(weights * center))
    return Blend(names, tuple(float(weight) for weight in weights), intercept)


def chunks(known: Purchases) -> list[slice]:
    """Return slices of customers that keep a matrix over all products within some tens of megabytes."""
    size = max(1, _CHUNK_CELLS // max(1, len(known.products)))
    count = len(known.customers)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def inputs_of(scorers: Mapping[str, Scorer], known: Purchases, rows: slice) -> dict[str, Floats]:
    """Return every input for customers `rows`: matrices (customers, products), or columns (customers, 1)."""
    customers = known.customers.iloc[rows]
    silence = customers["days_since_last_order"].to_numpy(dtype=np.float64, na_value=np.nan)
    days = customers["order_day_count"].to_numpy(dtype=np.float64)
    return {
        **{name: scorer(known, rows) for name, scorer in scorers.items()},
        "silence": np.log1p(np.where(np.isnan(silence), 0.0, silence))[:, None],
        "activity": np.log1p(days)[:, None],
        "no_order_yet": np.isnan(silence).astype(np.float64)[:, None],
    }
