"""What must a model of purchasing know?  Its formulas, of a history and of a customer known to be alive.

purchase_model.py answers every question from these.  All arrays have one value per history; ``core`` are the
model's own parameters (not their logarithms), each one number or one per history.  The likelihood is `rows`;
all else is about the living, who are what a new customer is, with updated parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from crm_analytics.clv.models.futures import Latent, Luck
from crm_analytics.clv.models.patterns import Histories, Patterns
from crm_analytics.clv.models.quadrature import legendre
from crm_analytics.errors import UsageError

Floats = NDArray[np.float64]

_LONGEST = 1e12


class Primitives(ABC):
    """The formulas of a model: those that are abstract must be written, the others may be, for speed.

    Notes
    -----
    Class attributes of a model:

    ``living_columns``   the columns that decide the future of a customer known to be alive
    ``has_rough_rows``   does `bent_rows` gain from ``roughly``?
    ``discount_nodes``   nodes of discounting over horizons that are short, and long, for the rate
    """

    living_columns: ClassVar[tuple[str, ...]] = ("frequency", "T")
    has_rough_rows: ClassVar[bool] = False
    discount_nodes: ClassVar[tuple[int, int]] = (8, 48)

    @abstractmethod
    def rows(self, core: Sequence[Any], patterns: Patterns) -> tuple[Floats, Floats]:
        """Return per pattern the log-likelihood, and its derivatives by log-parameters (n, parameters)."""

    @abstractmethod
    def alive(self, core: Sequence[Any], known: Histories) -> Floats:
        """Return P(alive at the end of T)."""

    @abstractmethod
    def purchases_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return expected purchases in the next `days` (one number > 0 each) of customers alive now."""

    @abstractmethod
    def counts_if_alive(self, core: Sequence[Any], known: Histories, days: float, up_to: int) -> Floats:
        """Return P(0), ... P(up_to purchases in the next days) of customers alive now, (n, up_to + 1)."""

    @abstractmethod
    def silence_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return P(no purchase in the next `days`, one number per history) of customers alive now."""

    @abstractmethod
    def staying_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return P(still there after `days`, one number per history) of customers alive now."""

    def at_least_if_alive(self, core: Sequence[Any], known: Histories, days: float, number: Floats) -> Floats:
        """Return P(at least so many purchases, one number >= 1 each, in the next days) of the living.

        What `counts_if_alive` sums up to, asked for one large number without all the smaller ones. Not of a
        model of purchases in discrete periods (BG/BB).
        """
        raise UsageError(f"{type(self).__name__} has no futures in days. Ask it for expected purchases.")

    def latent_if_alive(self, core: Sequence[Any], known: Histories, luck: Luck) -> Latent:
        """Return what customers alive now will do, one future per column of `luck`.

        ``core`` holds numbers, or arrays that broadcast against (histories, draws). A model of purchases in
        discrete periods (BG/BB) has no such futures, and says so.
        """
        raise UsageError(f"{type(self).__name__} has no futures in days. Ask it for expected purchases.")

    @property
    def living_kinds(self) -> int:
        """Return how many kinds of living customers frequency and T leave apart: 1, they say all."""
        return 1

    def kind_weights(self, known: Histories) -> Floats:
        """Return P(kind) of customers alive now, (n, living_kinds); the future of a kind needs no recency."""
        return np.ones((len(known), 1))

    def of_kind(self, known: Histories, kind: Floats) -> Histories:
        """Return histories of which it is known what kind they are, 0 .. living_kinds - 1 each."""
        return known

    def discounted_if_alive(
        self, core: Sequence[Any], known: Histories, days: float, daily_rate: float
    ) -> Floats:
        """Return discounted purchases in the next `days` (may be infinite) of customers alive now.

        ``daily_rate`` > 0. With M(u) purchases expected until u this is exp(-rate h) M(h) + rate * integral
        of exp(-rate u) M(u), by Gauss-Legendre nodes in log(1 + u / (alpha + T)), where alpha is the second
        parameter. Override where the purchase rate has a simpler form.
        """
        end, scale = min(days, 40.0 / daily_rate), core[1] + known.T
        result = np.exp(-daily_rate * end) * self.purchases_if_alive(core, known, np.full(len(known), end))
        longest = np.log1p(end / scale)
        few, many = self.discount_nodes
        for point, weight in zip(*legendre(many if daily_rate * end > 1.0 else few), strict=True):
            day = scale * np.expm1(longest * point)
            density = weight * longest * (scale + day) * np.exp(-daily_rate * day)
            result += daily_rate * density * self.purchases_if_alive(core, known, day)
        return np.asarray(result)

    def bought_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return P(a purchase by each of these ascending days > 0) of customers alive now, (n, days)."""
        silence = [self.silence_if_alive(core, known, np.full(len(known), day)) for day in days.tolist()]
        return 1.0 - np.stack(silence, axis=1)

    def waiting_if_alive(self, core: Sequence[Any], known: Histories, chance: Floats) -> Floats:
        """Return the days after which a customer alive now has bought with this chance; NaN if never.

        By bisection of `silence_if_alive` in the logarithm of time. Override where there is a closed form.
        """
        low, high = np.full(len(known), np.log(1e-9)), np.full(len(known), np.log(_LONGEST))
        never = 1.0 - self.silence_if_alive(core, known, np.exp(high)) < chance
        for _ in range(60):
            middle = (low + high) / 2.0
            early = 1.0 - self.silence_if_alive(core, known, np.exp(middle)) < chance
            low, high = np.where(early, middle, low), np.where(early, high, middle)
        return np.where(never, np.nan, np.exp((low + high) / 2.0))

    def bent_rows(
        self, core: Sequence[Any], patterns: Patterns, *, roughly: bool = False
    ) -> tuple[Floats, Floats, Callable[[], Floats] | None]:
        """Return what `rows` returns, and a function for minus the second derivatives of the weighted total.

        Those are by the log-parameters; None (the default) lets the optimiser do without. ``roughly`` allows
        errors of a per mille. Override for speed.
        """
        return (*self.rows(core, patterns), None)
