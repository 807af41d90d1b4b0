"""What may any model of purchasing without contracts be asked?  The questions, answered once for all models.

A model gives a few formulas about histories (primitives.py): the log-likelihood and its scores, whether the
customer is alive, and of a customer known to be alive how many purchases will come, which counts, when, and
whether it stays.  This class checks the summary and answers every question from them, once per distinct
history (history_fit.py fits; maximum_likelihood.py describes and saves).  Input: frequency, recency, T as in
clv/summary.sql, in days.

A new customer is the history (0, 0, 0): everything conditional equals the unconditional formula with updated
parameters, so no model writes a formula twice.

To add a model: subclass `PurchaseModel`, name the parameters, starts and edges, write the formulas that are
abstract in primitives.py, and add a line to `crm_analytics/clv/models/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models.covariates import Effects, effects_of
from crm_analytics.clv.models.futures import Luck, live_through
from crm_analytics.clv.models.history_fit import fit_histories, refuse_degenerate
from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.clv.models.patterns import (
    HISTORY,
    Histories,
    Patterns,
    as_patterns,
    find_patterns,
    new_customer,
    possible_histories,
    traits_of,
)
from crm_analytics.clv.models.primitives import Primitives
from crm_analytics.errors import UsageError
from crm_analytics.modelling import arguments

Floats = NDArray[np.float64]

DAYS_PER_YEAR = 365.0
_CHUNK = 4_096
NO_EFFECTS = Effects((), ())
# What the ends of the purchase rates' Gamma(r, alpha) mean.
BUYING_EDGES = {
    "r": ("almost nobody buys again", "all customers buy at the same rate (Poisson)"),
    "alpha": (
        "purchases are too dense for the days observed",
        "purchases are too rare, or all rates are equal",
    ),
}


class PurchaseModel(MaximumLikelihoodModel, Primitives):
    """Base of the models of purchasing: every question, from the primitives of a model.

    Parameters
    ----------
    purchase_covariates, dropout_covariates : sequence of str
        Columns of the summary that change how fast customers buy and how soon they leave (covariates.py);
        default none. Their effects are in ``params_`` as purchase_<column> and dropout_<column>.
    equal_covariates : sequence of str
        Columns with one and the same effect on both, both_<column>; default none.
    ridge : float
        Penalty ridge / 2 * effect^2 on effects per standard deviation, as a Normal prior of variance
        1 / ridge; default 0.

    Attributes
    ----------
    params_ : dict
        Parameters by name, then effects of covariates; time in days.
    log_likelihood_ : float
        Total, with time in days; `describe` gives other units.
    standard_errors_ : dict
        From the curvature at the optimum; valid only if ``verdict_.status`` is ``ok``.
    log_covariance_ : array of shape (parameters, parameters)
        Covariance of the logarithms of the parameters (effects as they are).
    verdict_ : Verdict
        ``ok``, ``boundary`` or ``failed``, with reasons in words.

    Notes
    -----
    Class attributes of a model, besides those of `MaximumLikelihoodModel` and `Primitives`:

    ``start``, ``second_start``  logarithms of the parameters to start from, with time in median ages
    ``edges``                    parameter -> (what zero means, what infinity means), in words
    ``covariate_effects``        "purchase", "dropout" -> (parameter that covariates multiply, sign)
    """

    start: ClassVar[Floats]
    second_start: ClassVar[Floats]
    edges: ClassVar[Mapping[str, tuple[str, str]]]
    covariate_effects: ClassVar[Mapping[str, tuple[str, float]]] = {}

    # settings, also of models that take none
    purchase_covariates: Sequence[str] = ()
    dropout_covariates: Sequence[str] = ()
    equal_covariates: Sequence[str] = ()
    ridge: float = 0.0

    def __init__(
        self,
        *,
        purchase_covariates: Sequence[str] = (),
        dropout_covariates: Sequence[str] = (),
        equal_covariates: Sequence[str] = (),
        ridge: float = 0.0,
    ) -> None:
        self.purchase_covariates = purchase_covariates
        self.dropout_covariates = dropout_covariates
        self.equal_covariates = equal_covariates
        self.ridge = ridge

    # ----------------------------------------------------------------------------------------------- fit

    def fit(self, summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters from purchase histories.

        Parameters
        ----------
        summary : DataFrame
            One row per customer: frequency, recency, T (days), and the covariates of the model. Other columns
            are ignored.
        weights : array of shape (rows,), optional
            How many customers each row stands for; default one.

        Raises
        ------
        NotEnoughData
            There is no customer.
        DegenerateCohortError
            Nobody bought twice, or no time has passed: nothing can be learned about rates.
        """
        patterns = find_patterns(summary, weights, covariates=self._effects.covariates)
        refuse_degenerate(patterns, type(self).__name__)
        fit_histories(self, patterns)
        return self

    def fit_near(self, summary: pd.DataFrame, weights: Floats | None = None) -> Self:
        """Return a model fitted to nearly the same customers as this one, from its parameters on."""
        model, patterns = (
            type(self)(**self.get_params()),
            find_patterns(summary, weights, covariates=self._effects.covariates),
        )
        refuse_degenerate(patterns, type(self).__name__)
        fit_histories(model, patterns, self.log_parameters(), is_near=True)
        return model

    def log_likelihood(self, summary: pd.DataFrame) -> pd.Series:
        """Return the log-likelihood of each customer's history (time in days)."""
        known = self._histories(summary)
        distinct, position = known.distinct(HISTORY)
        values = self.rows(self.core(self._numbers(), distinct), as_patterns(distinct))[0]
        return pd.Series(values[position], index=summary.index, name="log_likelihood")

    def influence(self, summary: pd.DataFrame) -> pd.Series:
        """Return how far each customer pulls the estimates: the squared joint shift in standard errors.

        With g the customer's gradient in log-parameters, this is g' covariance g, the first-order effect of
        leaving the customer out (Cook's distance). Above 1 a single customer outweighs the statistical noise.
        """
        scores = self.scores(summary)
        shift = np.einsum("ci,ij,cj->c", scores, self.log_covariance_, scores)
        return pd.Series(shift, index=summary.index, name="influence")

    def scores(self, summary: pd.DataFrame) -> Floats:
        """Return derivatives of each customer's log-likelihood by the log-parameters, (rows, parameters)."""
        distinct, position = self._histories(summary).distinct(HISTORY)
        return self._scores(distinct)[position]

    # ------------------------------------------------------------------------------------------- questions

    def probability_alive(self, summary: pd.DataFrame, *, days_ahead: float = 0.0) -> pd.Series:
        """Return the probability that each customer has not left days_ahead after the end of its T.

        Parameters
        ----------
        summary : DataFrame
            frequency, recency, T (days).
        days_ahead : float
            0 (default) asks about the end of T itself; later, the customer may leave meanwhile.
        """
        known, days = self._histories(summary), arguments.days(days_ahead, "days_ahead")
        alive = self._alive(known)
        if days > 0:
            alive = alive * self._of_the_living(
                known, lambda core, part: self.staying_if_alive(core, part, np.full(len(part), days))
            )
        return pd.Series(alive, index=summary.index, name="probability_alive")

    def expected_purchases(self, summary: pd.DataFrame, *, horizon_days: float) -> pd.Series:
        """Return the expected number of purchase days in the horizon_days after T, per customer."""
        expected = self._expected(self._histories(summary), arguments.days(horizon_days))
        return pd.Series(expected, index=summary.index, name="expected_purchases")

    def expected_purchases_new(
        self, horizon_days: float, *, covariates: Mapping[str, float] | None = None
    ) -> float:
        """Return the expected number of repeat purchase days of a new customer in its first horizon_days.

        Covariates that are not given are 0.
        """
        return float(self._expected(self._newcomer(covariates), arguments.days(horizon_days))[0])

    def discounted_expected_purchases(
        self, summary: pd.DataFrame, *, annual_discount_rate: float, horizon_days: float | None = None
    ) -> pd.Series:
        """Return expected purchases with a purchase after u days counted (1 + rate) ** (-u / 365).

        Parameters
        ----------
        summary : DataFrame
            frequency, recency, T (days).
        annual_discount_rate : float
            Fraction per year, >= 0. For ever it must be > 0.
        horizon_days : float, optional
            Length of the future window; None (default) = for ever (DERT, discounted expected residual
            transactions).
        """
        known = self._histories(summary)
        given_alive = self.discounted_of_the_living(
            known, annual_discount_rate=annual_discount_rate, horizon_days=horizon_days
        )
        return pd.Series(
            self._alive(known) * given_alive, index=summary.index, name="discounted_expected_purchases"
        )

    def probability_no_purchase(self, summary: pd.DataFrame, *, horizon_days: float) -> pd.Series:
        """Return the probability of no purchase in the horizon_days: left already, or alive and silent."""
        known, days = self._histories(summary), arguments.days(horizon_days)
        alive = self._alive(known)
        silent = self._of_the_living(
            known, lambda core, part: self.silence_if_alive(core, part, np.full(len(part), days))
        )
        nothing = (1.0 - alive) + alive * silent
        return pd.Series(nothing, index=summary.index, name="probability_no_purchase")

    def purchase_count_probabilities(
        self, summary: pd.DataFrame, *, horizon_days: float, up_to: int = 10
    ) -> pd.DataFrame:
        """Return the probability of exactly 0, 1, ... up_to purchase days (columns), per customer."""
        known = self._histories(summary)
        counts = self._counts(known, arguments.days(horizon_days), arguments.whole("up_to", up_to))
        return pd.DataFrame(counts, index=summary.index, columns=range(up_to + 1))

    def purchase_count_probabilities_new(
        self, horizon_days: float, up_to: int = 10, *, covariates: Mapping[str, float] | None = None
    ) -> pd.Series:
        """Return the probability that a new customer makes exactly 0, 1, ... up_to repeat purchases."""
        counts = self._counts(
            self._newcomer(covariates), arguments.days(horizon_days), arguments.whole("up_to", up_to)
        )[0]
        return pd.Series(counts, index=range(up_to + 1), name="probability")

    def next_purchase_days(self, summary: pd.DataFrame, *, quantile: float = 0.5) -> pd.Series:
        """Return after how many days the next purchase has come with probability `quantile`, per customer.

        Days after the end of T. Missing where the chance that the customer ever buys again does not reach
        the quantile.
        """
        quantile = arguments.level(quantile, "quantile")
        distinct, position = self._histories(summary).distinct(HISTORY)
        alive, days = self._alive(distinct), np.full(len(distinct), np.nan)
        may = np.flatnonzero(alive > quantile)
        for first in range(0, len(may), _CHUNK):
            rows = may[first : first + _CHUNK]
            part = distinct.take(rows)
            core = self.core(self._numbers(), part)
            days[rows] = self.waiting_if_alive(core, part, quantile / alive[rows])
        return pd.Series(days[position], index=summary.index, name="next_purchase_days")

    def simulate(
        self,
        ages_days: Sequence[float] | Floats,
        *,
        horizon_days: float = 0.0,
        covariates: pd.DataFrame | None = None,
        seed: int,
    ) -> pd.DataFrame:
        """Draw customers of given ages from the fitted model.

        Parameters
        ----------
        ages_days : array of shape (n,)
            T of each customer.
        horizon_days : float
            Length of a future window to draw as well, default none.
        covariates : DataFrame, optional
            One row per customer, a column for each covariate of the model.
        seed : int
            Equal seeds give equal customers.

        Returns
        -------
        DataFrame
            customer_id (text), frequency, recency, T, log_gap_sum; with a horizon also future_purchases;
            is_alive at the end of T; the covariates.
        """
        ages = arguments.numbers(
            "ages_days", ages_days, "one finite number of days >= 0 per customer", least=0
        )
        names = self._effects.covariates
        traits = traits_of(covariates, names, len(ages))
        zero, rng = np.zeros(len(ages)), np.random.default_rng(arguments.seed(seed))
        newcomers, ahead = Histories(zero, zero, zero, traits), arguments.days(horizon_days)
        drawn = self._draw_histories(ages, ahead, rng, newcomers) | dict(zip(names, traits.T, strict=True))
        ids = [f"{number:0{len(str(len(ages)))}d}" for number in range(1, len(ages) + 1)]
        return pd.DataFrame({"customer_id": pd.array(ids, dtype="str"), **drawn})

    # --------------------------------------------------------------------------- for many, and for intervals

    def discounted_of_the_living(
        self, known: Histories, *, annual_discount_rate: float, horizon_days: float | None
    ) -> Floats:
        """Return discounted expected purchases of customers known to be alive (see the question above)."""
        daily_rate = float(np.log1p(arguments.discount(annual_discount_rate))) / DAYS_PER_YEAR
        if horizon_days is None and daily_rate == 0.0:
            raise UsageError(
                "Expected purchases for ever need annual_discount_rate > 0 (0.1 for 10 %); "
                "without discounting give horizon_days."
            )
        days = np.inf if horizon_days is None else arguments.days(horizon_days)
        if daily_rate == 0.0 or days == 0.0:
            return self._purchases_of_the_living(known, days)
        return self._of_the_living(
            known, lambda core, part: self.discounted_if_alive(core, part, days, daily_rate)
        )

    def core(self, parameters: Floats, known: Histories | Patterns) -> list[Any]:
        """Return the model's own parameters for these customers, from all parameters (last axis)."""
        size = len(self.parameter_names)
        core = list(np.moveaxis(parameters[..., :size], -1, 0))
        if not self._effects.effects:
            return core
        return self._effects.shift(core, parameters[..., size:], known.covariates)

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the effects of covariates: purchase_<covariate>, dropout_<covariate>, both_<covariate>."""
        return tuple(effect.name for effect in self._effects.effects)

    @property
    def _effects(self) -> Effects:
        named = (self.purchase_covariates, self.dropout_covariates, self.equal_covariates)
        if all(isinstance(names, tuple) and not names for names in named):
            return NO_EFFECTS
        where = {
            process: (self.parameter_names.index(name), sign)
            for process, (name, sign) in self.covariate_effects.items()
        }
        apart = {"purchase": self.purchase_covariates, "dropout": self.dropout_covariates}
        return effects_of(where, apart, self.equal_covariates)

    def _histories(self, summary: pd.DataFrame) -> Histories:
        return possible_histories(summary, covariates=self._effects.covariates)

    def _newcomer(self, covariates: Mapping[str, float] | None = None) -> Histories:
        return new_customer(arguments.traits(self._effects.covariates, covariates).tolist())

    def _time_scale(self, patterns: Patterns) -> float:
        """Return the days that count as one while fitting: the median age, or the largest if that is 0."""
        return patterns.median_age() or float(patterns.T.values.max())

    def _numbers(self) -> Floats:
        return np.array(list(self._fitted().values()))

    def _alive(self, known: Histories) -> Floats:
        return np.asarray(self.alive(self.core(self._numbers(), known), known))

    def _expected(self, known: Histories, days: float) -> Floats:
        return self._alive(known) * self._purchases_of_the_living(known, days)

    def _of_the_living(self, known: Histories, question: Callable[[list[Any], Histories], Floats]) -> Floats:
        """Ask a question once per history that makes a difference, in chunks of bounded memory."""
        distinct, position = known.distinct(self.living_columns)
        parts = [
            distinct.take(slice(first, first + _CHUNK)) for first in range(0, max(len(distinct), 1), _CHUNK)
        ]
        numbers = self._numbers()
        answers = [question(self.core(numbers, part), part) for part in parts]
        return np.asarray(np.concatenate(answers)[position])

    def _purchases_of_the_living(self, known: Histories, days: float) -> Floats:
        if days == 0.0:
            return np.zeros(len(known))
        return self._of_the_living(
            known, lambda core, part: self.purchases_if_alive(core, part, np.full(len(part), days))
        )

    def _counts(self, known: Histories, days: float, up_to: int) -> Floats:
        if days == 0.0:
            return np.tile((np.arange(up_to + 1) == 0).astype(np.float64), (len(known), 1))
        alive = self._alive(known)[:, None]
        given_alive = self._of_the_living(
            known, lambda core, part: self.counts_if_alive(core, part, days, up_to)
        )
        return np.asarray(alive * given_alive + (1.0 - alive) * (np.arange(up_to + 1) == 0))

    def _scores(self, known: Histories) -> Floats:
        patterns = as_patterns(known)
        scores = self.rows(self.core(self._numbers(), known), patterns)[1]
        return self._effects.scores(scores, known.covariates)

    def _draw_histories(
        self, ages: Floats, horizon_days: float, rng: np.random.Generator, newcomers: Histories
    ) -> dict[str, Any]:
        """Draw every customer's purchases in turn until its end or the end of the horizon."""
        size = len(ages)
        luck = Luck.draw(size, rng)
        # one row of futures, whose columns are the customers
        latent = self.latent_if_alive(self.core(self._numbers(), newcomers), new_customer(), luck)
        rate, lifetime, last = (
            np.broadcast_to(part, (1, size))[0] for part in (latent.rate, latent.lifetime_days, latent.last)
        )
        stays = rng.random(size) < self._alive(newcomers)
        last = np.where(stays, last, 0.0)
        drawn = live_through(
            rate,
            np.minimum(ages + horizon_days, lifetime),
            last,
            ages=ages,
            draw_gaps=self.draw_gaps,
            rng=rng,
        )
        is_alive = (drawn["frequency"] < last) & (lifetime > ages)
        if horizon_days == 0:
            del drawn["future_purchases"]
        return {**drawn, "is_alive": is_alive}

    def draw_gaps(self, rate: Floats, rng: np.random.Generator) -> Floats:
        """Return times between purchases of customers with these rates. Override for regular timing."""
        return rng.standard_exponential(len(rate)) / rate

    def _edge_meaning(self, parameter: int, upper: bool) -> str:
        name = self.all_names[parameter]
        if name in self.coefficient_names:
            return f"{name} runs to infinity: the covariate separates buyers from others perfectly"
        return f"{name} runs to {'infinity' if upper else 'zero'}: {self.edges[name][upper]}"
