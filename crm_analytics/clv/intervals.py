"""Within which limits will a customer's number of purchases and spend lie?  Parameter and process noise
together, without a random number.

future_counts.py holds the distribution of a living customer's purchases, parameter noise included.  Whether
the customer is still there enters through P(alive): the quantile at level u of all futures is 0 for u <= 1 -
P(alive), else the quantile at (u - 1 + P(alive)) / P(alive) of the living.  P(alive) is taken at the estimate
(its own uncertainty averages out of a yes-or-no event).

Spend of n purchases: a customer with x repeat purchases of mean m spends (v + x m) times a beta-prime
variable with p n and p x + q, from Gamma(p, nu) per purchase and nu ~ Gamma(p x + q, v + x m) (Fader and
Hardie 2013, eq. (5)); limits are relative to the expected spend per purchase, for a typical m.  Discounting
uses the expected ratio of discounted to undiscounted purchases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaincinv

from crm_analytics.clv.future_counts import FutureCounts, Tables, grid_quantile
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import Histories
from crm_analytics.clv.parameter_points import possible_models

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_LOG_SPEND = np.arange(-6.0, 10.5, 0.125)
# Days in units of the shortest time of the model.
_LOG_DAYS = np.arange(-9.0, 14.0, 0.1)
_CHUNK = 8_192
# Numbers of purchases up to which spend is taken alike: each of 0 to 8, then steps of an eighth.
_ENDS = np.unique(np.r_[np.arange(9), np.round(8.0 * 1.125 ** np.arange(1, 56))]).astype(np.intp)
_MIDDLES = (_ENDS + np.r_[0, _ENDS[:-1] + 1]) / 2.0


@dataclass(frozen=True)
class Limits:
    """Limits per history: of the number of purchases, and of spend / expected spend per purchase."""

    purchases_low: Floats
    purchases_high: Floats
    spend_low: Floats
    spend_high: Floats


def future_limits(
    futures: FutureCounts,
    spend_model: GammaGammaModel | None,
    known: Histories,
    *,
    alive: Floats,
    level: float,
) -> Limits:
    """Return limits for histories, best given as distinct ones.

    Parameters
    ----------
    futures : FutureCounts
        Made for these histories.
    spend_model : GammaGammaModel, optional
        Fitted; without one the limits of spend are missing.
    known : Histories
        Of possible customers, shape (n,).
    alive : array of shape (n,)
        P(alive) of each.
    level : float
        Probability inside the limits, for example 0.9.
    """
    spend = None if spend_model is None else _spend_at_nodes(futures, spend_model)
    result = np.full((4, len(known)), np.nan)
    by_row = np.argsort(futures.row, kind="stable")
    for first in range(0, futures.rows, _CHUNK):
        last = min(first + _CHUNK, futures.rows)
        some = by_row[slice(*np.searchsorted(futures.row[by_row], [first, last]))]
        counts = futures.tables(first, last)
        spent = None if spend is None else futures.between(spend, first, last)
        row, there = futures.row[some] - first, alive[some]
        for side, tail in enumerate(((1.0 - level) / 2.0, (1.0 + level) / 2.0)):
            gone = there <= 1.0 - tail
            if_alive = np.where(gone, 0.0, 1.0 - (1.0 - tail) / np.where(gone, 1.0, there))
            number = _purchases(counts, row, if_alive, known.take(some), futures.horizon_days)
            result[side, some] = np.where(gone, 0.0, number)
            if spent is not None:
                spending = grid_quantile(_LOG_SPEND, spent, row, if_alive)
                result[2 + side, some] = np.where(gone, 0.0, spending)
    return Limits(*result)


def waiting_days(futures: FutureCounts, *, alive: Floats, quantiles: Sequence[float]) -> Floats:
    """Return after how many days the next purchase has come with these probabilities, (quantiles, histories).

    NaN where the chance that it ever comes is smaller.
    """
    bought = np.zeros((len(futures.nodes), len(_LOG_DAYS)))
    days = futures.unit_days * np.exp(_LOG_DAYS)
    for model in futures.possible:
        core = model.core(np.array(list(model.params_.values())), futures.nodes)
        bought += model.bought_if_alive(core, futures.nodes, days)
    bought /= len(futures.possible)
    result = np.full((len(quantiles), len(alive)), np.nan)
    by_row = np.argsort(futures.row, kind="stable")
    for first in range(0, futures.rows, _CHUNK):
        last = min(first + _CHUNK, futures.rows)
        there = by_row[slice(*np.searchsorted(futures.row[by_row], [first, last]))]
        chance = futures.between(bought, first, last)
        for place, quantile in enumerate(quantiles):
            some = there[alive[there] > quantile]
            row = futures.row[some] - first
            result[place, some] = grid_quantile(_LOG_DAYS, chance, row, quantile / alive[some])
    return result * futures.unit_days


def _purchases(counts: Tables, row: Indices, tail: Floats, known: Histories, horizon_days: float) -> Floats:
    """Return a quantile of purchases; beyond the tables, that of a steady buyer, Gamma around x / T."""
    number = counts.quantile(row, tail)
    beyond = np.flatnonzero(np.isnan(number))
    if len(beyond):
        x, age = known.frequency[beyond] + 0.5, np.maximum(known.T[beyond], 1e-9)
        steady = gammaincinv(x, np.minimum(tail[beyond], 1.0 - 1e-12)) / age * horizon_days
        number[beyond] = np.maximum(np.ceil(steady), counts.longest)
    return number


def _spend_at_nodes(futures: FutureCounts, spend_model: GammaGammaModel) -> Floats:
    """Return P(spend <= grid) of the living at every node, shape (nodes, grid)."""
    possible = possible_models(spend_model)
    x = futures.nodes.frequency
    first = np.flatnonzero(np.r_[True, x[1:] != x[:-1]])
    result = np.empty((len(x), len(_LOG_SPEND)))
    for begin, end in zip(first, np.r_[first[1:], len(x)], strict=True):
        node = np.arange(begin, end)
        ends = _ENDS[: np.searchsorted(_ENDS, futures.at_nodes.length[node].max()) + 1]
        reached = futures.at_nodes.up_to(node[:, None], ends)
        share = np.diff(reached, axis=1, prepend=0.0).T
        at_most = _spend_of(possible, spend_model, float(x[begin]), _MIDDLES[1 : len(ends)])
        total = share[0][:, None] * np.ones(len(_LOG_SPEND))
        # added one by one, so that a node's sum does not depend on how many nodes there are
        for weight, one in zip(share[1:], at_most, strict=True):
            total += weight[:, None] * one
        result[begin:end] = total
    return result


def _spend_of(
    possible: list[GammaGammaModel], estimate: GammaGammaModel, x: float, purchases: Floats
) -> Floats:
    """Return P(spend of n purchases <= grid) for a customer with x repeats, shape (purchases, grid)."""
    p, q, v = estimate.params_.values()
    typical = p * v / (q - 1.0)
    expected = p * (v + x * typical) / (p * x + q - 1.0)
    result = np.zeros((len(purchases), len(_LOG_SPEND)))
    for one in possible:
        p, q, v = one.params_.values()
        share = 1.0 / (1.0 + (v + x * typical) / expected * np.exp(-_LOG_SPEND))
        result += betainc(p * purchases[:, None], p * x + q, share)
    return result / len(possible)
