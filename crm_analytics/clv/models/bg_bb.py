"""How often will a customer use its opportunities to buy, if there is one per period?  BG/BB.

Once per period (a yearly appeal, a monthly issue, an event) a customer may buy.  While it is one, it does so
with a probability p of its own (Beta(alpha, beta) among customers); at the start of every period it leaves
with a probability theta of its own (Beta(gamma, delta)).

Input: frequency, recency and T as in clv/opportunity_summary.sql: in days, and recency and T whole multiples
of period_days, so that T / period_days opportunities were seen and recency / period_days is the number of the
last one that was used.  Horizons must be whole periods too.  With period_days = 1 the model fits the ordinary
summary (every day an opportunity).  The parameters are pure numbers.

Source: Fader, Hardie and Shang (2010), Marketing Science 29(6), 1086-1108.  Everything about the future is
an average over p ~ Beta(alpha + x, beta + n - x) and theta ~ Beta(gamma, delta + n), which are independent of
each other for a customer known to be there at opportunity n; discounted purchases for ever average (1 -
theta) / (d + theta) by the nodes of quadrature.py instead of by 2F1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, psi

from crm_analytics.clv.models.futures import geometric
from crm_analytics.clv.models.patterns import Histories, Patterns, distinct_rows
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.models.quadrature import dropout_nodes
from crm_analytics.errors import UsageError
from crm_analytics.modelling.arguments import future_days

Floats = NDArray[np.float64]

_AT_ONCE = 2_000_000
_FURTHEST = (100, 10_000)
_CLOSE = 1e-6


class BetaGeoBetaBinomModel(PurchaseModel):
    """BG/BB: purchases at discrete opportunities, and silent departure.

    Parameters
    ----------
    period_days : float
        Days from one opportunity to the next, > 0, default 1. It converts days into opportunities and the
        annual discount rate into that of a period.

    Attributes
    ----------
    params_ : dict
        alpha, beta (using an opportunity), gamma, delta (leaving).
    log_likelihood_, standard_errors_, log_covariance_, verdict_
        As for the other models of purchasing.

    Examples
    --------
    >>> donors = {"alpha": 1.20, "beta": 0.75, "gamma": 0.66, "delta": 2.78}
    >>> model = BetaGeoBetaBinomModel.from_parameters(donors, period_days=365)
    >>> one = pd.DataFrame({"frequency": [3], "recency": [4 * 365], "T": [6 * 365]})
    >>> round(model.expected_purchases(one, horizon_days=10 * 365).item(), 7)
    1.8408127
    """

    name: ClassVar[str] = "bg_bb"
    parameter_names: ClassVar[tuple[str, ...]] = ("alpha", "beta", "gamma", "delta")
    living_columns: ClassVar[tuple[str, ...]] = ("frequency", "T")
    start: ClassVar[Floats] = np.log([1.0, 1.0, 0.5, 2.0])
    second_start: ClassVar[Floats] = np.log([0.3, 2.0, 2.0, 6.0])
    edges: ClassVar[Mapping[str, tuple[str, str]]] = {
        "alpha": (
            "almost no opportunity is used",
            "all customers use opportunities with the same probability",
        ),
        "beta": (
            "almost every opportunity is used",
            "all customers use opportunities with the same probability",
        ),
        "gamma": ("no customer was seen to leave", "all customers leave with the same probability"),
        "delta": ("customers leave at once or never", "all customers leave with the same probability"),
    }

    def __init__(self, period_days: float = 1.0) -> None:
        self.period_days = period_days

    def fit(self, summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters from histories of opportunities.

        Parameters
        ----------
        summary : DataFrame
            One row per customer: frequency, recency, T (days, whole multiples of period_days). Other columns
            are ignored.
        weights : array of shape (rows,), optional
            How many customers each row stands for; default one.

        Raises
        ------
        NotEnoughData
            There is no customer.
        DegenerateCohortError
            Nobody used an opportunity, or none has passed.
        UsageError
            A row is no history of opportunities.
        """
        self._histories(summary)
        return super().fit(summary, weights)

    def rows(self, core: Sequence[Any], patterns: Patterns) -> tuple[Floats, Floats]:
        """Return per pattern the log-likelihood and its derivatives by the log-parameters."""
        known = patterns.histories
        value, slopes = np.empty(len(known)), np.empty((len(known), 4))
        for part in self._portions(known):
            some = known.take(part)
            value[part], share, row, slope = self._last_seen(core, some)
            starts = np.flatnonzero(np.diff(row, prepend=-1))
            slopes[part] = np.add.reduceat(share[:, None] * slope, starts)
        whole = psi(core[0] + core[1]), psi(core[2] + core[3])
        slopes += [
            whole[0] - psi(core[0]),
            whole[0] - psi(core[1]),
            whole[1] - psi(core[2]),
            whole[1] - psi(core[3]),
        ]
        return value, slopes * np.array(core)

    def alive(self, core: Sequence[Any], known: Histories) -> Floats:
        """Return P(still a customer at the last opportunity of T)."""
        result = np.empty(len(known))
        for part in self._portions(known):
            share, row = self._last_seen(core, known.take(part))[1:3]
            result[part] = share[np.flatnonzero(np.diff(row, append=-1))]
        return result

    def purchases_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return E[p] times the opportunities that a customer lives to see."""
        lived = self._per_age(core, known, days, lambda stays, periods: stays.cumsum(axis=1))
        return self._uses(core, known) * lived

    def staying_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return P(still a customer after `days`)."""
        return self._per_age(core, known, days, lambda stays, periods: stays)

    def discounted_if_alive(
        self, core: Sequence[Any], known: Histories, days: float, daily_rate: float
    ) -> Floats:
        """Return discounted purchases: one at the j-th opportunity counts after j periods."""
        per_period = daily_rate * self.period_days
        if np.isfinite(days):
            lived = self._per_age(
                core,
                known,
                np.full(len(known), days),
                lambda stays, periods: (stays * np.exp(-per_period * periods)).cumsum(axis=1),
            )
        else:
            interest = np.expm1(per_period)
            one, delta = np.ones(len(known)), core[3] + self._periods(known.T)
            nodes = dropout_nodes(core[2], delta, one, one / interest)
            theta = nodes.probability
            lived = (nodes.weight * (1.0 - theta) / (interest + theta)).sum(axis=1)
        return self._uses(core, known) * lived

    def silence_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return P(no purchase in the next `days`)."""
        periods = self._horizon(days)
        result = np.ones(len(known))
        for horizon in np.unique(periods[periods > 0]).astype(int).tolist():
            rows = np.flatnonzero(periods == horizon)
            for first in range(0, len(rows), max(1, _AT_ONCE // horizon)):
                some = rows[first : first + max(1, _AT_ONCE // horizon)]
                result[some] = self._silences(core, known.take(some), horizon)[:, -1]
        return result

    def waiting_if_alive(self, core: Sequence[Any], known: Histories, chance: Floats) -> Floats:
        """Return the days to the first opportunity by which a living customer has bought with this chance.

        Missing where that is never so, or later than the 10,000th opportunity.
        """
        days = np.full(len(known), np.nan)
        for furthest in _FURTHEST:
            rows = np.flatnonzero(np.isnan(days))
            for first in range(0, len(rows), max(1, _AT_ONCE // furthest)):
                some = rows[first : first + max(1, _AT_ONCE // furthest)]
                bought = 1.0 - self._silences(core, known.take(some), furthest) >= chance[some, None]
                days[some] = (
                    np.where(bought.any(axis=1), 1.0 + bought.argmax(axis=1), np.nan) * self.period_days
                )
        return days

    def counts_if_alive(self, core: Sequence[Any], known: Histories, days: float, up_to: int) -> Floats:
        """Return P(0), ... P(up_to purchases in the next days)."""
        alpha, beta, gamma, delta = core
        horizon = int(self._horizon(np.array([days]))[0])
        x, n = known.frequency[:, None], self._periods(known.T)[:, None]
        result = np.zeros((len(known), up_to + 1))
        seen = np.arange(horizon + 1.0)
        for first in range(0, len(known), max(1, _AT_ONCE // (horizon + 1))):
            rows = slice(first, first + max(1, _AT_ONCE // (horizon + 1)))
            lasts = _lasts(gamma, delta + n[rows, 0], horizon)
            a, b = alpha + x[rows], beta + n[rows] - x[rows]
            for count in range(min(up_to, horizon) + 1):
                tries = seen[count:]
                ways = gammaln(tries + 1.0) - gammaln(count + 1.0) - gammaln(tries - count + 1.0)
                uses = np.exp(ways + betaln(a + count, b + tries - count) - betaln(a, b))
                result[rows, count] = (uses * lasts[:, count:]).sum(axis=1)
        return result

    def _draw_histories(
        self, ages: Floats, horizon_days: float, rng: np.random.Generator, newcomers: Histories
    ) -> dict[str, Any]:
        alpha, beta, gamma, delta = self._numbers()
        seen, ahead = self._periods(ages), self._horizon(np.array([horizon_days]))[0]
        uses, leaves = rng.beta(alpha, beta, len(ages)), rng.beta(gamma, delta, len(ages))
        lived = geometric(rng.random(len(ages)), leaves) - 1.0
        frequency, recency, future = (np.zeros(len(ages)) for _ in range(3))
        for opportunity in range(1, int((seen + ahead).max(initial=0)) + 1):
            bought = (rng.random(len(ages)) < uses) & (opportunity <= np.minimum(lived, seen + ahead))
            past = bought & (opportunity <= seen)
            frequency[past] += 1.0
            recency[past] = opportunity * self.period_days
            future[bought & ~past] += 1.0
        result = {"frequency": frequency, "recency": recency, "T": ages}
        if ahead > 0:
            result["future_purchases"] = future
        return {**result, "is_alive": lived >= seen}

    def _histories(self, summary: pd.DataFrame) -> Histories:
        """Return the checked histories: whole periods, and at most one purchase in each."""
        future_days(self.period_days, "period_days")
        known = super()._histories(summary)
        broken = (_fraction(known.recency / self.period_days) > _CLOSE) | (
            _fraction(known.T / self.period_days) > _CLOSE
        )
        often = known.frequency > np.rint(known.recency / self.period_days)
        if (broken | often).any():
            first = int(np.argmax(broken | often))
            what = (
                "is no whole number of periods"
                if broken[first]
                else "holds more purchases than opportunities"
            )
            raise UsageError(
                f"{int((broken | often).sum())} rows of the summary are no histories of opportunities with "
                f"period_days={self.period_days:g}; the one at position {first} {what} (frequency "
                f"{known.frequency[first]:g}, recency {known.recency[first]:g}, T {known.T[first]:g} days). "
                "Make the summary with crm.clv.opportunity_summary(wh, as_of=..., period_days=...)."
            )
        return known

    def _time_scale(self, patterns: Patterns) -> float:
        """Opportunities are counted, not measured: nothing is scaled."""
        return 1.0

    def _periods(self, days: Floats) -> Floats:
        return np.asarray(np.rint(days / self.period_days))

    def _horizon(self, days: Floats) -> Floats:
        """Return days as a number of opportunities, which must be whole."""
        if (_fraction(days / self.period_days) > _CLOSE).any():
            whole = float(np.ceil(days[0] / self.period_days)) * self.period_days
            raise UsageError(
                f"{days[0]:g} days are no whole number of opportunities every {self.period_days:g} days. "
                f"Give a multiple, for example {whole:g}."
            )
        return self._periods(days)

    def _uses(self, core: Sequence[Any], known: Histories) -> Floats:
        """Return E[p] of a customer that is still there."""
        return np.asarray((core[0] + known.frequency) / (core[0] + core[1] + self._periods(known.T)))

    def _portions(self, known: Histories) -> list[slice]:
        """Return consecutive parts of the histories whose silent opportunities fit in memory."""
        size = np.cumsum(self._periods(known.T - known.recency) + 1.0)
        cuts = np.unique(np.searchsorted(size, np.arange(_AT_ONCE, size[-1:].sum(), _AT_ONCE)))
        ends = [0, *cuts.tolist(), len(known)]
        return [slice(a, b) for a, b in pairwise(ends) if b > a]

    def _last_seen(
        self, core: Sequence[Any], known: Histories
    ) -> tuple[Floats, Floats, NDArray[np.intp], Floats]:
        """Weigh the opportunities that may have been each customer's last: recency .. T.

        Returns the log-likelihood per history, and flat over (history, last opportunity): its probability
        given the history, the position of the history, the derivatives of its log-weight by the parameters.
        """
        alpha, beta, gamma, delta = core
        t, n = self._periods(known.recency), self._periods(known.T)
        size = (n - t + 1.0).astype(np.intp)
        row = np.repeat(np.arange(len(known)), size)
        starts = np.cumsum(size) - size
        last = (np.arange(len(row)) - starts[row] + t[row]).astype(np.intp)
        x, missed = known.frequency[row], (last - known.frequency[row]).astype(np.intp)
        left = (last < n[row]).astype(np.intp)
        count = np.arange(n.max(initial=0) + 2.0)
        weight = (
            gammaln(alpha + known.frequency)[row]
            + gammaln(beta + count)[missed] - gammaln(alpha + beta + count)[last]
            + np.where(left, gammaln(gamma + 1.0), gammaln(gamma))
            + gammaln(delta + count)[last] - gammaln(gamma + delta + count)[last + left]
        )  # fmt: skip
        most = np.maximum.reduceat(weight, starts)
        share = np.exp(weight - most[row])
        total = np.add.reduceat(share, starts)
        both, ends = psi(alpha + beta + count)[last], psi(gamma + delta + count)[last + left]
        slope = np.column_stack([
            psi(alpha + x) - both,
            psi(beta + count)[missed] - both,
            psi(gamma) + left / gamma - ends,
            psi(delta + count)[last] - ends,
        ])  # fmt: skip
        value = most + np.log(total) - betaln(alpha, beta) - betaln(gamma, delta)
        return value, share / total[row], row, slope

    def _per_age(
        self,
        core: Sequence[Any],
        known: Histories,
        days: Floats,
        answer: Callable[[Floats, Floats], Floats],
    ) -> Floats:
        """Answer from P(still there after 1, 2, ... opportunities), once per age and horizon."""
        (n, horizon), position = distinct_rows(self._periods(known.T), self._horizon(days))
        result = np.empty(len(n))
        for ahead in np.unique(horizon).astype(int).tolist():
            rows = np.flatnonzero(horizon == ahead)
            step, periods = max(1, _AT_ONCE // ahead), np.arange(1.0, ahead + 1.0)
            for some in (rows[first : first + step] for first in range(0, len(rows), step)):
                result[some] = answer(_stays(core[2], core[3] + n[some], ahead)[:, 1:], periods)[:, -1]
        return np.asarray(result[position])

    def _silences(self, core: Sequence[Any], known: Histories, horizon: int) -> Floats:
        """Return P(no purchase at the next 1, 2, ... horizon opportunities), shape (n, horizon)."""
        alpha, beta, gamma, delta = core
        n = self._periods(known.T)
        idle = _stays(alpha + known.frequency, beta + n - known.frequency, horizon)
        stays, leaves = _stays(gamma, delta + n, horizon), _leaves(gamma, delta + n, horizon)
        return np.asarray(idle[:, 1:] * stays[:, 1:] + (idle * leaves).cumsum(axis=1)[:, :-1])


def _stays(ends: Any, stays: Floats, horizon: int) -> Floats:
    """Return E[(1 - q)^i], i = 0 .. horizon, for q ~ Beta(ends, stays), shape (rows, horizon + 1)."""
    steps = stays[:, None] + np.arange(horizon)
    result = np.ones((len(stays), horizon + 1))
    result[:, 1:] = np.cumprod(steps / (np.reshape(ends, (-1, 1)) + steps), axis=1)
    return result


def _leaves(ends: float, stays: Floats, horizon: int) -> Floats:
    """Return E[q (1 - q)^i], i = 0 .. horizon, for q ~ Beta(ends, stays), shape (rows, horizon + 1)."""
    chance = ends / (ends + stays[:, None] + np.arange(horizon + 1.0))
    return np.asarray(_stays(ends, stays, horizon) * chance)


def _lasts(ends: float, stays: Floats, horizon: int) -> Floats:
    """Return P(0, 1, ... horizon of the next opportunities are lived to see), shape (rows, horizon + 1)."""
    result = _leaves(ends, stays, horizon)
    result[:, -1] = _stays(ends, stays, horizon)[:, -1]
    return result


def _fraction(periods: Floats) -> Floats:
    return np.asarray(np.abs(periods - np.rint(periods)))
