"""How do notebooks written for the package `lifetimes` go on?  Its fitters from our models, and back.

Five fitters have a counterpart: BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter, BetaGeoBetaBinomFitter
and GammaGammaFitter.  A fitter of `lifetimes` does not know its unit of time: everything it is given must be
in the unit of the data it was fitted to.  Ours are in days; so the unit is named at the bridge, and what
comes out of `to_lifetimes(model, unit="week")` expects weeks.  BG/BB counts opportunities: there a unit is
the time from one to the next.

`lifetimes` silences warnings of the whole process when it is imported; here that is undone at once.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models.bg_bb import BetaGeoBetaBinomModel
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel, unit_days
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.patterns import number_column
from crm_analytics.errors import UsageError
from crm_analytics.modelling.arguments import refuse_no_table

Floats = NDArray[np.float64]

FITTERS: dict[str, type[MaximumLikelihoodModel]] = {
    "BetaGeoFitter": BetaGeoModel,
    "ModifiedBetaGeoFitter": ModifiedBetaGeoModel,
    "ParetoNBDFitter": ParetoNBDModel,
    "BetaGeoBetaBinomFitter": BetaGeoBetaBinomModel,
    "GammaGammaFitter": GammaGammaModel,
}


def to_lifetimes(
    model: MaximumLikelihoodModel, *, unit: str = "day", summary: pd.DataFrame | None = None
) -> Any:
    """Return the fitter of `lifetimes` that predicts what a model predicts.

    Parameters
    ----------
    model : BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel, BetaGeoBetaBinomModel or GammaGammaModel
        Fitted, without covariates.
    unit : str
        Time unit the fitter shall work in: day (default), week, month or year. BG/BB works in opportunities
        (``model.period_days``) and Gamma-Gamma has no time; both ignore it.
    summary : DataFrame, optional
        What the model was fitted to, in days. With it the fitter also has ``data`` (in its unit), which its
        plots need, and standard errors.

    Raises
    ------
    UsageError
        `lifetimes` has no such model, or the model has covariates.

    Examples
    --------
    >>> weekly = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    >>> fitter = to_lifetimes(BetaGeoModel.from_parameters(weekly, unit="week"), unit="week")
    >>> round(float(fitter.predict(39, 2, 30.43, 38.86)), 6)
    1.226028
    """
    length = unit_days(unit)
    if summary is not None:
        refuse_no_table(summary)
    names = [name for name, ours in FITTERS.items() if type(model) is ours]
    if not names:
        known = ", ".join(ours.__name__ for ours in FITTERS.values())
        raise UsageError(
            f"model: lifetimes has no fitter for {type(model).__name__}. It has those of {known}."
        )
    if model.coefficient_names:
        raise UsageError("The fitters of lifetimes know no covariates. Fit the model without them.")
    if not hasattr(model, "params_"):
        raise UsageError(f"This {type(model).__name__} is not fitted yet. Call fit(summary) first.")
    fitter = getattr(_lifetimes(), names[0])()
    params = pd.Series(model.describe(unit)).drop("log_likelihood")
    fitter.params_ = params
    fitter._scale = 1.0
    if isinstance(model, BetaGeoModel | ParetoNBDModel):
        fitter.predict = fitter.conditional_expected_number_of_purchases_up_to_time
    if summary is not None:
        days = model.period_days if isinstance(model, BetaGeoBetaBinomModel) else length
        fitter.data = _data(model, summary, days)
        in_logs = model.log_covariance_ * np.outer(_steps(model), _steps(model))
        fitter.variance_matrix_ = pd.DataFrame(
            in_logs * np.outer(params, params), index=params.index, columns=params.index
        )
        fitter._hessian_ = np.linalg.pinv(in_logs) / len(summary)
        fitter.standard_errors_ = np.sqrt(
            pd.Series(np.diag(fitter.variance_matrix_), index=params.index, name="se(coef)")
        )
        fitter.confidence_intervals_ = fitter._compute_confidence_intervals()
    return fitter


def from_lifetimes(fitter: Any, *, unit: str) -> MaximumLikelihoodModel:
    """Return our model with the parameters of a fitted fitter of `lifetimes`.

    Parameters
    ----------
    fitter : BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter, BetaGeoBetaBinomFitter, GammaGammaFitter
        Fitted by `lifetimes`.
    unit : str
        Time unit of the data it was fitted to: day, week, month or year (BG/BB: from one opportunity to the
        next; Gamma-Gamma has no time). The fitter does not know it, and a wrong one shifts every prediction.

    Returns
    -------
    MaximumLikelihoodModel
        In days. Its covariance is that of the fitter's Hessian (the off-diagonal of the fitter's
        ``variance_matrix_`` is wrong); none for ParetoNBDFitter, which has no Hessian. It has no
        log-likelihood: that of `lifetimes` is in another scale.

    Raises
    ------
    UsageError
        The object is no fitter of these, or is not fitted.
    """
    length, name = unit_days(unit), type(fitter).__name__
    if name not in FITTERS or not type(fitter).__module__.startswith("lifetimes."):
        raise UsageError(f"{name} is no fitter of lifetimes with a counterpart: {', '.join(FITTERS)}.")
    if not hasattr(fitter, "params_"):
        raise UsageError(f"This {name} is not fitted yet. Call its fit first.")
    ours = FITTERS[name]
    params = {key: float(value) for key, value in fitter.params_.items()}
    settings: dict[str, Any] = {"period_days": length} if ours is BetaGeoBetaBinomModel else {}
    model = ours.from_parameters(params, unit=unit, **settings)
    hessian = getattr(fitter, "_hessian_", None)
    if hessian is None or not hasattr(fitter, "data") or not np.isfinite(hessian).all():
        return model
    in_logs = np.linalg.pinv(hessian) / float(fitter.data["weights"].sum())
    return model.with_covariance(in_logs / np.outer(_steps(model), _steps(model)))


def _lifetimes() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("lifetimes")


def _steps(model: MaximumLikelihoodModel) -> Floats:
    """Return d log(parameter) / d log(parameter - its lower limit), by which covariances are scaled."""
    limits = np.array([model.lower_limits.get(name, 0.0) for name in model.parameter_names])
    values = np.array([model.params_[name] for name in model.parameter_names])
    return np.asarray((values - limits) / values)


def _data(model: MaximumLikelihoodModel, summary: pd.DataFrame, days: float) -> pd.DataFrame:
    frequency = number_column(summary, "frequency")
    if isinstance(model, GammaGammaModel):
        columns = {"monetary_value": number_column(summary, "monetary_value"), "frequency": frequency}
    else:
        ages = "n_periods" if isinstance(model, BetaGeoBetaBinomModel) else "T"
        columns = {"frequency": frequency, "recency": number_column(summary, "recency") / days}
        columns[ages] = number_column(summary, "T") / days
    return pd.DataFrame({**columns, "weights": np.ones(len(summary))}, index=summary.index)
