"""Which futures may a customer have?  Random numbers, and what a model turns them into.

The same random numbers serve every customer (one possible future per column), so what is drawn for a customer
does not depend on who else is scored, nor on the order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST = 1e12


@dataclass(frozen=True)
class Luck:
    """Random numbers for a number of futures.

    Attributes
    ----------
    rate, leave, stay, when, phase : array of shape (draws,)
        Uniform on (0, 1): for the purchase rate, the propensity to leave (two numbers), the time of leaving,
        how much of the running gap between purchases is over.
    """

    rate: Floats
    leave: Floats
    stay: Floats
    when: Floats
    phase: Floats

    @classmethod
    def draw(cls, draws: int, rng: np.random.Generator) -> Luck:
        """Draw the numbers of `draws` futures."""
        rate, leave, stay, when, phase = np.clip(rng.random((5, draws)), 1e-16, 1.0 - 1e-16)
        return cls(rate, leave, stay, when, phase)


@dataclass(frozen=True)
class Latent:
    """What a customer that is alive will do, if nothing but its own chances decided.

    Attributes
    ----------
    rate : array of shape (n, draws)
        Purchases per day while alive.
    lifetime_days : array that broadcasts against it
        Days until the customer leaves, purchases aside; infinite where only purchases end it.
    last : array that broadcasts against it
        Purchase after which the customer leaves, counted from 1; infinite where time ends it.
    leaving : array that broadcasts against it
        Chance to leave after each purchase; 0 where time ends it.
    """

    rate: Floats
    lifetime_days: Floats
    last: Floats
    leaving: Floats


def geometric(uniform: Floats, probability: Floats) -> Floats:
    """Return the number of the trial (1, 2, ...) at which an event of this probability first happens."""
    with np.errstate(divide="ignore", over="ignore"):
        trials = np.log(uniform) / np.log1p(-np.minimum(probability, 1.0 - 1e-16))
    return np.asarray(np.minimum(1.0 + np.floor(np.nan_to_num(trials, nan=_MOST, posinf=_MOST)), _MOST))


def live_through(
    rate: Floats,
    until: Floats,
    last: Floats,
    *,
    ages: Floats,
    draw_gaps: Callable[[Floats, np.random.Generator], Floats],
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Draw every customer's purchases in turn; purchases after its age are future ones.

    Parameters
    ----------
    rate, until, last : array of shape (customers,)
        Purchases per day while alive, the day that ends them, and the number of the purchase that does.
    ages : array of shape (customers,)
        The day up to which purchases are seen.
    draw_gaps : callable
        (rates, rng) -> days to the next purchase.

    Returns
    -------
    dict
        frequency, recency, T, log_gap_sum and future_purchases, one number per customer.
    """
    frequency, recency, future, now, log_gaps = (np.zeros(len(ages)) for _ in range(5))
    buying = np.flatnonzero(last > 0)
    while len(buying):
        with np.errstate(divide="ignore"):
            gaps = draw_gaps(rate[buying], rng)
        now[buying] += gaps
        come = now[buying] <= until[buying]
        buying, gaps = buying[come], gaps[come]
        seen = now[buying] <= ages[buying]
        log_gaps[buying[seen]] += np.log(gaps[seen])
        frequency[buying[seen]] += 1.0
        recency[buying[seen]] = now[buying[seen]]
        future[buying[~seen]] += 1.0
        buying = buying[frequency[buying] + future[buying] < last[buying]]
    return {
        "frequency": frequency,
        "recency": recency,
        "T": ages,
        "log_gap_sum": log_gaps,
        "future_purchases": future,
    }
