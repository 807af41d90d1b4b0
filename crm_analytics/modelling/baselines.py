"""What would doing nothing clever predict?  The baselines that every model has to beat.

They are deliberately plain: the rate of the past, and a logistic curve over one column that everybody has.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crm_analytics.errors import NotEnoughData
from crm_analytics.modelling.logistic import LogisticModel, fit_logistic


def base_rate(outcome: ArrayLike) -> float:
    """Return the share of events, drawn a little towards one half: (events + 1/2) / (rows + 1).

    The half (Jeffreys' prior) keeps the rate off 0 and 1, whatever few rows there are.

    Raises
    ------
    NotEnoughData
        There is no row at all.

    Examples
    --------
    >>> base_rate([0, 0, 1])
    0.375
    """
    y = np.asarray(outcome, dtype=np.float64)
    if not len(y):
        raise NotEnoughData(
            "There is not one customer with a known outcome. Use an earlier as_of or more data."
        )
    return (float(np.sum(y)) + 0.5) / (len(y) + 1.0)


def base_rate_limits(outcome: ArrayLike) -> tuple[float, float]:
    """Return the 95 % limits of `base_rate`: quantiles of Beta(events + 1/2, others + 1/2).

    Examples
    --------
    >>> [round(limit, 4) for limit in base_rate_limits([0] * 320)]
    [0.0, 0.0078]
    """
    from scipy.special import betaincinv

    y = np.asarray(outcome, dtype=np.float64)
    events = float(np.sum(y))
    low, high = betaincinv(events + 0.5, len(y) - events + 0.5, [0.025, 0.975])
    return float(low), float(high)


def single_feature(table: pd.DataFrame, outcome: ArrayLike, column: str) -> LogisticModel:
    """Return a logistic curve over one column of `table`, for example days_since_last_order."""
    return fit_logistic(table[[column]], outcome)


def log_odds(probability: float) -> float:
    """Return ln(p / (1 - p)) of a probability strictly between 0 and 1.

    Examples
    --------
    >>> log_odds(0.5)
    0.0
    """
    return math.log(probability) - math.log1p(-probability)
