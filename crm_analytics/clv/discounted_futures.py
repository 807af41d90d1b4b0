"""What are a living customer's future purchases worth today, as a whole distribution?

A purchase after u days counts exp(-rate u).  Given the customer's purchase rate g and the day L on which it
leaves (or the horizon ends), purchases are a Poisson stream, and the discounted number D has mean g A1 and
variance g A2, with A1 = (1 - exp(-rate L)) / rate and A2 the same for twice the rate.  A Poisson number of
mean g A1^2 / A2, each purchase worth A2 / A1, has the same mean and variance, and so has the spend on it,
whatever its distribution.  (Worth lies between 1 and 1/2, the mean is at most 2 g / rate: a horizon of a
thousand years is no harder than one of ten.)  Where purchases end the customer, the last one comes on top;
where they come regularly (Erlang k), k phases make one.

Rates and days of leaving are taken at fixed, evenly spread points of the model's own distributions
(`latent_if_alive`): nothing is drawn, and the same points serve every horizon, so that limits rise with it.

Source of the points: Kronecker sequences, Niederreiter (1992), "Random number generation and quasi-Monte
Carlo methods", chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from crm_analytics.clv.future_counts import stencil
from crm_analytics.clv.models.futures import Luck
from crm_analytics.clv.models.patterns import Histories
from crm_analytics.clv.models.purchase_model import PurchaseModel

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_POINTS = 1_024
# Grid of the logarithms of the mean number, and of what a purchase is worth.
NUMBER_STEP, FEWEST, _NUMBERS = 0.0625, -9.0, 400
# Numbers that are asked together: so few that a product of matrices is not worth a second thread.
_BLOCK, _NOTHING = 16, 1e-12
WORTH_STEP = 0.125
_WORTHS = 56
# Numbers of purchases that are taken alike: each of 0 to 8, then steps of an eighth.
ENDS = np.unique(np.r_[np.arange(9), np.round(8.0 * 1.125 ** np.arange(1, 122))]).astype(np.intp)


@dataclass(frozen=True)
class Cells:
    """Part of the grids that the futures of one history fill.

    ``share`` has the shape (2, worths, numbers); [1]: a purchase that ends the customer comes on top.
    """

    share: Floats
    worths: slice
    numbers: slice


@dataclass(frozen=True)
class Futures:
    """Futures of equal weight, one per column, of histories, one per row.

    Attributes
    ----------
    mean : array of shape (n, points)
        Discounted purchases expected.
    variance : array of shape (n, points)
        Of the discounted purchases.
    number, worth : array of shape (n, points)
        Mean of the Poisson number of purchases, and what each is worth.
    ended : array of bool, shape (n, points)
        Whether a purchase that ends the customer comes on top of the number.
    """

    mean: Floats
    variance: Floats
    number: Floats
    worth: Floats
    ended: NDArray[np.bool_]

    def cells(self, fewer_than: float = np.inf) -> list[Cells]:
        """Return how much of each row's futures lies where on the grids, those of fewer purchases than this.

        A future is shared between the two numbers and the four worths around it.
        """
        with np.errstate(divide="ignore"):
            at = np.clip((np.log(self.number) - FEWEST) / NUMBER_STEP, 0.0, _NUMBERS - 1.001)
            down = np.clip(-np.log(self.worth) / WORTH_STEP, 0.0, _WORTHS - 1.001)
        low = at.astype(np.intp)
        worth, share = np.zeros((*at.shape, 1), dtype=np.intp), np.ones((*at.shape, 1))
        few = (self.number < fewer_than)[:, :, None]
        if down.any():
            found_at, weight = stencil(down.ravel(), highest=_WORTHS - 1)
            worth, share = found_at.reshape(*at.shape, 4), weight.reshape(*at.shape, 4)
        if not few.all():
            share = np.where(few, share, 0.0)
            low = np.where(few[:, :, 0], low, 0)
        worths = [slice(int(row.min()), int(row.max()) + 1) for row in worth]
        numbers = [slice(int(row.min()), int(row.max()) + 2) for row in low]
        shape = (len(at), 2, max(one.stop for one in worths), max(one.stop for one in numbers))
        place = np.arange(len(at))[:, None] * 2 + self.ended
        start = ((place[:, :, None] * shape[2] + worth) * shape[3] + low[:, :, None]).ravel()
        above = (share * (at - low)[:, :, None]).ravel()
        found = np.bincount(start, share.ravel() - above, int(np.prod(shape)))
        found[1:] += np.bincount(start, above, len(found))[:-1]
        grids = found.reshape(shape) / at.shape[1]
        return [
            Cells(np.ascontiguousarray(grid[:, w, n]), w, n)
            for grid, w, n in zip(grids, worths, numbers, strict=True)
        ]


def futures_of(
    models: list[PurchaseModel], known: Histories, *, days: float, daily_rates: Sequence[float]
) -> list[Futures]:
    """Return the futures of customers alive now at every rate, from models of equal weight."""
    parts: list[list[tuple[Any, ...]]] = [[] for _ in daily_rates]
    luck = _luck()
    for first, model in enumerate(models):
        own = Luck(*(values[first :: len(models)] for values in luck))
        latent = model.latent_if_alive(model.core(np.array(list(model.params_.values())), known), known, own)
        k = getattr(model, "k_", 1)
        rate = np.asarray(latent.rate / k)
        leaving = np.broadcast_to(latent.leaving, rate.shape)
        with np.errstate(divide="ignore", over="ignore"):
            life = np.minimum(latent.lifetime_days, -np.log(own.when) / (rate * leaving))
        ended, stay = (life < days) & (leaving > 0), np.minimum(life, days)
        steady = rate * (1.0 - leaving)
        for part, daily_rate in zip(parts, daily_rates, strict=True):
            final = np.where(ended, np.exp(-daily_rate * stay), 0.0)
            mean = steady * _discounted(stay, daily_rate) + final
            square = steady * _discounted(stay, 2.0 * daily_rate) + final**2
            worth = np.divide(square, mean, out=np.ones_like(mean), where=mean > 0)
            number = np.maximum(mean / worth - ended, 0.0)
            part.append((mean, (square - final**2) / k, number, worth, ended))
    return [
        Futures(*(np.concatenate(arrays, axis=1) for arrays in zip(*part, strict=True))) for part in parts
    ]


@cache
def reached(k: int) -> Floats:
    """Return P(at most ENDS purchases) for every number of the grid, (2, numbers, ends); [1]: one more."""
    mean = np.exp(FEWEST + NUMBER_STEP * np.arange(_NUMBERS))[:, None]
    at_most = np.zeros((2, _NUMBERS, len(ENDS)))
    for more in (0, 1):
        for phase in range(k):
            phases = k * (ENDS - more + 1.0) - phase
            at_most[more] += np.where(phases > 0, gammaincc(np.maximum(phases, 1.0), k * mean), 0.0) / k
    return at_most


@dataclass(frozen=True)
class Band:
    """Some numbers of the grid, the ENDS they reach, and P(purchases are taken as each), (2, n, ends)."""

    numbers: slice
    ends: slice
    share: Floats


@cache
def bands(k: int) -> list[Band]:
    """Return P(purchases are taken as one of ENDS) for the numbers of the grid, where it is not next to 0."""
    found = []
    for first in range(0, _NUMBERS, _BLOCK):
        numbers = slice(first, first + _BLOCK)
        share = np.diff(reached(k)[:, numbers], axis=2, prepend=0.0)
        there = np.flatnonzero(share.max(axis=(0, 1)) > _NOTHING)
        ends = slice(int(there[0]), int(there[-1]) + 1)
        found.append(Band(numbers, ends, np.ascontiguousarray(share[:, :, ends])))
    return found


def _discounted(days: Floats, daily_rate: float) -> Floats:
    return days if daily_rate == 0.0 else np.asarray(-np.expm1(-daily_rate * days) / daily_rate)


@cache
def _luck() -> tuple[Floats, ...]:
    """Return five coordinates of points spread evenly over the unit cube."""
    root = 1.2
    for _ in range(60):  # the root of root^6 = root + 1, the golden ratio of five dimensions
        root = (1.0 + root) ** (1.0 / 6.0)
    steps = root ** -np.arange(1.0, 6.0)
    points = np.modf(0.5 + np.arange(1.0, _POINTS + 1.0)[:, None] * steps)[0]
    return tuple(np.clip(points, 1e-12, 1.0 - 1e-12).T)
