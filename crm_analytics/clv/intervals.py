"""Within which limits will a customer's number of purchases and spend lie?  Parameter and process noise
together, without a random number.

future_counts.py holds the distribution of a living customer's purchases, parameter noise included.  Whether
the customer is still there enters through P(alive): the quantile at level u of all futures is 0 for u <= 1 -
P(alive), else the quantile at (u - 1 + P(alive)) / P(alive) of the living.  P(alive) is taken at the estimate
(its own uncertainty averages out of a yes-or-no event).  Where the tables of purchases end too early (after
511) the models themselves are asked, number by number.

Spend of n purchases: a customer with x repeat purchases of mean m spends (v + x m) times a beta-prime
variable with p n and p x + q, from Gamma(p, nu) per purchase and nu ~ Gamma(p x + q, v + x m) (Fader and
Hardie 2013, eq. (5)); limits are relative to the expected spend per purchase, for a typical m.  Discounting:
discounted_futures.py.  Customers of many purchases: heavy_spend.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from crm_analytics.clv.discounted_futures import ENDS, FEWEST, NUMBER_STEP, Cells, bands, futures_of
from crm_analytics.clv.future_counts import Curves, FutureCounts, stencil
from crm_analytics.clv.heavy_spend import (
    FEW,
    HEAVY,
    PLACES,
    POINTS,
    Spending,
    bins_of_futures,
    bins_of_numbers,
    edges,
    log_spends,
    spend_scale,
)
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import Histories
from crm_analytics.clv.models.purchase_model import DAYS_PER_YEAR
from crm_analytics.clv.parameter_points import possible_models

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_LOG_SPEND = np.arange(-6.0, 10.5, 0.125)
_LONG_LOG_SPEND = np.arange(-6.0, 18.0, 0.125)
# From some ten seconds to more than a hundred years.
_LOG_DAYS = np.arange(-9.0, 10.7, 0.1)
_CHUNK = 8_192
_NODES = 256
_MIDDLES = (ENDS + np.r_[0, ENDS[:-1] + 1]) / 2.0
_MOST = 1e12


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
    annual_discount_rate: float = 0.0,
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
    annual_discount_rate : float
        Of the spend, a fraction per year, default 0.
    """
    daily_rate = float(np.log1p(annual_discount_rate)) / DAYS_PER_YEAR
    spend = None if spend_model is None else _spend_at_nodes(futures, spend_model, daily_rate)
    result = np.full((4, len(known)), np.nan)
    by_row = np.argsort(futures.row, kind="stable")
    heavy = int(np.searchsorted(futures.distinct.frequency, HEAVY))
    bounds = [*range(0, heavy, _CHUNK), *range(heavy, futures.rows, _CHUNK), futures.rows]
    for first, last in pairwise(bounds):
        some = by_row[slice(*np.searchsorted(futures.row[by_row], [first, last]))]
        counts = futures.tables(first, last)
        width = POINTS if first >= heavy else None
        spent = None if spend is None else futures.curves(spend[:, :width], first, last)
        row, there = futures.row[some] - first, alive[some]
        for side, tail in enumerate(((1.0 - level) / 2.0, (1.0 + level) / 2.0)):
            gone = there <= 1.0 - tail
            if_alive = np.where(gone, 0.0, 1.0 - (1.0 - tail) / np.where(gone, 1.0, there))
            number = counts.quantile(row, if_alive)
            beyond = np.flatnonzero(np.isnan(number))
            number[beyond] = _large_quantile(
                futures, row[beyond] + first, if_alive[beyond], counts.length[row[beyond]]
            )
            result[side, some] = np.where(gone, 0.0, number)
            if spent is not None:
                if first < heavy:
                    spending = _filled_quantile(spent, _LONG_LOG_SPEND[: spent.longest], row, if_alive)
                else:
                    part = futures.distinct.take(slice(first, last))
                    spending = _heavy_quantile(futures, spent, part, row, if_alive, daily_rate)
                result[2 + side, some] = np.where(gone, 0.0, spending)
    return Limits(*result)


def waiting_days(futures: FutureCounts, *, alive: Floats, quantiles: Sequence[float]) -> Floats:
    """Return after how many days the next purchase has come with these probabilities, (quantiles, histories).

    NaN where the chance that it ever comes is smaller.
    """
    bought = np.zeros((len(futures.nodes), len(_LOG_DAYS)))
    days = np.exp(_LOG_DAYS)
    for model in futures.possible:
        core = model.core(np.array(list(model.params_.values())), futures.nodes)
        bought += model.bought_if_alive(core, futures.nodes, days)
    bought /= len(futures.possible)
    result = np.full((len(quantiles), len(alive)), np.nan)
    by_row = np.argsort(futures.row, kind="stable")
    for first in range(0, futures.rows, _CHUNK):
        last = min(first + _CHUNK, futures.rows)
        there = by_row[slice(*np.searchsorted(futures.row[by_row], [first, last]))]
        chance = futures.curves(bought, first, last)
        for place, quantile in enumerate(quantiles):
            some = there[alive[there] > quantile]
            row = futures.row[some] - first
            result[place, some] = chance.grid_quantile(_LOG_DAYS, row, quantile / alive[some])
    return result


def _filled_quantile(at_most: Curves, log_grid: Floats, row: Indices, tail: Floats) -> Floats:
    """Return the `grid_quantile`, or the end of the grid where the tail lies beyond."""
    found = at_most.grid_quantile(log_grid, row, tail)
    return np.where(np.isnan(found), np.exp(log_grid[-1]), found)


def _heavy_quantile(
    futures: FutureCounts, at_most: Curves, part: Histories, row: Indices, tail: Floats, daily_rate: float
) -> Floats:
    """Return the quantile of spend of customers of many purchases, whose curves are on grids of their own."""
    place = _filled_quantile(at_most, PLACES, row, tail)
    scale = spend_scale(futures.model, part, futures.horizon_days, daily_rate)[row]
    spending = scale * np.exp(log_spends(part.frequency[row], np.log(np.where(place > 0, place, 1.0))))
    return np.where(place > 0, spending, 0.0)


def _large_quantile(futures: FutureCounts, row: Indices, tail: Floats, fewest: Indices) -> Floats:
    """Return the least n with P(at most n) >= tail, not below `fewest`, at most about a million million.

    By doubling, then bisection over whole numbers, of the models' own distributions: nothing is tabled.
    """
    low, high = fewest - 1.0, fewest.astype(np.float64)
    short = np.arange(len(row))
    while len(short := short[futures.at_most(row[short], high[short]) < tail[short]]):
        low[short], high[short] = high[short], 2.0 * high[short]
        short = short[high[short] < _MOST]
    while len(apart := np.flatnonzero(high - low > 1.0)):
        middle = np.floor((low[apart] + high[apart]) / 2.0)
        is_reached = futures.at_most(row[apart], middle) >= tail[apart]
        high[apart] = np.where(is_reached, middle, high[apart])
        low[apart] = np.where(is_reached, low[apart], middle)
    return high


def _phases(futures: FutureCounts) -> int:
    return getattr(futures.possible[0], "k_", 1)


def _spend_at_nodes(futures: FutureCounts, spend_model: GammaGammaModel, daily_rate: float) -> Floats:
    """Return P(discounted spend <= grid) of the living at every node, shape (nodes, grid).

    From `HEAVY` purchases on, the grid is that of heavy_spend.py.
    Undiscounted it comes from the exact distribution of the purchases. Discounted, and where the tables of
    purchases end too early, from `futures_of`; what these miss of the exact undiscounted distribution is put
    right level by level, by as much as the last day of the horizon still counts.
    """
    possible = possible_models(spend_model)
    x, ends = futures.nodes.frequency, futures.at_nodes.ends
    grid = _LOG_SPEND if ends[x < HEAVY].all() else _LONG_LOG_SPEND
    first = np.flatnonzero(np.r_[True, x[1:] != x[:-1]][: len(x)])
    result = np.empty((len(x), len(grid)))
    for begin, end in pairwise(np.r_[first, len(x)]):
        node = np.arange(begin, end)
        spending = _spending(possible, spend_model, float(x[begin]))
        if x[begin] >= HEAVY:
            result[node, :POINTS] = _heavy_spend(futures, spending, node, daily_rate)
            continue
        tables = _exact(futures, node)
        drawn: list[list[Cells]] = []
        rates = (0.0,) if daily_rate == 0.0 else (0.0, daily_rate)
        if daily_rate > 0.0 or not ends[node].all():
            drawn = _drawn(futures, node, rates)
        most = max((one.numbers.stop for cells in drawn for one in cells), default=0)
        used = [band for band in bands(_phases(futures)) if band.numbers.start < most]
        longest = max([tables.shape[1], *(band.ends.stop for band in used)])
        at_most = np.ones((longest, len(grid)))
        at_most[1:] = _spend_of(spending, _MIDDLES[1:longest], grid)
        exact = np.zeros((len(node), len(grid)))
        # added one by one, so that a node's sum does not depend on how many nodes there are
        for weight, one in zip(tables.T[:, :, None], at_most, strict=False):
            exact += weight * one
        if not drawn:
            result[node] = exact
            continue
        by_number = np.concatenate([band.share @ at_most[band.ends] for band in used], axis=1)
        for place, row in enumerate(node):
            plain, spent = (_worth(cells[place], by_number) for cells in (drawn[0], drawn[-1]))
            if ends[row]:
                last_day = np.exp(-daily_rate * futures.horizon_days)
                spent += last_day * (np.interp(spent, plain, exact[place]) - spent)
            result[row] = spent
    return result


def _heavy_spend(futures: FutureCounts, spending: list[Spending], node: Indices, daily_rate: float) -> Floats:
    """Return P(discounted spend <= grid) of nodes of one frequency, from `HEAVY` on, (nodes, POINTS).

    Undiscounted from the exact distribution of the purchases; discounted from `futures_of`, of which what is
    missed undiscounted is put right level by level.
    """
    part, days = futures.nodes.take(node), futures.horizon_days
    x = float(part.frequency[0])
    steps = log_spends(np.full(POINTS, x), PLACES)
    rates = (0.0,) if daily_rate == 0.0 else (0.0, daily_rate)
    scales = [np.log(spend_scale(futures.model, part, days, rate)) for rate in rates]
    largest = np.column_stack([np.full(len(node), FEW - 1.0), edges(x, scales[0])])
    at_most = futures.at_most_at_nodes(node, largest)
    few = futures.at_most_at_nodes(node, np.tile(np.arange(FEW), (len(node), 1)))
    of_few = np.ones((few.shape[1], len(_LONG_LOG_SPEND)))
    of_few[1:] = _spend_of(spending, np.arange(1.0, FEW), _LONG_LOG_SPEND)
    result = np.empty((len(node), POINTS))
    for row, chances in enumerate(few):
        log_grid = scales[0][row] + steps
        result[row] = bins_of_numbers(largest[row], at_most[row]).spend(spending, log_grid)
        result[row] += _on(log_grid, np.diff(chances, prepend=0.0) @ of_few)
    result = _rising(result)
    if daily_rate == 0.0:
        return result
    drawn = _drawn_heavy(futures, spending, node, dict(zip(rates, scales, strict=True)))
    for exact, plain, spent in zip(result, *drawn, strict=True):
        exact[:] = np.interp(spent, plain, exact)
    return result


def _drawn_heavy(
    futures: FutureCounts, spending: list[Spending], node: Indices, log_scales: dict[float, Floats]
) -> list[Floats]:
    """Return what `_heavy_spend` does, from `futures_of`, one table per daily rate of `log_scales`."""
    k, x = _phases(futures), float(futures.nodes.frequency[node[0]])
    steps = log_spends(np.full(POINTS, x), PLACES)
    by_number = _by_number(spending, k)
    result = [np.empty((len(node), POINTS)) for _ in log_scales]
    for some in np.array_split(np.arange(len(node)), len(node) // _NODES + 1):
        tables = futures_of(
            futures.possible, futures.nodes.take(node[some]), days=futures.horizon_days,
            daily_rates=tuple(log_scales),
        )  # fmt: skip
        for drawn, log_scale, found in zip(tables, log_scales.values(), result, strict=True):
            for place, (row, few) in enumerate(zip(some, drawn.cells(fewer_than=FEW), strict=True)):
                log_grid = log_scale[row] + steps
                many = bins_of_futures(drawn, place, k, x, log_scale[row])
                found[row] = many.spend(spending, log_grid)
                if few.share.any():
                    found[row] += _on(log_grid, _worth(few, by_number))
    return [_rising(found) for found in result]


def _by_number(spending: list[Spending], k: int) -> Floats:
    """Return P(spend <= grid) for mean numbers up to beyond `FEW`, with and without a last purchase."""
    used = bands(k)[: 2 + int((np.log(FEW) - FEWEST) / NUMBER_STEP) // len(bands(k)[0].share[0])]
    at_most = np.ones((used[-1].ends.stop, len(_LONG_LOG_SPEND)))
    at_most[1:] = _spend_of(spending, _MIDDLES[1 : len(at_most)], _LONG_LOG_SPEND)
    return np.concatenate([band.share @ at_most[band.ends] for band in used], axis=1)


def _on(log_grid: Floats, common: Floats) -> Floats:
    """Return probabilities on the common grid at other places, by cubics."""
    at = (log_grid - _LONG_LOG_SPEND[0]) / (_LONG_LOG_SPEND[1] - _LONG_LOG_SPEND[0])
    corner, weight = stencil(np.clip(at, 0.0, len(common) - 1.0), highest=len(common) - 1)
    return np.asarray((common[corner] * weight).sum(axis=1))


def _rising(at_most: Floats) -> Floats:
    # as in _worth: smaller steps are noise
    return np.maximum.accumulate(np.clip(np.round(at_most, 12), 0.0, 1.0), axis=1)


def _exact(futures: FutureCounts, node: Indices) -> Floats:
    """Return P(number of purchases is one of those taken alike) at nodes, shape (nodes, ends)."""
    ends = ENDS[: np.searchsorted(ENDS, futures.at_nodes.length[node].max()) + 1]
    return np.diff(futures.at_nodes.up_to(node[:, None], ends), axis=1, prepend=0.0)


def _drawn(futures: FutureCounts, node: Indices, daily_rates: tuple[float, ...]) -> list[list[Cells]]:
    """Return the cells of nodes, one list per rate."""
    cells: list[list[Cells]] = [[] for _ in daily_rates]
    for some in np.array_split(node, len(node) // _NODES + 1):
        drawn = futures_of(
            futures.possible, futures.nodes.take(some), days=futures.horizon_days, daily_rates=daily_rates
        )
        for found, one in zip(cells, drawn, strict=True):
            found += one.cells()
    return cells


def _worth(cells: Cells, by_number: Floats) -> Floats:
    """Return P(spend <= grid) of one node from that of every number of undiscounted purchases."""
    total = np.zeros(by_number.shape[2])
    found = sum(cells.share[ended] @ by_number[ended, cells.numbers] for ended in (0, 1))
    for worth, at_most in zip(range(cells.worths.start, cells.worths.stop), found, strict=True):
        total[: len(total) - worth] += at_most[worth:]
        total[len(total) - worth :] += at_most[-1]
    # steps below 1e-12 are noise, and too small to divide by
    return np.maximum.accumulate(np.clip(np.round(total, 12), 0.0, 1.0))


def _spend_of(spending: list[Spending], purchases: Floats, log_grid: Floats) -> Floats:
    """Return P(spend of n purchases <= grid), shape (purchases, grid), averaged over the models."""
    result = np.zeros((len(purchases), len(log_grid)))
    for one in spending:
        share = 1.0 / (1.0 + one.factor * np.exp(-log_grid))
        result += betainc(one.p * purchases[:, None], one.shape, share)
    return result / len(spending)


def _spending(possible: list[GammaGammaModel], estimate: GammaGammaModel, x: float) -> list[Spending]:
    """Return what the possible models say of customers with x repeats and a typical mean spend."""
    p, q, v = estimate.params_.values()
    typical = p * v / (q - 1.0)
    expected = p * (v + x * typical) / (p * x + q - 1.0)
    shapes = (one.params_.values() for one in possible)
    return [Spending(p, p * x + q, (v + x * typical) / expected) for p, q, v in shapes]
