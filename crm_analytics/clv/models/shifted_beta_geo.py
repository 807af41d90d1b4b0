"""How long do contracts last, and what are their renewals worth?  Shifted beta-geometric model.

At the end of every period a customer under contract does not renew with a probability theta of its own
(Beta(alpha, beta) among customers).  Those likely to leave leave first, so the retention rate of a cohort
rises with its age although nobody changes; a constant retention rate underestimates what remains.

Input ("lives"): one row per contract or group of contracts, with the columns periods and has_ended.  A
contract that ended after its t-th period (t = 1, 2, ...) has periods = t and has_ended = True; one that still
runs has periods = renewals so far (0, 1, ...) and has_ended = False.  `contract_lives` makes them from the
warehouse, `lives_from_survivors` from a table of how many were left.  Times are periods of period_days; the
parameters are pure numbers.

Source: Fader and Hardie (2007), Journal of Interactive Marketing 21(1), 76-90; discounted expected residual
lifetime: Fader and Hardie (2010), Marketing Science 29(1), 85-93, as an average of (1 - theta)(1 + d) / (d +
theta) by the nodes of quadrature.py instead of by 2F1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln, chdtrc, psi

from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel, fingerprint
from crm_analytics.clv.models.optimiser import maximise
from crm_analytics.clv.models.patterns import checked_weights, distinct_rows, number_column
from crm_analytics.clv.models.quadrature import dropout_nodes
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError

Floats = NDArray[np.float64]

DAYS_PER_YEAR = 365.0
_START = np.log([1.0, 1.5])
_SECOND_START = np.log([0.3, 4.0])


class ShiftedBetaGeoModel(MaximumLikelihoodModel):
    """sBG: renewals and departures of customers under contract.

    Parameters
    ----------
    period_days : float
        Days from one renewal to the next, > 0, default 30; it converts horizons and the annual discount rate.

    Attributes
    ----------
    params_ : dict
        alpha, beta.
    log_likelihood_, standard_errors_, log_covariance_, verdict_
        As for the models of purchasing.

    Examples
    --------
    >>> model = ShiftedBetaGeoModel.from_parameters({"alpha": 0.704, "beta": 1.182}, period_days=365)
    >>> model.survival(3).round(3).tolist()
    [1.0, 0.627, 0.474, 0.388]
    >>> model.retention(3).round(3).tolist()
    [0.627, 0.756, 0.819]
    """

    name: ClassVar[str] = "shifted_beta_geo"
    parameter_names: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    edges: ClassVar[Mapping[str, tuple[str, str]]] = {
        "alpha": ("customers leave at once or never", "all customers leave with the same probability"),
        "beta": ("customers leave at once or never", "all customers leave with the same probability"),
    }

    def __init__(self, period_days: float = 30.0) -> None:
        self.period_days = period_days

    def fit(self, lives: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters from the lives of contracts.

        Parameters
        ----------
        lives : DataFrame
            periods (whole number), has_ended (true or false). Other columns are ignored.
        weights : array of shape (rows,), optional
            How many contracts each row stands for; default one.

        Raises
        ------
        NotEnoughData
            There is no contract, or none has come to its first renewal.
        DegenerateCohortError
            No contract has ended, so nothing can be learned about leaving.
        UsageError
            A row is no life of a contract.
        """
        periods, ended = _checked(lives)
        weight = checked_weights(lives, weights)
        (periods, ended), position = distinct_rows(periods, ended)
        order = np.lexsort((weight, position))
        count = np.bincount(position[order], weight[order], len(periods)).astype(np.float64)
        self._refuse_degenerate(periods, ended > 0, count)
        estimate = maximise(
            lambda theta: _log_likelihood(theta, periods, ended, count),
            start=_START,
            second_start=_SECOND_START,
            customers=float(count.sum()),
            edge_meaning=self._edge_meaning,
        )
        self._learn(
            estimate.theta,
            estimate.covariance,
            estimate.log_likelihood,
            estimate.verdict,
            customers=float(count.sum()),
            purchases=float((count * (periods - ended)).sum()),
            fingerprint=fingerprint(periods, ended, count),
        )
        return self

    def survival(self, periods: int) -> pd.Series:
        """Return the share of new contracts that still run after 0, 1, ... periods."""
        alpha, beta = self._fitted().values()
        steps = beta + np.arange(_whole(periods))
        share = np.concatenate([[1.0], np.cumprod(steps / (alpha + steps))])
        return pd.Series(share, index=pd.RangeIndex(periods + 1, name="period"), name="survival")

    def retention(self, periods: int) -> pd.Series:
        """Return the share of contracts in their 1st, 2nd, ... period that are renewed at its end."""
        alpha, beta = self._fitted().values()
        steps = beta + np.arange(_whole(periods))
        index = pd.RangeIndex(1, periods + 1, name="period")
        return pd.Series(steps / (alpha + steps), index=index, name="retention")

    def renewal_probability(self, lives: pd.DataFrame) -> pd.Series:
        """Return the probability that each contract is renewed next time; 0 if it has ended."""
        alpha, beta = self._fitted().values()
        periods, ended = _checked(lives)
        renewed = np.where(ended > 0, 0.0, (beta + periods) / (alpha + beta + periods))
        return pd.Series(renewed, index=lives.index, name="renewal_probability")

    def expected_renewals(self, lives: pd.DataFrame, *, horizon_days: float) -> pd.Series:
        """Return how many of the renewals in the horizon each contract is expected to see.

        The horizon is a whole number of periods; 0 for a contract that has ended.
        """
        alpha, beta = self._fitted().values()
        periods, ended = _checked(lives)
        ahead = self._periods_ahead(horizon_days)
        distinct, position = np.unique(periods, return_inverse=True)
        steps = beta + distinct[:, None] + np.arange(ahead)
        expected = np.cumprod(steps / (alpha + steps), axis=1).sum(axis=1)[position]
        return pd.Series(np.where(ended > 0, 0.0, expected), index=lives.index, name="expected_renewals")

    def discounted_expected_lifetime(
        self, lives: pd.DataFrame, *, annual_discount_rate: float, horizon_days: float | None = None
    ) -> pd.Series:
        """Return expected further periods, discounted, seen just before the next renewal (DERL).

        A renewal now counts 1, one a period later 1 / (1 + d), and so on. Multiply by the net amount of a
        period for the value of what remains.

        Parameters
        ----------
        lives : DataFrame
            periods, has_ended. A contract that has ended gets 0.
        annual_discount_rate : float
            Fraction per year, > 0 (>= 0 with a horizon); d = (1 + rate) ** (period_days / 365) - 1.
        horizon_days : float, optional
            Only renewals of so many days, whole periods; None (default) = for ever.
        """
        alpha, beta = self._fitted().values()
        periods, ended = _checked(lives)
        if not (np.isfinite(annual_discount_rate) and annual_discount_rate >= 0):
            raise UsageError(
                f"annual_discount_rate={annual_discount_rate!r} must be a fraction: 0.1 for 10 %."
            )
        distinct, position = np.unique(periods, return_inverse=True)
        log_interest = float(np.log1p(annual_discount_rate)) * self._period() / DAYS_PER_YEAR
        if horizon_days is not None:
            later = np.arange(self._periods_ahead(horizon_days))
            steps = beta + distinct[:, None] + later
            survival = np.cumprod(steps / (alpha + steps), axis=1)
            value = (survival * np.exp(-log_interest * later)).sum(axis=1)
        else:
            interest = float(np.expm1(log_interest))
            if interest == 0.0:
                raise UsageError("Renewals for ever need annual_discount_rate > 0; else give horizon_days.")
            one = np.ones(len(distinct))
            nodes = dropout_nodes(alpha, beta + distinct, one, one / interest)
            theta = nodes.probability
            value = (nodes.weight * (1.0 - theta) * (1.0 + interest) / (interest + theta)).sum(axis=1)
        lasting = np.where(ended > 0, 0.0, value[position])
        return pd.Series(lasting, index=lives.index, name="discounted_expected_lifetime")

    def simulate(self, ages_periods: Sequence[int] | Floats, *, seed: int) -> pd.DataFrame:
        """Draw contracts that began so many periods ago: periods, has_ended. Equal seeds, equal contracts."""
        alpha, beta = self._fitted().values()
        rng, ages = np.random.default_rng(seed), np.asarray(ages_periods, dtype=np.float64)
        theta = rng.beta(alpha, beta, len(ages))
        end = rng.geometric(np.maximum(theta, 1e-15)).astype(np.float64)
        return pd.DataFrame({"periods": np.minimum(end, ages), "has_ended": end <= ages})

    def _refuse_degenerate(self, periods: Floats, ended: NDArray[np.bool_], count: Floats) -> None:
        model = type(self).__name__
        if not (count * np.maximum(periods, ended)).sum() > 0:
            raise NotEnoughData(
                f"{model}: none of the {count.sum():.0f} contracts has come to its first renewal. "
                "Use a later as_of, a shorter period_days, or load older contracts."
            )
        if not count[ended].sum() > 0:
            raise DegenerateCohortError(
                f"{model}: none of the {count.sum():.0f} contracts has ended, so nothing can be learned "
                "about leaving. Use a later as_of, or load ended contracts too."
            )

    def _period(self) -> float:
        if not (np.isfinite(self.period_days) and self.period_days > 0):
            raise UsageError(f"period_days={self.period_days!r} must be a number of days > 0.")
        return float(self.period_days)

    def _periods_ahead(self, horizon_days: float) -> int:
        periods = horizon_days / self._period()
        if not (np.isfinite(periods) and periods >= 0 and abs(periods - round(periods)) < 1e-6):
            raise UsageError(
                f"horizon_days={horizon_days!r} must be a whole number of periods of {self.period_days:g} "
                f"days, for example {12 * self.period_days:g}."
            )
        return round(periods)

    def _edge_meaning(self, parameter: int, upper: bool) -> str:
        name = self.parameter_names[parameter]
        return f"{name} runs to {'infinity' if upper else 'zero'}: {self.edges[name][upper]}"


@dataclass(frozen=True)
class CohortFits:
    """One model for all cohorts, one per cohort, and whether the cohorts differ.

    Attributes
    ----------
    pooled : ShiftedBetaGeoModel
        Fitted to all.
    by_cohort : dict
        Cohort -> model fitted to it alone; cohorts that identify no model are in `left_out`.
    left_out : dict
        Cohort -> why it has no model of its own.
    likelihood_ratio : float
        Twice the gain in log-likelihood of one model per fitted cohort over one for all of these.
    p_value : float
        Chance of such a gain if these cohorts were alike (chi-squared, 2 parameters per further cohort).
    """

    pooled: ShiftedBetaGeoModel
    by_cohort: dict[object, ShiftedBetaGeoModel]
    left_out: dict[object, str]
    likelihood_ratio: float
    p_value: float


def fit_cohorts(
    lives: pd.DataFrame,
    weights: Sequence[float] | Floats | pd.Series | None = None,
    *,
    by: str = "cohort",
    period_days: float = 30.0,
) -> CohortFits:
    """Fit one model to all contracts and one to each cohort, and test whether the cohorts differ.

    Parameters
    ----------
    lives : DataFrame
        periods, has_ended, and the column `by`.
    weights : array of shape (rows,), optional
        How many contracts each row stands for; default one.
    by : str
        Column that names the cohort.
    period_days : float
        Setting of the models.

    Examples
    --------
    >>> lives = lives_from_survivors(pd.DataFrame({
    ...     "cohort": ["a"] * 4 + ["b"] * 4, "period": [0, 1, 2, 3] * 2,
    ...     "customers": [1000, 631, 468, 382, 1000, 869, 743, 653]}))
    >>> fits = fit_cohorts(lives, weights=lives["customer_count"], period_days=365)
    >>> fits.p_value < 0.001
    True
    """
    if by not in lives.columns:
        raise UsageError(f"The lives have no column {by!r} that names the cohort.")
    weight = checked_weights(lives, weights)
    fitted: dict[object, ShiftedBetaGeoModel] = {}
    left_out: dict[object, str] = {}
    among = np.zeros(len(lives), dtype=bool)
    for cohort, rows in lives.groupby(by, sort=True).indices.items():
        try:
            fitted[cohort] = ShiftedBetaGeoModel(period_days).fit(lives.iloc[rows], weight[rows])
            among[rows] = True
        except (DegenerateCohortError, NotEnoughData) as problem:
            left_out[cohort] = str(problem)
    pooled = ShiftedBetaGeoModel(period_days).fit(lives, weight)
    together = pooled
    if fitted and left_out:
        together = ShiftedBetaGeoModel(period_days).fit(lives[among], weight[among])
    separate = sum(model.log_likelihood_ for model in fitted.values())
    gain = max(2.0 * (separate - together.log_likelihood_), 0.0) if len(fitted) > 1 else 0.0
    p_value = float(chdtrc(2.0 * (len(fitted) - 1), gain)) if len(fitted) > 1 else 1.0
    return CohortFits(pooled, fitted, left_out, gain, p_value)


def lives_from_survivors(survivors: pd.DataFrame) -> pd.DataFrame:
    """Return lives from a table of how many customers were left.

    Parameters
    ----------
    survivors : DataFrame
        period (0, 1, 2, ... without a gap; 0 = the start), customers (how many were left after so many
        periods), and, where there are several cohorts, cohort.

    Returns
    -------
    DataFrame
        cohort, periods, has_ended, customer_count (the weight of the row).

    Raises
    ------
    UsageError
        A column is missing, a period is missing or twice there, or the customers become more.

    Examples
    --------
    >>> lives_from_survivors(pd.DataFrame({"period": [0, 1, 2], "customers": [100, 60, 45]})
    ...     )[["periods", "has_ended", "customer_count"]].values.tolist()
    [[1, True, 40.0], [2, True, 15.0], [2, False, 45.0]]
    """
    table = pd.DataFrame(
        {
            "cohort": survivors.get("cohort", "all"),
            "period": number_column(survivors, "period"),
            "customers": number_column(survivors, "customers"),
        },
        index=survivors.index,
    )
    rows = []
    for cohort, part in table.groupby("cohort", sort=True):
        part = part.sort_values("period")
        left = part["customers"].to_numpy()
        if part["period"].tolist() != list(range(len(part))):
            raise UsageError(f"Cohort {cohort}: the periods must be 0, 1, 2, ... without a gap or a repeat.")
        if not np.isfinite(left).all() or (left < 0).any() or (np.diff(left) > 0).any():
            raise UsageError(f"Cohort {cohort}: the customers left must be counts that never grow.")
        gone = -np.diff(left)
        rows += [(cohort, t, True, float(count)) for t, count in enumerate(gone, start=1)]
        rows.append((cohort, len(gone), False, float(left[-1])))
    return pd.DataFrame(rows, columns=["cohort", "periods", "has_ended", "customer_count"])


def _checked(lives: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return periods and has_ended (0 or 1); a row that cannot be true is a UsageError."""
    missing = [name for name in ("periods", "has_ended") if name not in lives.columns]
    if missing:
        raise UsageError(
            f"The lives have no column {missing[0]!r}. Make them with crm.clv.contract_lives(wh, as_of=...) "
            "or crm.clv.lives_from_survivors(table)."
        )
    periods, ended = number_column(lives, "periods"), number_column(lives, "has_ended")
    with np.errstate(invalid="ignore"):
        wrong = ~((periods >= ended) & (periods == np.floor(periods)) & np.isin(ended, (0.0, 1.0)))
    wrong |= ~np.isfinite(periods)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise UsageError(
            f"{int(wrong.sum())} rows are no lives of contracts, the first at position {first} (periods "
            f"{periods[first]}, has_ended {ended[first]}): periods is a whole number, at least 1 where "
            "has_ended is true, else at least 0."
        )
    return periods, ended


def _whole(periods: int) -> int:
    if periods != int(periods) or periods < 0:
        raise UsageError(f"periods={periods!r} must be a whole number >= 0.")
    return int(periods)


def _log_likelihood(theta: Floats, periods: Floats, ended: Floats, count: Floats) -> tuple[float, Floats]:
    """Return the total log-likelihood and its gradient in theta = (log alpha, log beta)."""
    alpha, beta = np.exp(theta)
    a, b = alpha + ended, beta + periods - ended
    value = (count * (betaln(a, b) - betaln(alpha, beta))).sum()
    both = psi(alpha + beta) - psi(a + b)
    d_alpha, d_beta = psi(a) - psi(alpha) + both, psi(b) - psi(beta) + both
    return float(value), np.array([(count * d_alpha).sum() * alpha, (count * d_beta).sum() * beta])
