"""How many purchases will each customer make, if nobody ever leaves?  NBD of Ehrenberg (1959).

A customer buys at random at a rate of its own (Gamma(r, alpha) among customers) and stays for ever.  It is
the yardstick for the models with departure: where it fits as well as they do, no departure was seen.  Input:
one row per customer as in clv/summary.sql (frequency, T; in days; recency says nothing here).  alpha is in
days, r is a pure number.

Source: Ehrenberg (1959), Applied Statistics 8(1), 26-41.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaincinv, gammaln, psi

from crm_analytics.clv.models.futures import Latent, Luck
from crm_analytics.clv.models.negative_binomial import event_chances
from crm_analytics.clv.models.patterns import Histories, Patterns, levels
from crm_analytics.clv.models.purchase_model import BUYING_EDGES, PurchaseModel

Floats = NDArray[np.float64]


class NBDModel(PurchaseModel):
    """NBD: purchases of customers that never leave.

    Attributes
    ----------
    params_ : dict
        r, alpha (days).
    log_covariance_ : array of shape (2, 2)
        Covariance of (log r, log alpha).

    Examples
    --------
    >>> import pandas as pd
    >>> model = NBDModel.from_parameters({"r": 0.5, "alpha": 50.0})
    >>> one = pd.DataFrame({"frequency": [2], "recency": [30], "T": [50]})
    >>> float(model.expected_purchases(one, horizon_days=100).iloc[0])
    2.5
    """

    name: ClassVar[str] = "nbd"
    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha")
    time_parameters: ClassVar[tuple[str, ...]] = ("alpha",)
    start: ClassVar[Floats] = np.log([0.5, 0.5])
    second_start: ClassVar[Floats] = np.log([2.0, 3.0])
    edges: ClassVar[Mapping[str, tuple[str, str]]] = BUYING_EDGES

    def __init__(self) -> None:
        """Take no settings: covariates need a process of departure too."""

    def rows(self, core: Sequence[Any], patterns: Patterns) -> tuple[Floats, Floats]:
        """Return per pattern the log-likelihood and its derivatives by log r and log alpha."""
        r, alpha = core
        by_x = patterns.frequency.map(lambda x, r: gammaln(r + x) - gammaln(r), r)
        slope = patterns.frequency.map(lambda x, r: (psi(r + x) - psi(r)) * r, r)
        shape = patterns.frequency.map(lambda x, r: r + x, r)
        log_T = patterns.T.map(lambda T, alpha: np.log(alpha + T), alpha)
        value = by_x + r * np.log(alpha) - shape * log_T
        d_r = slope + r * (np.log(alpha) - log_T)
        return value, np.column_stack([d_r, r - shape * np.exp(-log_T) * alpha])

    def alive(self, core: Sequence[Any], known: Histories) -> Floats:
        """Return 1."""
        return np.ones(len(known))

    def purchases_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return the mean rate times the days."""
        r, alpha = core
        return np.asarray((r + known.frequency) / (alpha + known.T) * days)

    def discounted_if_alive(
        self, core: Sequence[Any], known: Histories, days: float, daily_rate: float
    ) -> Floats:
        """Return the mean rate times the discounted days."""
        r, alpha = core
        discounted_days = -np.expm1(-daily_rate * days) / daily_rate
        return np.asarray((r + known.frequency) / (alpha + known.T) * discounted_days)

    def staying_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return 1."""
        return np.ones(len(known))

    def silence_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return ((alpha + T) / (alpha + T + days))^(r + x)."""
        r, alpha = core
        return np.asarray(np.exp(-(r + known.frequency) * np.log1p(days / (alpha + known.T))))

    def waiting_if_alive(self, core: Sequence[Any], known: Histories, chance: Floats) -> Floats:
        """Return the days after which a customer has bought with this chance (closed form)."""
        r, alpha = core
        with np.errstate(over="ignore"):
            return np.asarray((alpha + known.T) * np.expm1(-np.log1p(-chance) / (r + known.frequency)))

    def counts_if_alive(self, core: Sequence[Any], known: Histories, days: float, up_to: int) -> Floats:
        """Return P(0), ... P(up_to purchases in the next days): negative binomial."""
        r, alpha = core
        return event_chances(r + known.frequency, days / (alpha + known.T), up_to)[0]

    def at_least_if_alive(self, core: Sequence[Any], known: Histories, days: float, number: Floats) -> Floats:
        """Return P(at least so many purchases in the next days): the gap up to that one is beta prime."""
        r, alpha = core
        return np.asarray(betainc(number, r + known.frequency, days / (alpha + known.T + days)))

    def latent_if_alive(self, core: Sequence[Any], known: Histories, luck: Luck) -> Latent:
        """Return rates; nothing ends."""
        r, alpha = core
        x = levels(known.frequency)
        rate = gammaincinv(r + x.values[:, None], luck.rate)[x.position] / (alpha + known.T[:, None])
        return Latent(rate, np.array(np.inf), np.array(np.inf), np.array(0.0))
