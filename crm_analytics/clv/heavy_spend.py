"""What will customers spend of whose hundreds of purchases hardly anything is left open?

The grids of intervals.py and discounted_futures.py are an eighth of a logarithm wide; what 5,000 purchases
leave open of a rate is a seventieth.  So from `HEAVY` purchases on, spend is measured against what the median
rate would bring in the horizon (`spend_scale`), on a grid of its own: logarithms w sinh(t), t evenly spread,
w = 1 / sqrt(frequency) the deviation of a known rate, so that steps are a fraction of w in the middle and
grow outwards, where a customer that leaves early ends.

Given a future (rate and day of leaving, discounted_futures.py) with many purchases, log spend is nearly
normal: its mean, variance and third cumulant follow from those of the compound Poisson sum (Taylor's series
of the logarithm) and of the log-gamma dearness of the customer, and the third enters by the first term of
Edgeworth's series.  Futures are shared between the two nearest bins, as many as the grid has points.
Futures of fewer than `FEW` purchases, wide as they are, come from the common grid.

Source of the expansion: Kendall and Stuart (1977), The Advanced Theory of Statistics 1, 4th ed., chapter 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, polygamma, psi

from crm_analytics.clv.discounted_futures import Futures
from crm_analytics.clv.models.futures import Luck
from crm_analytics.clv.models.patterns import Histories
from crm_analytics.clv.models.purchase_model import PurchaseModel

Floats = NDArray[np.float64]

HEAVY = 64.0
FEW = 32.0
_FARTHEST = 18.0
# Of the grid, and bins.
POINTS = 88
PLACES = np.linspace(-1.0, 1.0, POINTS)


def log_spends(frequency: Floats, place: Floats) -> Floats:
    """Return the logarithm of spend over `spend_scale` at places of the grid of customers, same shape."""
    width = 1.0 / np.sqrt(frequency)
    return np.asarray(width * np.sinh(np.arcsinh(_FARTHEST / width) * place))


def spend_scale(model: PurchaseModel, known: Histories, days: float, daily_rate: float) -> Floats:
    """Return the discounted purchases of customers that stay and buy at the median rate, shape (n,)."""
    half = np.full(1, 0.5)
    some = model.of_kind(known, np.zeros(len(known)))
    latent = model.latent_if_alive(
        model.core(np.array(list(model.params_.values())), some), some, Luck(half, half, half, half, half)
    )
    whole = days if daily_rate == 0.0 else -np.expm1(-daily_rate * days) / daily_rate
    rate = np.broadcast_to(latent.rate, (len(known), 1))[:, 0] / getattr(model, "k_", 1)
    return np.asarray(rate * whole)


@dataclass(frozen=True)
class Spending:
    """One Gamma-Gamma model, for customers of one frequency.

    Purchases are Gamma(``p``), the customer's dearness Gamma(``shape``), and ``factor`` times their ratio is
    the spend over the expected spend per purchase.
    """

    p: float
    shape: float
    factor: float


@dataclass(frozen=True)
class Bins:
    """Numbers of purchases in bins: their weight, and per bin the mean of the logarithm and of moments.

    ``of_number`` is the variance of the number over its square, ``of_worth`` what the variance of spend adds
    over 1 / p, ``squared`` what the third cumulant has per (1 / k^2 + 3 / (k p) + 2 / p^2), k infinite where
    the number is known.
    """

    weight: Floats
    log_number: Floats
    of_number: Floats
    of_worth: Floats
    squared: Floats
    k: float

    def spend(self, spending: Sequence[Spending], log_grid: Floats) -> Floats:
        """Return P(spend <= grid), as much as the weights say."""
        result = np.zeros(len(log_grid))
        for one in spending:
            p = one.p
            second = self.of_number + self.of_worth / p
            third = self.squared * (1.0 / self.k**2 + 3.0 / (self.k * p) + 2.0 / p**2)
            centre = self.log_number - second / 2.0 + third / 3.0 - 0.75 * second**2 - psi(one.shape)
            centre = centre + np.log(p * one.factor)
            spread = np.sqrt(second - third + 2.5 * second**2 + polygamma(1, one.shape))
            skew = (third - 3.0 * second**2 - polygamma(2, one.shape)) / spread**3
            z = (log_grid - centre[:, None]) / spread[:, None]
            lean = skew[:, None] / 6.0 * (z**2 - 1.0) * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
            result += self.weight @ (ndtr(z) - lean)
        return np.asarray(result / len(spending))


def bins_of_futures(futures: Futures, row: int, k: int, x: float, log_scale: float) -> Bins:
    """Return futures of at least `FEW` purchases of one customer, shared between the two nearest bins.

    Parameters
    ----------
    futures : Futures
        Of equal weight.
    row : int
        Whose.
    k : int
        Phases of a gap.
    x : float
        Purchases seen.
    log_scale : float
        Of `spend_scale`.
    """
    many = futures.number[row] >= FEW
    mean, worth, variance = (column[row, many] for column in (futures.mean, futures.worth, futures.variance))
    width = 1.0 / np.sqrt(x)
    at = np.arcsinh((np.log(mean) - log_scale) / width) / np.arcsinh(_FARTHEST / width)
    at = np.clip((at + 1.0) / 2.0 * (POINTS - 1), 0.0, POINTS - 1.001)
    low = at.astype(np.intp)
    above, each = at - low, worth / mean
    moments = np.stack([np.ones(len(at)), variance / mean**2, each, each**2])
    total = np.zeros((4, POINTS))
    for sums, moment in zip(total, moments, strict=True):
        upper = np.bincount(low, above * moment, POINTS)
        sums += np.bincount(low, moment, POINTS) - upper
        sums[1:] += upper[:-1]
    there = np.flatnonzero(total[0] > 1e-9)
    weight = total[0, there]
    middles = log_scale + log_spends(np.full(POINTS, x), PLACES)[there]
    of_number, of_worth, squared = total[1:, there] / weight
    return Bins(weight / futures.mean.shape[1], middles, of_number, of_worth, squared, float(k))


def edges(x: float, log_scale: Floats) -> Floats:
    """Return the largest whole number in each bin, ascending from `FEW` - 1, shape (n, bins)."""
    ends = log_scale[:, None] + log_spends(np.full(POINTS, x), PLACES)
    return np.asarray(np.maximum(np.floor(np.exp(ends)), FEW - 1.0))


def bins_of_numbers(largest: Floats, at_most: Floats) -> Bins:
    """Return numbers of purchases, of which is known with what chance they are not above `edges`."""
    share, first = np.diff(at_most), largest[:-1] + 1.0
    there = np.flatnonzero((share > 1e-12) & (largest[1:] >= first))
    number = (first[there] + largest[1:][there]) / 2.0
    return Bins(share[there], np.log(number), np.zeros(len(there)), 1.0 / number, 1.0 / number**2, np.inf)
