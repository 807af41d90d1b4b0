"""Do traits of customers change how fast they buy and how soon they leave?  Effects of static covariates.

A covariate z (a number per customer that does not change: acquisition channel as 0/1, age, first basket)
multiplies one parameter of each of two processes, buying and leaving (contracts: leaving and staying):

    alpha = alpha_0 exp(-purchase_z z)       positive effect = buys faster
    beta  = beta_0  exp(-dropout_z z)        Pareto/NBD: positive effect = leaves faster
    a     = a_0     exp( dropout_z z)        BG/NBD and MBG/NBD: positive effect = leaves sooner; b stays
    alpha = alpha_0 exp( dropout_z z)        sBG: positive effect = ends sooner
    beta  = beta_0  exp( renewal_z z)        sBG: positive effect = lasts longer

The parameters with the index 0 are those of a customer whose covariates are all 0.  a and b of BG/NBD are not
scaled together, as other programs do: that moves the spread of the dropout probability and not its mean.  An
equal effect on alpha and beta of sBG says just this: customers differ less, or more, among each other.  For
fitting, covariates are brought to mean 0 and standard deviation 1; a ridge penalty is on effects per standard
deviation.

Sources: Fader and Hardie (2007), "Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD
models"; the equality constraint as in Bachmann, Meierer and Naef (2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.errors import UsageError
from crm_analytics.modelling.arguments import column_names, instance

Floats = NDArray[np.float64]

# Least eigenvalue of a matrix of correlations below which nobody can tell effects apart.
_COLLINEAR = 1e-10


@dataclass(frozen=True)
class Effect:
    """One coefficient: its name, the covariate's column, and the parameters it moves, with their signs."""

    name: str
    column: int
    moves: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Effects:
    """All coefficients of a model.

    Attributes
    ----------
    covariates : tuple of str
        Columns of the summary that are needed.
    effects : tuple of Effect
        In the order of the coefficients.
    """

    covariates: tuple[str, ...]
    effects: tuple[Effect, ...]

    def shift(self, core: Sequence[Any], coefficients: Floats, covariates: Floats) -> list[Any]:
        """Return the parameters of customers with these covariates.

        Coefficients of shape (coefficients,) give one value per customer, of shape (draws, coefficients) an
        array (customers, draws).
        """
        shifts: dict[int, Any] = {}
        for number, effect in enumerate(self.effects):
            moved = np.multiply.outer(covariates[:, effect.column], coefficients[..., number])
            for parameter, sign in effect.moves:
                shifts[parameter] = shifts.get(parameter, 0.0) + sign * moved
        return [value * np.exp(shifts[i]) if i in shifts else value for i, value in enumerate(core)]

    def scores(self, scores: Floats, covariates: Floats) -> Floats:
        """Return derivatives by the coefficients, appended to those by the log-parameters."""
        further = [
            covariates[:, effect.column]
            * sum(sign * scores[:, parameter] for parameter, sign in effect.moves)
            for effect in self.effects
        ]
        return np.column_stack([scores, *further])


def effects_of(
    where: Mapping[str, tuple[int, float]],
    apart: Mapping[str, Sequence[str]],
    equal: Sequence[str],
) -> Effects:
    """Return the effects that the settings of a model ask for.

    Parameters
    ----------
    where : mapping
        Process ("purchase", "dropout", "renewal") -> (position of the parameter that is moved, sign).
    apart : mapping
        Process -> covariates with an effect on it alone, in the order of the coefficients.
    equal : sequence of str
        Covariates of both processes with one common effect.
    """
    apart = {process: column_names(f"{process}_covariates", named) for process, named in apart.items()}
    equal = column_names("equal_covariates", equal)
    single = [(process, name) for process, named in apart.items() for name in named]
    twice = sorted(set(equal) & {name for _, name in single})
    if twice:
        raise UsageError(
            f"Covariate {twice[0]!r} has one effect on both processes (equal_covariates) or one on each, not "
            "both. Name it in one place."
        )
    names = tuple(dict.fromkeys([*(name for _, name in single), *equal]))
    effects = [
        Effect(f"{process}_{name}", names.index(name), (where[process],)) for process, name in single
    ] + [Effect(f"both_{name}", names.index(name), tuple(where.values())) for name in equal]
    return Effects(names, tuple(effects))


@dataclass(frozen=True)
class Standardised:
    """Covariates of mean 0 and standard deviation 1, one row per pattern, and the way back."""

    covariates: Floats
    mean: Floats
    spread: Floats

    def back(self, effects: Effects, size: int) -> Floats:
        """Return the matrix that turns fitted theta into theta for covariates in their own units.

        ``size`` is the number of log-parameters before the coefficients.
        """
        matrix = np.eye(size + len(effects.effects))
        for number, effect in enumerate(effects.effects):
            matrix[size + number, size + number] = 1.0 / self.spread[effect.column]
            for parameter, sign in effect.moves:
                matrix[parameter, size + number] -= (
                    sign * self.mean[effect.column] / self.spread[effect.column]
                )
        return matrix


def standardise(covariates: Floats, weight: Floats, names: Sequence[str]) -> Standardised:
    """Bring covariates to mean 0 and standard deviation 1 over customers; a constant one is refused."""
    share = weight / weight.sum()
    mean = np.einsum("i,ij->j", share, covariates)
    spread = np.sqrt(np.einsum("i,ij->j", share, (covariates - mean) ** 2))
    for name, width, middle in zip(names, spread, mean, strict=True):
        if width <= 1e-12 * abs(middle) or width == 0.0:
            raise UsageError(
                f"Covariate {name!r} is the same for all customers ({middle:g}), so that its effect cannot "
                "be told from the parameters. Leave it out."
            )
    return Standardised((covariates - mean) / spread, mean, spread)


def refuse_collinear(effects: Effects, covariates: Floats, weight: Floats) -> None:
    """Refuse covariates of one process that say the same (standardised; one follows from the others)."""
    names = [effects.covariates[effect.column] for effect in effects.effects]
    for parameter in {moved for effect in effects.effects for moved, _ in effect.moves}:
        of_one = [
            number
            for number, effect in enumerate(effects.effects)
            if parameter in [moved for moved, _ in effect.moves]
        ]
        columns = covariates[:, [effects.effects[number].column for number in of_one]]
        likeness = np.einsum("i,ij,ik->jk", weight / weight.sum(), columns, columns)
        values, vectors = np.linalg.eigh(likeness)
        if values[0] < _COLLINEAR:
            told = [names[n] for n, part in zip(of_one, vectors[:, 0], strict=True) if abs(part) > 1e-3]
            raise UsageError(
                f"Covariates {', '.join(map(repr, told))} are collinear: each follows from the others, so "
                "that their effects cannot be told apart. Leave one out, or set ridge > 0."
            )


@dataclass(frozen=True)
class LikelihoodRatio:
    """Twice the gain in log-likelihood, the number of added parameters, and the chance of such a gain."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def likelihood_ratio_test(smaller: MaximumLikelihoodModel, larger: MaximumLikelihoodModel) -> LikelihoodRatio:
    """Test whether a larger model explains the same customers better than chance lets it.

    Parameters
    ----------
    smaller, larger : fitted models
        The smaller must be a special case of the larger (no covariates, or an equality), fitted to the same
        customers without ridge.

    Returns
    -------
    LikelihoodRatio
        statistic, degrees_of_freedom, p_value (chi-squared).

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
    >>> customers = pd.DataFrame({"frequency": [0, 1, 3, 0, 4, 2] * 9, "recency": [0, 9, 30, 0, 29, 20] * 9,
    ...                           "T": [40, 35, 33, 30, 31, 40] * 9, "web": [0, 0, 1, 0, 1, 1] * 9})
    >>> plain = ParetoNBDModel().fit(customers)
    >>> web = ParetoNBDModel(purchase_covariates=["web"]).fit(customers)
    >>> likelihood_ratio_test(plain, web).degrees_of_freedom
    1
    """
    for name, model in (("smaller", smaller), ("larger", larger)):
        instance(name, model, MaximumLikelihoodModel, "a fitted model")._fitted()
    added = len(larger.params_) - len(smaller.params_)
    same = larger.name == smaller.name and larger.customers_ == smaller.customers_
    outside = [name for name in smaller.coefficient_names if not _is_within(name, larger.coefficient_names)]
    if same and added >= 1 and (outside or getattr(smaller, "k_", 0) != getattr(larger, "k_", 0)):
        raise UsageError(
            "A likelihood-ratio test needs nested models: every effect of the smaller must be among those of "
            f"the larger. Not there: {', '.join(outside) or 'the same k'}. Compare such models by bic()."
        )
    if not same or larger.purchases_ != smaller.purchases_ or added < 1:
        raise UsageError(
            "A likelihood-ratio test compares two models of one kind, fitted to the same customers, the "
            f"second with more parameters. Got {smaller.name} with {len(smaller.params_)} parameters and "
            f"{smaller.customers_:g} customers, {larger.name} with {len(larger.params_)} and "
            f"{larger.customers_:g}."
        )
    if any(getattr(model, "ridge", 0.0) for model in (smaller, larger)):
        raise UsageError("A ridge penalty makes the likelihood-ratio test invalid. Fit with ridge=0.")
    statistic = max(2.0 * (larger.log_likelihood_ - smaller.log_likelihood_), 0.0)
    return LikelihoodRatio(statistic, added, float(chdtrc(added, statistic)))


def _is_within(name: str, larger: Sequence[str]) -> bool:
    """Return whether an effect is among those of a larger model, where a common one may be two."""
    group, _, column = name.partition("_")
    alike = [other for other in larger if other.partition("_")[2] == column]
    return name in larger or (group == "both" and len(alike) == 2)
