"""How long do contracts last, and what are their renewals worth?  Shifted beta-geometric model.

At the end of every period a customer under contract does not renew with a probability theta of its own
(Beta(alpha, beta) among customers).  Those likely to leave leave first, so the retention rate of a cohort
rises with its age although nobody changes; a constant retention rate underestimates what remains.

Input ("lives"): one row per contract or group of contracts, with the columns periods and has_ended.  A
contract that ended after its t-th period (t = 1, 2, ...) has periods = t and has_ended = True; one that still
runs has periods = renewals so far (0, 1, ...) and has_ended = False.  `contract_lives` makes them from the
warehouse, `lives_from_survivors` from a table of how many were left.  Times are periods of period_days; the
parameters are pure numbers.

Static covariates (covariates.py) multiply alpha by exp(dropout_z z) and beta by exp(renewal_z z), or both by
one factor exp(both_z z), which leaves the mean of theta, alpha / (alpha + beta), as it is.

Source: Fader and Hardie (2007), Journal of Interactive Marketing 21(1), 76-90; discounted expected residual
lifetime: Fader and Hardie (2010), Marketing Science 29(1), 85-93, as an average of (1 - theta)(1 + d) / (d +
theta) by the nodes of quadrature.py instead of by 2F1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln, psi

from crm_analytics.clv.models.covariates import (
    Effects,
    effects_of,
    refuse_collinear,
    standardise,
)
from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel, fingerprint
from crm_analytics.clv.models.optimiser import maximise
from crm_analytics.clv.models.patterns import (
    checked_weights,
    covariate_columns,
    distinct_rows,
    number_column,
    traits_of,
)
from crm_analytics.clv.models.quadrature import dropout_nodes
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError
from crm_analytics.modelling import arguments

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

DAYS_PER_YEAR = 365.0
_START = np.log([1.0, 1.5])
_SECOND_START = np.log([0.3, 4.0])


class ShiftedBetaGeoModel(MaximumLikelihoodModel):
    """sBG: renewals and departures of customers under contract.

    Parameters
    ----------
    period_days : float
        Days from one renewal to the next, > 0, default 30; it converts horizons and the annual discount rate.
    dropout_covariates, renewal_covariates : sequence of str
        Columns of the lives that multiply alpha (a positive effect: contracts end sooner) and beta (they last
        longer); a column may be in both. Default none. Effects are in ``params_`` as dropout_<column> and
        renewal_<column>.
    equal_covariates : sequence of str
        Columns with one and the same effect on both, both_<column> (positive: contracts are more alike);
        default none.
    ridge : float
        Penalty ridge / 2 * effect^2 on effects per standard deviation, default 0.

    Attributes
    ----------
    params_ : dict
        alpha, beta (of a contract whose covariates are all 0), then the effects.
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

    def __init__(
        self,
        period_days: float = 30.0,
        *,
        dropout_covariates: Sequence[str] = (),
        renewal_covariates: Sequence[str] = (),
        equal_covariates: Sequence[str] = (),
        ridge: float = 0.0,
    ) -> None:
        self.period_days = period_days
        self.dropout_covariates = dropout_covariates
        self.renewal_covariates = renewal_covariates
        self.equal_covariates = equal_covariates
        self.ridge = ridge

    def fit(self, lives: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters from the lives of contracts.

        Parameters
        ----------
        lives : DataFrame
            periods (whole number), has_ended (true or false), and the covariates. Other columns are ignored.
        weights : array of shape (rows,), optional
            How many contracts each row stands for; default one.

        Raises
        ------
        NotEnoughData
            There is no contract, or none has come to its first renewal.
        DegenerateCohortError
            No contract has ended, so nothing can be learned about leaving.
        UsageError
            A row is no life of a contract, or a covariate is missing, constant or follows from others.
        """
        periods, ended = _checked(lives)
        weight = checked_weights(lives, weights)
        effects = self._effects
        traits = covariate_columns(lives, effects.covariates)
        (periods, ended, *columns), position = distinct_rows(periods, ended, *traits.T)
        order = np.lexsort((weight, position))
        count = np.bincount(position[order], weight[order], len(periods)).astype(np.float64)
        self._refuse_degenerate(periods, ended > 0, count)
        traits = np.column_stack([np.empty((len(periods), 0)), *columns])
        even = standardise(traits, count, effects.covariates)
        if not arguments.number("ridge", self.ridge, "a number >= 0", least=0.0):
            refuse_collinear(effects, even.covariates, count)
        none = np.zeros(len(effects.effects))
        estimate = maximise(
            lambda theta: self._penalised_total(theta, periods, ended, even.covariates, count),
            start=np.concatenate([_START, none]),
            second_start=np.concatenate([_SECOND_START, none]),
            customers=float(count.sum()),
            edge_meaning=self._edge_meaning,
        )
        back = even.back(effects, 2)
        self._learn(
            (back * estimate.theta).sum(axis=1),
            np.einsum("ij,jk,lk->il", back, estimate.covariance, back),
            estimate.log_likelihood + self._penalty(estimate.theta),
            estimate.verdict,
            customers=float(count.sum()),
            purchases=float((count * (periods - ended)).sum()),
            fingerprint=fingerprint(periods, ended, *columns, count),
        )
        return self

    def scores(self, lives: pd.DataFrame) -> Floats:
        """Return derivatives of each row's log-likelihood by log alpha, log beta and effects.

        Of one contract of the row, shape (rows, parameters); `sandwich_covariance` takes the weights.
        """
        periods, ended = _checked(lives)
        traits = covariate_columns(lives, self._effects.covariates)
        return self._effects.scores(_rows(self._core(traits), periods, ended)[1], traits)

    def survival(self, periods: int, *, covariates: Mapping[str, float] | None = None) -> pd.Series:
        """Return the share of new contracts that still run after 0, 1, ... periods.

        Covariates that are not given are 0.
        """
        periods = arguments.whole("periods", periods)
        share = np.concatenate([[1.0], self.retention(periods, covariates=covariates).cumprod()])
        return pd.Series(share, index=pd.RangeIndex(periods + 1, name="period"), name="survival")

    def retention(self, periods: int, *, covariates: Mapping[str, float] | None = None) -> pd.Series:
        """Return the share of contracts in their 1st, 2nd, ... period that are renewed at its end.

        Covariates that are not given are 0.
        """
        periods = arguments.whole("periods", periods)
        alpha, beta = self._core(arguments.traits(self._effects.covariates, covariates)[None])
        steps = beta + np.arange(periods)
        index = pd.RangeIndex(1, periods + 1, name="period")
        return pd.Series(steps / (alpha + steps), index=index, name="retention")

    def renewal_probability(self, lives: pd.DataFrame) -> pd.Series:
        """Return the probability that each contract is renewed next time; 0 if it has ended."""
        periods, ended = _checked(lives)
        alpha, beta = self._core(covariate_columns(lives, self._effects.covariates))
        renewed = np.where(ended > 0, 0.0, (beta + periods) / (alpha + beta + periods))
        return pd.Series(renewed, index=lives.index, name="renewal_probability")

    def expected_renewals(self, lives: pd.DataFrame, *, horizon_days: float) -> pd.Series:
        """Return how many of the renewals in the horizon each contract is expected to see.

        The horizon is a whole number of periods; 0 for a contract that has ended.
        """
        ended, position, alpha, beta = self._distinct(lives)
        steps = beta[:, None] + np.arange(self._periods_ahead(horizon_days))
        expected = np.cumprod(steps / (alpha[:, None] + steps), axis=1).sum(axis=1)[position]
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
            periods, has_ended, and the covariates. A contract that has ended gets 0.
        annual_discount_rate : float
            Fraction per year, > 0 (>= 0 with a horizon); d = (1 + rate) ** (period_days / 365) - 1.
        horizon_days : float, optional
            Only renewals of so many days, whole periods; None (default) = for ever.
        """
        annual_discount_rate = arguments.discount(annual_discount_rate)
        ended, position, alpha, beta = self._distinct(lives)
        log_interest = float(np.log1p(annual_discount_rate)) * self._period() / DAYS_PER_YEAR
        if horizon_days is not None:
            later = np.arange(self._periods_ahead(horizon_days))
            steps = beta[:, None] + later
            survival = np.cumprod(steps / (alpha[:, None] + steps), axis=1)
            value = (survival * np.exp(-log_interest * later)).sum(axis=1)
        else:
            interest = float(np.expm1(log_interest))
            if interest == 0.0:
                raise UsageError("Renewals for ever need annual_discount_rate > 0; else give horizon_days.")
            one = np.ones(len(beta))
            nodes = dropout_nodes(alpha, beta, one, one / interest)
            theta = nodes.probability
            value = (nodes.weight * (1.0 - theta) * (1.0 + interest) / (interest + theta)).sum(axis=1)
        lasting = np.where(ended > 0, 0.0, value[position])
        return pd.Series(lasting, index=lives.index, name="discounted_expected_lifetime")

    def simulate(
        self, ages_periods: Sequence[int] | Floats, *, covariates: pd.DataFrame | None = None, seed: int
    ) -> pd.DataFrame:
        """Draw contracts that began so many periods ago: periods, has_ended, and their covariates.

        ``covariates`` has one row per contract; equal seeds give equal contracts.
        """
        allowed = "one whole number of periods >= 0 per contract"
        ages = arguments.numbers("ages_periods", ages_periods, allowed, least=0)
        if (ages != np.floor(ages)).any():
            arguments.refuse("ages_periods", ages_periods, allowed)
        rng, names = np.random.default_rng(arguments.seed(seed)), self._effects.covariates
        traits = traits_of(covariates, names, len(ages))
        alpha, beta = self._core(traits)
        theta = rng.beta(alpha, beta, len(ages))
        end = rng.geometric(np.maximum(theta, 1e-15)).astype(np.float64)
        drawn = {"periods": np.minimum(end, ages), "has_ended": end <= ages}
        return pd.DataFrame(drawn | dict(zip(names, traits.T, strict=True)))

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the effects of covariates: dropout_<covariate>, renewal_<covariate>, both_<covariate>."""
        return tuple(effect.name for effect in self._effects.effects)

    @property
    def _effects(self) -> Effects:
        apart = {"dropout": self.dropout_covariates, "renewal": self.renewal_covariates}
        return effects_of({"dropout": (0, 1.0), "renewal": (1, 1.0)}, apart, self.equal_covariates)

    def _core(self, covariates: Floats) -> list[Any]:
        """Return alpha and beta, each one number, or one per row if covariates change it."""
        numbers = np.array(list(self._fitted().values()))
        return self._effects.shift(list(numbers[:2]), numbers[2:], covariates)

    def _distinct(self, lives: pd.DataFrame) -> tuple[Floats, Indices, Floats, Floats]:
        """Return has_ended and the place of every row among distinct contracts; their alpha and beta now."""
        periods, ended = _checked(lives)
        traits = covariate_columns(lives, self._effects.covariates)
        (distinct, *columns), position = distinct_rows(periods, *traits.T)
        alpha, beta = self._core(np.column_stack([np.empty((len(distinct), 0)), *columns]))
        return ended, position, alpha * np.ones(len(distinct)), beta + distinct

    def _penalised_total(
        self, theta: Floats, periods: Floats, ended: Floats, covariates: Floats, count: Floats
    ) -> tuple[float, Floats]:
        """Return the log-likelihood less the ridge penalty, and its gradient."""
        effects = self._effects
        value, scores = _rows(effects.shift(list(np.exp(theta[:2])), theta[2:], covariates), periods, ended)
        slope = np.einsum("i,ij->j", count, effects.scores(scores, covariates))
        slope[2:] -= self.ridge * theta[2:]
        return float((count * value).sum()) - self._penalty(theta), slope

    def _penalty(self, theta: Floats) -> float:
        return float(self.ridge * (theta[2:] ** 2).sum() / 2.0)

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
        return arguments.future_days(self.period_days, "period_days")

    def _periods_ahead(self, horizon_days: float) -> int:
        periods = arguments.days(horizon_days) / self._period()
        if abs(periods - round(periods)) >= 1e-6:
            raise UsageError(
                f"horizon_days={horizon_days!r} must be a whole number of periods of {self.period_days:g} "
                f"days, for example {12 * self.period_days:g}."
            )
        return round(periods)

    def _edge_meaning(self, parameter: int, upper: bool) -> str:
        name = self.all_names[parameter]
        if name in self.coefficient_names:
            return f"{name} runs to infinity: the covariate separates contracts that end perfectly"
        return f"{name} runs to {'infinity' if upper else 'zero'}: {self.edges[name][upper]}"


def _checked(lives: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return periods and has_ended (0 or 1); a row that cannot be true is a UsageError."""
    arguments.refuse_no_table(lives, "lives")
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


def _rows(core: Sequence[Any], periods: Floats, ended: Floats) -> tuple[Floats, Floats]:
    """Return the log-likelihood of each life and its derivatives by log alpha and log beta."""
    alpha, beta = core
    a, b = alpha + ended, beta + periods - ended
    value = betaln(a, b) - betaln(alpha, beta)
    both = psi(alpha + beta) - psi(a + b)
    return value, np.column_stack([alpha * (psi(a) - psi(alpha) + both), beta * (psi(b) - psi(beta) + both)])
