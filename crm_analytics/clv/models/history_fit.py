"""How are the parameters of a purchase model learned from histories?

The likelihood is summed over distinct histories, with time in median ages and covariates of mean 0 and
standard deviation 1, maximised (optimiser.py), and brought back to days and the covariates' own units.  Large
data are first climbed on every n-th pattern.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crm_analytics.clv.models.covariates import refuse_collinear, standardise
from crm_analytics.clv.models.maximum_likelihood import fingerprint
from crm_analytics.clv.models.optimiser import Evaluation, Likelihood, maximise
from crm_analytics.clv.models.patterns import Patterns
from crm_analytics.errors import DegenerateCohortError, NotEnoughData
from crm_analytics.modelling.arguments import number

if TYPE_CHECKING:
    from crm_analytics.clv.models.purchase_model import PurchaseModel

Floats = NDArray[np.float64]

_FEW_PATTERNS = 12_000


def fit_histories(
    model: PurchaseModel, patterns: Patterns, start: Floats | None = None, *, is_near: bool = False
) -> None:
    """Let the model learn its parameters.

    Parameters
    ----------
    model : PurchaseModel
        Learns.
    patterns : Patterns
        From these.
    start : array of shape (parameters,), optional
        Log-parameters (in days) to begin with; default: those of the model.
    is_near : bool
        True: start is the optimum of nearly the same customers, and needs no second start beside it.
    """
    scale = model._time_scale(patterns)
    units = np.array([np.log(scale) if name in model.time_parameters else 0.0 for name in model.all_names])
    effects, size = model._effects, len(model.parameter_names)
    even = standardise(patterns.covariates, patterns.weight, effects.covariates)
    scaled = replace(patterns.scaled(scale), covariates=even.covariates)
    none = np.zeros(len(effects.effects))
    if not number("ridge", model.ridge, "a number >= 0", least=0.0):
        refuse_collinear(effects, scaled.covariates, scaled.weight)
    few = scaled.every(1 + len(scaled) // _FEW_PATTERNS)
    is_dear = model.has_rough_rows or len(few) < len(scaled)
    estimate = maximise(
        Likelihood(lambda theta: penalised_total(model, theta, scaled)),
        rough=Likelihood(lambda theta: penalised_total(model, theta, few, roughly=True)) if is_dear else None,
        rough_customers=few.customers,
        start=np.concatenate([model.start, none]) if start is None else start - units,
        second_start=None if is_near else np.concatenate([model.second_start, none]),
        customers=patterns.customers,
        edge_meaning=model._edge_meaning,
    )
    back, known = even.back(effects, size), patterns.histories
    model._learn(
        (back * estimate.theta).sum(axis=1) + units,
        np.einsum("ij,jk,lk->il", back, estimate.covariance, back),
        estimate.log_likelihood + _penalty(model, estimate.theta) - patterns.purchases * float(np.log(scale)),
        estimate.verdict,
        customers=patterns.customers,
        purchases=patterns.purchases,
        fingerprint=fingerprint(known.frequency, known.recency, known.T, known.covariates, patterns.weight),
    )


def penalised_total(
    model: PurchaseModel, theta: Floats, patterns: Patterns, *, roughly: bool = False
) -> Evaluation:
    """Return the log-likelihood of all customers less the ridge penalty, its gradient, and its curvature."""
    effects = model._effects
    core = model.core(model._natural(theta), patterns)
    values, scores, bend = model.bent_rows(core, patterns, roughly=roughly)
    total = float((patterns.weight * values).sum()) - _penalty(model, theta)
    if not effects.effects:
        return total, np.einsum("i,ij->j", patterns.weight, scores), bend
    slope = np.einsum("i,ij->j", patterns.weight, effects.scores(scores, patterns.covariates))
    slope[len(model.parameter_names) :] -= model.ridge * theta[len(model.parameter_names) :]
    return total, slope, None


def _penalty(model: PurchaseModel, theta: Floats) -> float:
    return float(model.ridge * (theta[len(model.parameter_names) :] ** 2).sum() / 2.0)


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
