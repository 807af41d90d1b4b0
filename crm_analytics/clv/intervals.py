"""Within which limits will a customer's number of purchases and spend lie?  Parameter and process noise
together.

Possible futures are drawn: parameters from Normal(theta, covariance), then for a customer alive at the end of
T its purchase rate, its dropout probability, the arrival of purchases, and the spend on each.  The same
`draws` random numbers serve every customer, so a customer's interval does not depend on who else is scored,
nor on the order.

A future depends on (frequency, T) only; whether the customer is still there enters through P(alive): the
quantile at level u of all futures is 0 for u <= 1 - P(alive), else the quantile at (u - 1 + P(alive)) /
P(alive) of the futures of the living.  P(alive) is taken at the estimate (its own uncertainty averages out of
a yes-or-no event).  Spend is relative to the customer's expected spend per purchase.  Discounting uses the
expected ratio of discounted to undiscounted purchases.  Arrivals beyond the 2,048th are taken as evenly
spaced.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import levels

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

DRAWS = 400
_ARRIVALS = 2048
_CHUNK = 4096
_MOST = 1e12


@dataclass(frozen=True)
class Limits:
    """Limits per pattern: of the number of purchases, and of spend / expected spend per purchase."""

    purchases_low: Floats
    purchases_high: Floats
    spend_low: Floats
    spend_high: Floats


def future_limits(
    model: BetaGeoModel,
    spend_model: GammaGammaModel,
    *,
    frequency: Floats,
    T: Floats,
    pair: Indices,
    alive: Floats,
    horizon_days: float,
    level: float,
    seed: int,
    draws: int = DRAWS,
) -> Limits:
    """Return limits for patterns that share pairs of frequency and T.

    Parameters
    ----------
    model, spend_model : fitted models
    frequency, T : array of shape (pairs,)
        Distinct pairs in ascending order.
    pair, alive : array of shape (patterns,)
        Position of each pattern's pair, ascending; P(alive) of the pattern.
    horizon_days : float
        Length of the future window.
    level : float
        Probability inside the limits, for example 0.9.
    seed : int
        Equal seeds give equal limits.
    draws : int
        Number of futures, default 400.
    """
    rng = np.random.default_rng(seed)
    futures = _Futures(model, spend_model, levels(frequency).values, horizon_days, rng, draws)
    tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    result = np.empty((4, len(pair)))
    for first in range(0, len(frequency), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        rows = slice(*np.searchsorted(pair, [first, first + _CHUNK]))
        counts, spend = futures.of_the_living(frequency[chunk], T[chunk])
        counts.sort(axis=1)
        spend.sort(axis=1)
        for side, tail in enumerate(tails):
            gone = alive[rows] <= 1.0 - tail
            given_alive = np.where(gone, 0.0, 1.0 - (1.0 - tail) / np.where(gone, 1.0, alive[rows]))
            rank = np.clip(np.ceil(given_alive * draws).astype(np.intp) - 1, 0, draws - 1)
            result[side, rows] = np.where(gone, 0.0, counts[pair[rows] - first, rank])
            result[2 + side, rows] = np.where(gone, 0.0, spend[pair[rows] - first, rank])
    return Limits(*result)


class _Futures:
    """Random numbers drawn once per call; `of_the_living` turns them into futures of any customer."""

    def __init__(
        self,
        model: BetaGeoModel,
        spend_model: GammaGammaModel,
        frequency: Floats,
        horizon_days: float,
        rng: np.random.Generator,
        draws: int,
    ) -> None:
        self.horizon_days = horizon_days
        self.frequency = frequency
        self.arrivals = rng.standard_exponential((draws, _ARRIVALS)).cumsum(axis=1)
        rate_draw, stay_draw, leave_draw, when_draw, mean_draw = rng.random((5, draws))
        r, self.alpha, a, b = model.draw_parameters(draws, rng).T
        x = frequency[:, None]
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            self.rate = gammaincinv(r + x, rate_draw)
            left = gammaincinv(a, leave_draw)
            stayed = gammaincinv(model.b_alive(b, x), stay_draw)
            dropout = left / np.maximum(left + stayed, 1e-300)
            last = np.log(when_draw) / np.log1p(-np.minimum(dropout, 1.0 - 1e-16))
        self.last = np.minimum(1.0 + np.floor(np.nan_to_num(last, nan=_MOST, posinf=_MOST)), _MOST)
        p, q, v = spend_model.draw_parameters(draws, rng).T
        estimate = spend_model.params_
        typical = estimate["p"] * estimate["v"] / (estimate["q"] - 1.0)
        drawn_mean = p * (v + x * typical) / (p * x + q - 1.0)
        shape = p * x + q
        own_mean = drawn_mean / typical * (shape - 1.0) / np.maximum(gammaincinv(shape, mean_draw), 1e-300)
        self.own_mean = np.minimum(own_mean, _MOST)
        self.spent = rng.standard_gamma(p[:, None], (draws, _ARRIVALS)).cumsum(axis=1) / p[:, None]

    def of_the_living(self, frequency: Floats, T: Floats) -> tuple[Floats, Floats]:
        """Return purchases and relative spend in the horizon, each of shape (pairs, draws)."""
        row = np.searchsorted(self.frequency, frequency)
        counts = np.empty((len(row), len(self.alpha)))
        spend = np.empty_like(counts)
        for draw, alpha in enumerate(self.alpha):
            due = self.rate[row, draw] / (alpha + T) * self.horizon_days
            number = np.searchsorted(self.arrivals[draw], due).astype(np.float64)
            beyond = np.maximum(due - self.arrivals[draw, -1], 0.0)
            number = np.minimum(number + np.floor(beyond), self.last[row, draw])
            counts[:, draw] = number
            among = np.minimum(number, _ARRIVALS).astype(np.intp)
            total = np.where(among > 0, self.spent[draw, among - 1], 0.0) + (number - among)
            spend[:, draw] = total * self.own_mean[row, draw]
        return counts, spend
