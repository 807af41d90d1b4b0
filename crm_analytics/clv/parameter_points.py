"""Which few sets of parameters stand for all that a fit leaves open?

The log-parameters (above their lower limits; coefficients of covariates as they are) are taken as
Normal(theta, covariance).  Along each principal axis of the covariance lie two points, sqrt(d) standard
deviations to either side of the estimate, d being the number of parameters; all weigh the same.  Their mean
and covariance are exactly those of the Normal, so an average over them is that over the Normal up to terms of
the fourth order, without one random number.

Source: Arasaratnam and Haykin (2009), "Cubature Kalman filters", IEEE Transactions on Automatic Control
54(6), 1254-1269, eq. (19).
"""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.clv.models.optimiser import BOX

Floats = NDArray[np.float64]
Model = TypeVar("Model", bound=MaximumLikelihoodModel)

CERTAIN = 0.02


def parameter_points(model: Model) -> list[tuple[Model, Model]]:
    """Return, per principal axis of the covariance, the model at the lower and at the upper point.

    Axes along which nothing is uncertain (standard deviation 0) are left out, so a model from known
    parameters has no points.

    Examples
    --------
    >>> from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
    >>> known = {"p": 6.0, "q": 4.0, "v": 15.0}
    >>> model = GammaGammaModel.from_parameters(known, log_covariance=np.diag([0.01, 0.0, 0.0]))
    >>> [(low, high)] = parameter_points(model)
    >>> round(low.params_["p"], 3), round(high.params_["p"], 3)     # 6 exp(-/+ 0.1 sqrt(3))
    (5.046, 7.135)
    """
    theta, points = model.log_parameters(), []
    for axis, spread in zip(*_axes(model), strict=True):
        if spread > 0:
            step = np.clip(np.sqrt(len(theta)) * spread * axis, -BOX, BOX)
            points.append((moved(model, theta - step), moved(model, theta + step)))
    return points


def possible_models(model: Model) -> list[Model]:
    """Return models of equal weight for predictions of single customers: all points, or the estimate alone.

    The estimate alone stands where no principal axis has a standard deviation above 0.02 (some ten thousand
    customers): what the parameters leave open is then below a thousandth of a customer's own variance.
    """
    if _axes(model)[1].max(initial=0.0) <= CERTAIN:
        return [model]
    return [point for pair in parameter_points(model) for point in pair]


def _axes(model: MaximumLikelihoodModel) -> tuple[Floats, Floats]:
    """Return the principal axes (rows; largest entry positive) and the deviation along each."""
    variances, vectors = np.linalg.eigh(model.log_covariance_)
    lead = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[lead, np.arange(len(lead))])
    return vectors.T, np.sqrt(np.where(variances > 1e-18, variances, 0.0))


def moved(model: Model, theta: Floats) -> Model:
    """Return a copy of the model with other log-parameters (as `log_parameters` gives them)."""
    other = copy.copy(model)
    other.params_ = dict(zip(model.params_, model._natural(theta).tolist(), strict=True))
    return other
