"""How many purchases will customers make who buy at regular gaps?  BG/CNBD-k and MBG/CNBD-k.

As bg_nbd.py and mbg_nbd.py, but the time between two purchases of a customer is Erlang-k (the sum of k
exponential phases) instead of exponential: the larger k, the more regular the customer, and the sooner
silence means that it has left.  k = 1 is (M)BG/NBD.  k is chosen by likelihood unless given.

Input: frequency, recency, T (days) and log_gap_sum as in clv/summary.sql; the last one tells how regular the
gaps are, and decides between values of k.  alpha is in days and belongs to the rate of phases, so purchases
come at a rate of about r / (alpha k).

Sources: likelihood of Platzer and Reutterer (2016), Marketing Science 35(5), 779-799 (MBG) and Reutterer,
Platzer and Schroeder (2021), Int. J. of Research in Marketing 38(2), 194-215 (BG); everything about the
future is derived in erlang.py and exact for one customer (no scaling to a total of many).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaincinv

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.erlang import (
    at_least_in_phase,
    counts_in_phase,
    discounted_in_phase,
    expected_in_phase,
    phase_weights,
    silent_in_phase,
)
from crm_analytics.clv.models.futures import Latent, Luck, geometric
from crm_analytics.clv.models.history_fit import fit_histories, refuse_degenerate
from crm_analytics.clv.models.patterns import (
    Histories,
    checked_weights,
    distinct_rows,
    find_patterns,
    levels,
    number_column,
)
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.errors import UsageError
from crm_analytics.modelling.arguments import is_number

Floats = NDArray[np.float64]

LARGEST_K = 12
_PAST_THE_BEST = 2


class InPhase(Histories):
    """Histories of living customers whose phase of the running gap is known; ``recency`` holds it."""


class BetaGeoErlangModel(BetaGeoModel):
    """BG/CNBD-k: as `BetaGeoModel`, with gaps between purchases that are Erlang-k.

    Parameters
    ----------
    k : int, optional
        Regularity, 1 (purchases at random, BG/NBD) to 12; None (default) = the k with the largest likelihood.

    Attributes
    ----------
    k_ : int
        The k that was used.
    params_ : dict
        r, alpha (days), a, b.
    log_likelihood_, standard_errors_, log_covariance_, verdict_
        As for `BetaGeoModel`, given k.

    Examples
    --------
    >>> weekly = {"r": 0.5, "alpha": 2.0, "a": 0.3, "b": 0.6}
    >>> model = BetaGeoErlangModel.from_parameters(weekly, unit="week", k=3)
    >>> round(float(model.purchase_count_probabilities_new(10 * 7)[2]), 5)
    0.05669
    """

    name: ClassVar[str] = "bg_cnbd"
    learned_settings: ClassVar[tuple[str, ...]] = ("k_",)
    living_columns: ClassVar[tuple[str, ...]] = ("frequency", "T", "recency")
    # purchases of regular buyers come in waves
    discount_nodes: ClassVar[tuple[int, int]] = (48, 96)
    covariate_effects: ClassVar[Mapping[str, tuple[str, float]]] = {}
    k_: int

    def __init__(self, k: int | None = None) -> None:
        self.k = k

    @property
    def phases(self) -> int:
        """Return of how many exponential phases a gap between purchases consists: k."""
        return self.k_

    @property
    def living_kinds(self) -> int:
        """Return k: phases of the running gap that may be over."""
        return self.k_

    def kind_weights(self, known: Histories) -> Floats:
        """Return P(phase of the running gap) of customers alive now, (n, k)."""
        return self._phase_weights(self.core(self._numbers(), known), known)

    def of_kind(self, known: Histories, kind: Floats) -> Histories:
        """Return histories of which the phase of the running gap is known."""
        return InPhase(known.frequency, kind, known.T, known.covariates)

    def fit(self, summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters, and k unless it was given, from purchase histories.

        Parameters
        ----------
        summary : DataFrame
            One row per customer: frequency, recency, T (days), log_gap_sum. Other columns are ignored.
        weights : array of shape (rows,), optional
            How many customers each row stands for; default one.

        Raises
        ------
        NotEnoughData
            There is no customer.
        DegenerateCohortError
            Nobody bought twice, or no time has passed: nothing can be learned about rates.
        UsageError
            k is no whole number from 1 to 12, or log_gap_sum cannot be true.
        """
        patterns = find_patterns(summary, weights)
        refuse_degenerate(patterns, type(self).__name__)
        products = np.sort(log_gap_sums(summary) * checked_weights(summary, weights))
        # the rest of the likelihood is measured in median ages, the gaps in days
        regularity = float(products.sum()) - patterns.purchases * float(np.log(self._time_scale(patterns)))
        best, best_k, start, best_start = -np.inf, 0, None, None
        for k in range(1, LARGEST_K + 1) if self.k is None else (_checked_k(self.k),):
            trial = type(self)(k)
            trial.k_ = k
            fit_histories(trial, patterns, start, is_near=k > 1 and self.k is None)
            trial.log_likelihood_ += (k - 1.0) * regularity
            if trial.log_likelihood_ > best or not best_k:
                best, best_k, best_start = trial.log_likelihood_, k, start
                self.__dict__.update(trial.__dict__ | {"k": self.k})
            elif k >= best_k + _PAST_THE_BEST:
                break
            start = _next_start(trial) if trial.verdict_.status == "ok" else None
        if best_k > 1 and self.k is None:  # all k are compared from one start each, the best from two
            fit_histories(self, patterns, best_start)
            self.log_likelihood_ += (best_k - 1.0) * regularity
        return self

    def fit_near(self, summary: pd.DataFrame, weights: Floats | None = None) -> Self:
        """Return a model fitted to nearly the same customers; their k may be another one."""
        return type(self)(self.k).fit(summary, weights)

    def log_likelihood(self, summary: pd.DataFrame) -> pd.Series:
        """Return the log-likelihood of each customer's history (time in days)."""
        return super().log_likelihood(summary) + (self.k_ - 1.0) * log_gap_sums(summary)

    def purchases_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return expected purchases in the next `days`; see erlang.py."""
        return self._over_phases(
            core, known, days, lambda j, shape, a, b, ratio: expected_in_phase(self.k_, j, shape, a, b, ratio)
        )

    def staying_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return one less the expected number of last purchases in the next `days`."""

        def leaves(j: int, shape: Floats, a: float, b: Floats, ratio: Floats) -> Floats:
            return a / (a + b) * expected_in_phase(self.k_, j, shape, a + 1.0, b, ratio)

        return np.clip(1.0 - self._over_phases(core, known, days, leaves), 0.0, 1.0)

    def silence_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return P(the running gap lasts longer than `days`)."""
        return self._over_phases(
            core, known, days, lambda j, shape, a, b, ratio: silent_in_phase(self.k_, j, shape, ratio)
        )

    def bought_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return P(a purchase by each of these days), all days at once."""
        return 1.0 - self._over_phases(
            core,
            known,
            np.ones(len(known)),
            lambda j, shape, a, b, one: silent_in_phase(self.k_, j, shape[:, None], one[:, None] * days),
        )

    def waiting_if_alive(self, core: Sequence[Any], known: Histories, chance: Floats) -> Floats:
        """Return the days after which a customer alive now has bought with this chance, by bisection."""
        return PurchaseModel.waiting_if_alive(self, core, known, chance)

    def counts_if_alive(self, core: Sequence[Any], known: Histories, days: float, up_to: int) -> Floats:
        """Return P(0), ... P(up_to purchases in the next days)."""
        return self._over_phases(
            core,
            known,
            np.full(len(known), days),
            lambda j, shape, a, b, ratio: counts_in_phase(self.k_, j, shape, a, b, ratio, up_to),
        )

    def at_least_if_alive(self, core: Sequence[Any], known: Histories, days: float, number: Floats) -> Floats:
        """Return P(at least so many purchases in the next days), in every phase that the gap may be in."""
        r, alpha, a, b = core
        weights, b_now = self._kinds(core, known), self.b_alive(b, known.frequency)
        shape, ratio = r + self.k_ * known.frequency, days / (alpha + known.T)
        result = np.zeros(len(known))
        for j in range(self.k_):
            some = np.flatnonzero(weights[:, j])
            result[some] += weights[some, j] * at_least_in_phase(
                self.k_, j, shape[some] + j, a, b_now[some], ratio[some], number[some]
            )
        return result

    def discounted_if_alive(
        self, core: Sequence[Any], known: Histories, days: float, daily_rate: float
    ) -> Floats:
        """Return discounted purchases in the next `days`; for ever as an average over lambda and p."""
        if np.isfinite(days):
            return super().discounted_if_alive(core, known, days, daily_rate)
        return self._over_phases(
            core,
            known,
            np.full(len(known), 1.0 / daily_rate),
            lambda j, shape, a, b, ratio: discounted_in_phase(self.k_, j, shape, a, b, 1.0 / ratio),
        )

    def latent_if_alive(self, core: Sequence[Any], known: Histories, luck: Luck) -> Latent:
        """Return rates (of phases) and the purchase after which the customer leaves."""
        r, alpha, a, b = core
        x = levels(known.frequency)
        column = x.values[:, None]
        with np.errstate(over="ignore", under="ignore"):
            if isinstance(known, InPhase):
                over = levels(self.k_ * known.frequency + known.recency)
                rate = gammaincinv(r + over.values[:, None], luck.rate)[over.position]
            else:
                phase = self._phases(core, known, luck)
                rate = np.empty(phase.shape)
                for j in range(self.k_):
                    drawn = gammaincinv(r + self.k_ * column + j, luck.rate)[x.position]
                    rate = np.where(phase == j, drawn, rate)
            left, stayed = gammaincinv(a, luck.leave), gammaincinv(self.b_alive(b, column), luck.stay)
            leaving = (left / np.maximum(left + stayed, 1e-300))[x.position]
            last = geometric(luck.when, leaving)
        return Latent(rate / (alpha + known.T[:, None]), np.array(np.inf), last, leaving)

    def draw_gaps(self, rate: Floats, rng: np.random.Generator) -> Floats:
        """Return times between purchases of customers whose phases come at these rates."""
        return rng.standard_gamma(self.k_, len(rate)) / rate

    def _phases(self, core: Sequence[Any], known: Histories, luck: Luck) -> Floats:
        """Return the phase of the running gap in each future, shape (n, draws)."""
        r, alpha = core[:2]
        age, x = known.T[:, None], known.frequency[:, None]
        shape = np.broadcast_to(r + self.k_ * x, (len(known), len(luck.phase)))
        share = np.broadcast_to((age - known.recency[:, None]) / (alpha + age), shape.shape)
        weights = phase_weights(self.k_, shape.ravel(), share.ravel()).cumsum(axis=1)
        over = weights[:, :-1].reshape(*shape.shape, self.k_ - 1) < luck.phase[:, None]
        return np.asarray(over.sum(axis=2), dtype=np.float64)

    def _over_phases(
        self,
        core: Sequence[Any],
        known: Histories,
        days: Floats,
        question: Callable[[int, Floats, float, Floats, Floats], Floats],
    ) -> Floats:
        """Average the answer to (phase, shape, a, b, days / rate) over the phase of the running gap.

        The answers depend on frequency and T only, and are computed once per pair; recency gives the weights.
        """
        r, alpha, a, b = core
        if isinstance(known, InPhase):
            return self._in_phases(core, known, days, question)
        weights = self._phase_weights(core, known)
        (x, T, horizon), position = distinct_rows(known.frequency, known.T, days)
        shape, ratio, b_now = r + self.k_ * x, horizon / (alpha + T), self.b_alive(b, x)
        result: Floats = np.zeros(1)
        for j in range(self.k_):
            if weights[:, j].any():
                answer = question(j, shape + j, float(a), b_now, ratio)[position]
                result = result + weights[:, j].reshape(-1, *[1] * (answer.ndim - 1)) * answer
        return np.asarray(result)

    def _in_phases(
        self,
        core: Sequence[Any],
        known: InPhase,
        days: Floats,
        question: Callable[[int, Floats, float, Floats, Floats], Floats],
    ) -> Floats:
        """Return what `_over_phases` does, of customers whose phase is known."""
        r, alpha, a, b = core
        shape, ratio = r + self.k_ * known.frequency, days / (alpha + known.T)
        b_now, result = self.b_alive(b, known.frequency), np.zeros((len(known), 0))
        for j in range(self.k_):
            rows = np.flatnonzero(known.recency == j)
            if len(rows):
                answer = question(j, shape[rows] + j, float(a), b_now[rows], ratio[rows])
                if result.shape[1:] != answer.shape[1:]:
                    result = np.zeros((len(known), *answer.shape[1:]))
                result[rows] = answer
        return result

    def _kinds(self, core: Sequence[Any], known: Histories) -> Floats:
        """Return P(phase of the running gap), 0 or 1 where it is known."""
        if isinstance(known, InPhase):
            return np.asarray(known.recency[:, None] == np.arange(self.k_), dtype=np.float64)
        return self._phase_weights(core, known)

    def _phase_weights(self, core: Sequence[Any], known: Histories) -> Floats:
        r, alpha = core[:2]
        shape, rate = r + self.k_ * known.frequency, alpha + known.T
        return phase_weights(self.k_, shape, (known.T - known.recency) / rate)

    def _free_parameters(self) -> int:
        """Return the number of parameters; a k chosen by likelihood is one more."""
        return super()._free_parameters() + (self.k is None)

    def _learn(self, theta: Floats, covariance: Floats, *further: Any, **more: Any) -> None:
        if self.k is not None:
            self.k_ = _checked_k(self.k)
        elif not hasattr(self, "k_"):
            raise UsageError(
                f"{type(self).__name__} with known parameters needs its k: give k=1 to {LARGEST_K}."
            )
        super()._learn(theta, covariance, *further, **more)


class ModifiedBetaGeoErlangModel(BetaGeoErlangModel):
    """MBG/CNBD-k: as `BetaGeoErlangModel`, with a first chance to leave at the first purchase.

    Examples
    --------
    >>> weekly = {"r": 0.5, "alpha": 2.0, "a": 0.3, "b": 0.6}
    >>> model = ModifiedBetaGeoErlangModel.from_parameters(weekly, unit="week", k=3)
    >>> round(float(model.purchase_count_probabilities_new(10 * 7)[2]), 5)
    0.04548
    """

    name: ClassVar[str] = "mbg_cnbd"
    leaves_at_first: ClassVar[bool] = True


def log_gap_sums(summary: pd.DataFrame) -> Floats:
    """Return the column log_gap_sum, checked: by the mean gap it cannot exceed x log(recency / x).

    Raises
    ------
    UsageError
        The column is missing, or a value cannot be true (often: time in another unit than recency).
    """
    gaps, x, t = (number_column(summary, name) for name in ("log_gap_sum", "frequency", "recency"))
    most = _largest_log_gap_sum(x, t)
    wrong = _is_wrong(gaps, x, most)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise UsageError(
            f"log_gap_sum cannot be true in {int(wrong.sum())} rows of the summary, the first at position "
            f"{first}: {gaps[first]} with frequency {x[first]:g} and recency {t[first]:g}, where at most "
            f"{most[first]:.6f} is possible. It is the sum of the logarithms of the days between purchases, "
            "in the unit of recency; crm.clv.summary gives it."
        )
    return gaps


def impossible_gaps(summary: pd.DataFrame) -> NDArray[np.bool_]:
    """Return in which rows of possible histories log_gap_sum is missing or cannot be true."""
    gaps, x, t = (number_column(summary, name) for name in ("log_gap_sum", "frequency", "recency"))
    with np.errstate(all="ignore"):
        return _is_wrong(gaps, x, _largest_log_gap_sum(x, t))


def _largest_log_gap_sum(x: Floats, t: Floats) -> Floats:
    return np.where(x > 0, x * np.log(np.maximum(t, 1e-300) / np.maximum(x, 1.0)), 0.0)


def _is_wrong(gaps: Floats, x: Floats, most: Floats) -> NDArray[np.bool_]:
    return np.asarray(~(gaps <= most + 1e-6 * (1.0 + np.abs(most))) | ((x <= 0) & (gaps != 0)))


def _checked_k(k: int) -> int:
    if not is_number(k) or k not in range(1, LARGEST_K + 1):
        raise UsageError(f"k={k!r} must be a whole number from 1 to {LARGEST_K}, or None.")
    return int(k)


def _next_start(fitted: BetaGeoErlangModel) -> Floats:
    """Return log-parameters to start from at the next k: phases come as much faster as gaps have more."""
    faster = np.log(fitted.k_ / (fitted.k_ + 1.0))
    return fitted.log_parameters() + np.where(np.array(fitted.parameter_names) == "alpha", faster, 0.0)
