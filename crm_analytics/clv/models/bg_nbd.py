"""How many purchases will each customer make, and is the customer still there?  BG/NBD of Fader, Hardie and
Lee (2005).

While there, a customer buys at random at a rate lambda of its own (Gamma(r, alpha) among customers) and
leaves after any purchase with a probability p of its own (Beta(a, b)).  Input: one row per customer as in
clv/summary.sql (frequency, recency, T; in days).  alpha is in days, r, a and b are pure numbers.

In this model a customer without a repeat purchase cannot have left: P(alive) = 1 at frequency 0.  The
modified model (mbg_nbd.py) does not say so; prefer it where probability_alive itself matters.

Sources: likelihood, eq. (6), and expected purchases, eq. (10), of Fader, Hardie and Lee (2005), Marketing
Science 24(2), 275-284; the latter as an average over p instead of by 2F1 (quadrature.py): given alive, lambda
~ Gamma(r + x, alpha + T) and p ~ Beta(a, b + x), and a customer with (lambda, p) is expected to buy (1 -
exp(-lambda p t)) / p times in t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln, expit, gammaln, psi
from scipy.stats import nbinom

from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.clv.models.optimiser import maximise
from crm_analytics.clv.models.patterns import Patterns, distinct_rows, find_patterns, possible_histories
from crm_analytics.clv.models.quadrature import DropoutNodes, dropout_nodes, legendre
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError

Floats = NDArray[np.float64]

_START = np.log([0.5, 0.3, 1.0, 3.0])
_SECOND_START = np.log([1.5, 2.0, 0.3, 0.6])
DAYS_PER_YEAR = 365.0
_CHUNK = 4_096
_DISCOUNT_NODES, _STEEP_DISCOUNT_NODES = 8, 48

_EDGES = {
    "r": ("almost nobody buys again", "all customers buy at the same rate (Poisson)"),
    "alpha": (
        "purchases are too dense for the days observed",
        "purchases are too rare, or all rates are equal",
    ),
    "a": ("no customer was seen to leave (plain NBD)", "all customers leave with the same probability"),
    "b": ("customers leave at once or never", "all customers leave with the same probability"),
}


class BetaGeoModel(MaximumLikelihoodModel):
    """BG/NBD: purchases and silent departure of customers without contracts.

    Attributes
    ----------
    params_ : dict
        r, alpha (days), a, b.
    log_likelihood_ : float
        Total, with time in days; `describe` gives other units.
    standard_errors_ : dict
        From the curvature at the optimum; valid only if ``verdict_.status`` is ``ok``.
    log_covariance_ : array of shape (4, 4)
        Covariance of (log r, log alpha, log a, log b).
    verdict_ : Verdict
        ``ok``, ``boundary`` or ``failed``, with reasons in words.

    Examples
    --------
    >>> weekly = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    >>> model = BetaGeoModel.from_parameters(weekly, unit="week")
    >>> one = pd.DataFrame({"frequency": [2], "recency": [30.43 * 7], "T": [38.86 * 7]})
    >>> round(float(model.expected_purchases(one, horizon_days=39 * 7).iloc[0]), 6)
    1.226028
    """

    name: ClassVar[str] = "bg_nbd"
    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    time_parameters: ClassVar[tuple[str, ...]] = ("alpha",)

    def fit(self, summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters from purchase histories.

        Parameters
        ----------
        summary : DataFrame
            One row per customer: frequency, recency, T (days). Other columns are ignored.
        weights : array of shape (rows,), optional
            How many customers each row stands for; default one.

        Raises
        ------
        NotEnoughData
            There is no customer.
        DegenerateCohortError
            Nobody bought twice, or no time has passed: nothing can be learned about rates.
        """
        patterns = find_patterns(summary, weights)
        refuse_degenerate(patterns, type(self).__name__)
        scale = patterns.median_age() or float(patterns.T.values.max())
        scaled = patterns.scaled(scale)
        estimate = maximise(
            lambda theta: self._log_likelihood(theta, scaled),
            start=_START,
            second_start=_SECOND_START,
            customers=patterns.customers,
            edge_meaning=self._edge_meaning,
        )
        self._learn(
            estimate.theta + np.log([1.0, scale, 1.0, 1.0]),
            estimate.covariance,
            estimate.log_likelihood - patterns.purchases * float(np.log(scale)),
            estimate.verdict,
            customers=patterns.customers,
            purchases=patterns.purchases,
        )
        return self

    def probability_alive(self, summary: pd.DataFrame) -> pd.Series:
        """Return the probability that each customer has not left by the end of its T.

        Always 1 at frequency 0 (a property of BG/NBD; the modified model differs). Index as the summary.
        """
        frequency, recency, age = possible_histories(summary)
        alive = self._alive(frequency, recency, age, np.array(list(self._fitted().values())))
        return pd.Series(alive, index=summary.index, name="probability_alive")

    def expected_purchases(self, summary: pd.DataFrame, *, horizon_days: float) -> pd.Series:
        """Return the expected number of purchase days in the horizon_days after T, per customer."""
        frequency, recency, age = possible_histories(summary)
        (x, T), position = distinct_rows(frequency, age)
        given_alive = self.purchases_if_alive(x, T, horizon_days=horizon_days)[0][position]
        alive = self._alive(frequency, recency, age, np.array(list(self._fitted().values())))
        return pd.Series(alive * given_alive, index=summary.index, name="expected_purchases")

    def expected_purchases_new(self, horizon_days: float) -> float:
        """Return the expected number of repeat purchase days of a new customer in its first horizon_days."""
        r, alpha, a, b = self._fitted().values()
        if _horizon(horizon_days) == 0:
            return 0.0
        shape, ratio = np.array([r]), np.array([horizon_days / alpha])
        at_start, b_start = self._new_customer(a, b)
        nodes = dropout_nodes(a, np.array([b_start]), shape, ratio)
        return float(at_start * nodes.mean_purchases(shape, ratio)[0])

    def probability_no_purchase(self, summary: pd.DataFrame, *, horizon_days: float) -> pd.Series:
        """Return the probability of no purchase in the horizon_days: left already, or alive and silent."""
        frequency, recency, age = possible_histories(summary)
        params = np.array(list(self._fitted().values()))
        r, alpha = params[:2]
        alive = self._alive(frequency, recency, age, params)
        silent = np.exp(-(r + frequency) * np.log1p(_horizon(horizon_days) / (alpha + age)))
        return pd.Series(1.0 - alive * (1.0 - silent), index=summary.index, name="probability_no_purchase")

    def purchase_count_probabilities(
        self, summary: pd.DataFrame, *, horizon_days: float, up_to: int = 10
    ) -> pd.DataFrame:
        """Return the probability of exactly 0, 1, ... up_to purchase days (columns), per customer."""
        frequency, recency, age = possible_histories(summary)
        params = np.array(list(self._fitted().values()))
        r, alpha, a, b = params
        alive = self._alive(frequency, recency, age, params)[:, None]
        given_alive = _count_probabilities(
            r + frequency, alpha + age, a, self.b_alive(b, frequency), _horizon(horizon_days), up_to
        )
        left = (1.0 - alive) * (np.arange(up_to + 1) == 0)
        return pd.DataFrame(alive * given_alive + left, index=summary.index, columns=range(up_to + 1))

    def purchase_count_probabilities_new(self, horizon_days: float, up_to: int = 10) -> pd.Series:
        """Return the probability that a new customer makes exactly 0, 1, ... up_to repeat purchases."""
        r, alpha, a, b = self._fitted().values()
        at_start, b_start = self._new_customer(a, b)
        alive = _count_probabilities(
            np.array([r]), np.array([alpha]), a, np.array([b_start]), _horizon(horizon_days), up_to
        )[0]
        left = (1.0 - at_start) * (np.arange(up_to + 1) == 0)
        return pd.Series(at_start * alive + left, index=range(up_to + 1), name="probability")

    def influence(self, summary: pd.DataFrame) -> pd.Series:
        """Return how far each customer pulls the estimates: the squared joint shift in standard errors.

        With g the customer's gradient in log-parameters, this is g' covariance g, the first-order effect of
        leaving the customer out (Cook's distance). Above 1 a single customer outweighs the statistical noise.
        """
        x, recency, age = possible_histories(summary)
        params = np.array(list(self._fitted().values()))
        r, alpha, a, b = params
        b_end, leaves = self.b_alive(b, x), self._can_leave(x)
        stayed = self._alive(x, recency, age, params)
        left, both = 1.0 - stayed, psi(a + b) - psi(a + b_end)
        log_age = stayed * np.log(alpha + age) + left * np.log(alpha + recency)
        inverse_age = stayed / (alpha + age) + left / (alpha + recency)
        gradient = [
            (psi(r + x) - psi(r) + np.log(alpha) - log_age) * r,
            r - (r + x) * inverse_age * alpha,
            both * a + left,
            (both - psi(b) + psi(b_end) - left / np.where(leaves, b_end - 1.0, 1.0)) * b,
        ]
        shift = np.einsum("ic,ij,jc->c", gradient, self.log_covariance_, gradient)
        return pd.Series(shift, index=summary.index, name="influence")

    def purchases_if_alive(
        self, frequency: Floats, T: Floats, *, horizon_days: float, annual_discount_rate: float = 0.0
    ) -> tuple[Floats, Floats]:
        """Return expected purchases of customers known to be alive at T, plain and discounted.

        Parameters
        ----------
        frequency, T : array of shape (n,)
            Best given as distinct pairs; recency does not matter once a customer is known to be alive.
        horizon_days : float
            Length of the future window, >= 0.
        annual_discount_rate : float
            Fraction per year, default 0; a purchase after u days counts exp(-rate u) with
            rate = log(1 + annual_discount_rate) / 365. With M(u) purchases expected until u, the discounted
            number is exp(-rate h) M(h) + rate * integral of exp(-rate u) M(u), by Gauss-Legendre nodes in
            log(1 + u / (alpha + T)): 8 of them, 48 if rate * h > 1.
        """
        r, alpha, a, b = self._fitted().values()
        daily_rate = float(np.log1p(annual_discount_rate)) / DAYS_PER_YEAR
        plain, discounted = np.zeros(len(frequency)), np.zeros(len(frequency))
        if _horizon(horizon_days) > 0:
            for first in range(0, len(frequency), _CHUNK):
                rows = slice(first, first + _CHUNK)
                shape, rate = r + frequency[rows], alpha + T[rows]
                nodes = dropout_nodes(a, self.b_alive(b, frequency[rows]), shape, horizon_days / rate)
                plain[rows] = nodes.mean_purchases(shape, horizon_days / rate)
                discounted[rows] = _discounted(nodes, plain[rows], shape, rate, horizon_days, daily_rate)
        return plain, discounted

    def b_alive(self, b: float | Floats, frequency: Floats) -> Floats:
        """Return the second parameter of the beta distribution of p, of a customer alive after x repeats."""
        return b + frequency

    def _log_likelihood(self, theta: Floats, patterns: Patterns) -> tuple[float, Floats]:
        """Return the total log-likelihood and its gradient in theta = log(r, alpha, a, b)."""
        r, alpha, a, b = np.exp(theta)
        x, count = patterns.frequency.values, patterns.customers_by_frequency
        b_end, leaves = self.b_alive(b, x), self._can_leave(x)
        b_left = np.where(leaves, b_end - 1.0, 1.0)
        by_x = (
            gammaln(r + x) - gammaln(r) + r * theta[1]
            + gammaln(a + b) - gammaln(b) + gammaln(b_end) - gammaln(a + b_end)
        )  # fmt: skip
        shape = (r + x)[patterns.frequency.position]
        log_T = patterns.T.map(lambda T: np.log(alpha + T))
        log_t = patterns.recency.map(lambda t: np.log(alpha + t))
        stayed = -shape * log_T
        left = (
            np.where(leaves, theta[2] - np.log(b_left), -np.inf)[patterns.frequency.position] - shape * log_t
        )
        value = (count * by_x).sum() + (patterns.weight * np.logaddexp(stayed, left)).sum()

        w_stayed = patterns.weight * expit(stayed - left)
        w_left = patterns.weight - w_stayed
        left_by_x = patterns.frequency.total(w_left)
        d_r = (count * (psi(r + x) - psi(r) + theta[1])).sum() - (w_stayed * log_T + w_left * log_t).sum()
        d_alpha = patterns.customers * r / alpha - (
            shape * (w_stayed * np.exp(-log_T) + w_left * np.exp(-log_t))
        ).sum()  # fmt: skip
        both = psi(a + b) - psi(a + b_end)
        d_a = (count * both).sum() + w_left.sum() / a
        d_b = (count * (both - psi(b) + psi(b_end))).sum() - (left_by_x / b_left)[leaves].sum()
        return float(value), np.array([d_r, d_alpha, d_a, d_b]) * np.array([r, alpha, a, b])

    def _alive(self, frequency: Floats, recency: Floats, T: Floats, params: Floats) -> Floats:
        r, alpha, a, b = params
        leaves = self._can_leave(frequency)
        b_left = np.where(leaves, self.b_alive(b, frequency) - 1.0, 1.0)
        odds = (r + frequency) * np.log1p((T - recency) / (alpha + recency)) + np.log(a) - np.log(b_left)
        return np.where(leaves, expit(-odds), 1.0)

    def _can_leave(self, frequency: Floats) -> NDArray[np.bool_]:
        """Whether a customer with x repeat purchases may have left."""
        return frequency > 0

    def _new_customer(self, a: float, b: float) -> tuple[float, float]:
        """Probability that a new customer stays after the first purchase, and its b then."""
        return 1.0, b

    def _edge_meaning(self, parameter: int, upper: bool) -> str:
        name = self.parameter_names[parameter]
        return f"{name} runs to {'infinity' if upper else 'zero'}: {_EDGES[name][upper]}"


def refuse_degenerate(patterns: Patterns, model: str) -> None:
    """Raise if the histories cannot identify a purchase model, saying why and what to do."""
    if patterns.customers == 0:
        raise NotEnoughData(f"{model} needs customers, but the summary has none (or all weights are 0).")
    if patterns.T.values.max() <= 0:
        raise DegenerateCohortError(
            f"{model}: all {patterns.customers:.0f} customers were first seen on the last day of "
            "observation (T = 0), so no time has passed in which they could buy again. "
            "Use a later as_of, or load earlier orders."
        )
    if patterns.purchases == 0:
        raise DegenerateCohortError(
            f"{model}: none of the {patterns.customers:.0f} customers bought on a second day, so there is "
            "nothing to learn about how often customers return. Use a later as_of, load more orders, or use "
            "crm.clv.lifetime_value, which then falls back on one cautious rate and says so."
        )


def _horizon(horizon_days: float) -> float:
    if not (np.isfinite(horizon_days) and horizon_days >= 0):
        raise UsageError(
            f"horizon_days={horizon_days!r} is no length of time. Give days >= 0, for example 365."
        )
    return float(horizon_days)


def _discounted(
    nodes: DropoutNodes, plain: Floats, shape: Floats, rate: Floats, horizon_days: float, daily_rate: float
) -> Floats:
    """Return discounted purchases of living customers, given the plain number."""
    if daily_rate == 0.0:
        return plain
    result = np.exp(-daily_rate * horizon_days) * plain
    longest = np.log1p(min(horizon_days, 40.0 / daily_rate) / rate)
    steep = daily_rate * horizon_days > 1.0
    for point, weight in zip(*legendre(_STEEP_DISCOUNT_NODES if steep else _DISCOUNT_NODES), strict=True):
        ratio = np.expm1(longest * point)
        density = weight * longest * rate * (1.0 + ratio) * np.exp(-daily_rate * rate * ratio)
        result += daily_rate * density * nodes.mean_purchases(shape, ratio)
    return np.asarray(result)


def _count_probabilities(
    shape: Floats, rate: Floats, a: float, b: Floats, horizon_days: float, up_to: int
) -> Floats:
    """Return P(0 .. up_to purchases in the horizon) of customers alive now, shape (n, up_to + 1)."""
    shape, b = shape[:, None], b[:, None]
    success = (rate / (rate + horizon_days))[:, None]
    n = np.arange(up_to + 1)
    stays = np.exp(betaln(a, b + n) - betaln(a, b)) * nbinom.pmf(n, shape, success)
    later = n[1:]
    leaves = np.exp(betaln(a + 1.0, b + later - 1.0) - betaln(a, b)) * nbinom.sf(later - 1, shape, success)
    stays[:, 1:] += leaves
    return np.asarray(stays)
