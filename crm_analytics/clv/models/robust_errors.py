"""How sure are the parameters if the model is not quite true?  Sandwich and bootstrap covariances.

The standard errors of a fit come from the curvature of the likelihood and believe the model.  On CDNOW
Pareto/NBD's for log r is .086, where refits to resampled customers scatter by .11.  Both covariances here let
the customers speak: give them to ``model.with_covariance(...)``, whose standard errors, parameter table and
drawn parameters then use them.

Sources: White (1982), Econometrica 50(1), 1-25, for the sandwich; Efron (1979), Annals of Statistics 7(1),
1-26, for the bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.clv.models.patterns import checked_weights, number_column
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.modelling.arguments import instance, whole
from crm_analytics.modelling.arguments import seed as checked_seed

Floats = NDArray[np.float64]
Weights: TypeAlias = Sequence[float] | Floats | pd.Series | None
_LEAST_REPLICATIONS = 20


class Scored(Protocol):
    """A fitted model that knows each row's pull on the parameters."""

    log_covariance_: Floats

    def scores(self, summary: pd.DataFrame) -> Floats:
        """Return derivatives of each row's log-likelihood by the log-parameters."""


def sandwich_covariance(model: Scored, summary: pd.DataFrame, weights: Weights = None) -> Floats:
    """Return the covariance of the log-parameters that holds for customers as they are.

    Parameters
    ----------
    model : fitted model
        A purchase model, `GammaGammaModel`, or `ShiftedBetaGeoModel` (its summary are the lives).
    summary : DataFrame
        What it was fitted to.
    weights : array of shape (rows,), optional
        As for the fit.

    Examples
    --------
    >>> from crm_analytics.clv.models.nbd import NBDModel
    >>> customers = pd.DataFrame({"frequency": [0, 1, 3, 0, 4, 2], "recency": [0, 9, 30, 0, 29, 20], "T": 40})
    >>> model = NBDModel().fit(customers)
    >>> sandwich_covariance(model, customers).shape
    (2, 2)
    """
    _check(model)
    scores, weight = model.scores(summary), checked_weights(summary, weights)
    order = np.lexsort([weight, *scores.T])  # so that the order of the rows changes no bit
    scores, weight = scores[order], weight[order]
    meat = np.einsum("i,ij,ik->jk", weight, scores, scores)
    bread = model.log_covariance_
    return np.asarray(np.einsum("ij,jk,kl->il", bread, meat, bread))


def bootstrap_covariance(
    model: MaximumLikelihoodModel,
    summary: pd.DataFrame,
    weights: Weights = None,
    *,
    replications: int = 200,
    seed: int,
) -> Floats:
    """Return the covariance of the log-parameters over refits to customers drawn with replacement.

    Parameters
    ----------
    model : fitted model
        Refitted with its settings; not changed.
    summary : DataFrame
        What it was fitted to.
    weights : array of shape (rows,), optional
        How many customers each row stands for; as many customers are drawn as they sum to.
    replications : int
        Number of refits, at least 20, default 200.
    seed : int
        Equal seeds give equal covariances, whatever the order of the rows.

    Raises
    ------
    NotEnoughData
        Most refits find no optimum: there are too few customers to resample.
    """
    _check(model)
    replications, seed = whole("replications", replications, least=_LEAST_REPLICATIONS), checked_seed(seed)
    weight = checked_weights(summary, weights)
    if not weight.sum() >= 1.0:
        raise UsageError(f"weights must stand for at least one customer, they sum to {weight.sum():g}.")
    numeric = _numbers(summary)
    order = np.lexsort([weight, *(numeric[name].to_numpy() for name in numeric)])
    numeric, weight = numeric.iloc[order], weight[order]
    rng = np.random.default_rng(seed)
    found = []
    for drawn in rng.multinomial(round(weight.sum()), weight / weight.sum(), replications):
        refit = _refit(model, numeric, drawn)
        if refit is not None:
            found.append(refit)
    if len(found) < replications / 2:
        raise NotEnoughData(
            f"Only {len(found)} of {replications} refits to resampled customers found an optimum: too few "
            "customers for a bootstrap. Use the model's own standard errors, or sandwich_covariance."
        )
    return np.cov(np.array(found), rowvar=False)


def _check(model: object) -> None:
    instance("model", model, MaximumLikelihoodModel, "a fitted model")._fitted()


def _numbers(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that can be read as numbers, as the models read them (true = 1, "3" = 3)."""
    found = {}
    for name in summary:
        try:
            found[name] = number_column(summary, name)
        except UsageError:
            continue
    return pd.DataFrame(found)


def _refit(model: MaximumLikelihoodModel, summary: pd.DataFrame, weights: Floats) -> Floats | None:
    fitted: Any
    try:
        if isinstance(model, PurchaseModel):
            fitted = model.fit_near(summary, weights)
        else:
            fitted = type(model)(**model.get_params())
            fitted.fit(summary, weights=weights)
    except NotEnoughData:
        return None
    return None if fitted.verdict_.status == "failed" else fitted.log_parameters()
