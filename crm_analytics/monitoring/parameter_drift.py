"""Have the parameters of the purchase and spend models changed since an earlier night, beyond chance?

The two fits share most of their customers and of their purchases, so their standard errors cannot simply be
added: on simulated customers whose parameters never change that test never rejects. Here the difference of
the log-parameters has the covariance that customers give it, each moving both fits: with s the derivatives
of a customer's log-likelihood and V the covariance of a fit, the customer moves the difference by
V2 s2 - V1 s1 (White 1982, Econometrica 50(1)). The joint statistic is Wald's, chi-squared with one degree of
freedom per parameter. A model that is not quite true has parameters that move with the length of the
history, and with many customers any such move is no chance: read the effect beside the p-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics import clv
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.odd_customers import odd_age, odd_frequency, odd_spend
from crm_analytics.errors import NotEnoughData
from crm_analytics.monitoring.drift import last_published
from crm_analytics.warehouse import SqlFile, Warehouse

Floats = NDArray[np.float64]
Fitted: TypeAlias = PurchaseModel | GammaGammaModel

_YEAR = 365
# Fewer customers with something new leave the covariance of the difference to chance.
LEAST_MOVED = 100


@dataclass(frozen=True)
class ParameterDrift:
    """What happened to the fitted models between two nights.

    Attributes
    ----------
    since, as_of : date
        The nights.
    joint : DataFrame
        One row per part (purchases, spend): ``part, model, wald, degrees, p_value, effect_before, effect_now,
        told``. The effect is what an average new customer does: days with a further purchase in the first
        year, or spend per purchase (reporting currency). wald and p_value are missing where the fits
        cannot be compared; ``told`` says why.
    parameters : DataFrame
        One row per part and parameter that can be compared: ``part, parameter, before, now`` (time in days),
        ``log_change`` and its ``standard_error``, ``p_value``.
    """

    since: date
    as_of: date
    joint: pd.DataFrame
    parameters: pd.DataFrame


def parameter_drift(wh: Warehouse, *, as_of: date, since: date | None = None) -> ParameterDrift:
    """Compare the models that two nights fitted and kept.

    Parameters
    ----------
    wh : Warehouse
        With the scores of both nights; a published copy will do.
    as_of : date
        The later night.
    since : date, optional
        The earlier one; default: the last published before it.

    Returns
    -------
    ParameterDrift
        Each part of the models as a whole, and each parameter.

    Raises
    ------
    NotEnoughData
        One of the nights kept no models, or no night was published before.

    Examples
    --------
    >>> parameter_drift(Warehouse.open(), as_of=date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: No night before 2024-01-01 was published, so there is nothing to ...
    """
    earlier = since or last_published(wh, as_of)
    first, second = _kept(wh, earlier), _kept(wh, as_of)
    before, now = _histories(wh, earlier), _histories(wh, as_of)
    joint, parameters = [], []
    for part, fallbacks in (
        ("purchases", (first.purchase_fallback, second.purchase_fallback)),
        ("spend", (first.spend_fallback, second.spend_fallback)),
    ):
        old, new = getattr(first, part), getattr(second, part)
        row = {"part": part, "model": new.name, "wald": math.nan, "degrees": 0, "p_value": math.nan}
        row |= {"effect_before": _effect(old), "effect_now": _effect(new)}
        obstacle = _obstacle(part, old, new, fallbacks, before, now)
        if not obstacle:
            change = new.log_parameters() - old.log_parameters()
            covariance = _covariance(part, old, new, before, now)
            row |= _wald(change, covariance)
            parameters += _rows(part, old, new, change, covariance)
        joint.append(row | {"told": _told(row, earlier, obstacle)})
    names = ["part", "parameter", "before", "now", "log_change", "standard_error", "p_value"]
    return ParameterDrift(earlier, as_of, pd.DataFrame(joint), pd.DataFrame(parameters, columns=names))


def _kept(wh: Warehouse, night: date) -> clv.Models:
    models = clv.kept_models(wh, as_of=night)
    if models is None:
        raise NotEnoughData(f"The night of {night.isoformat()} kept no fitted models: run it again.")
    return models


def _histories(wh: Warehouse, night: date) -> pd.DataFrame:
    return wh.frame(SqlFile.beside(clv.__file__, "night_histories.sql"), as_of=night).set_index(
        "customer_id", drop=False
    )


def _obstacle(
    part: str,
    old: Fitted,
    new: Fitted,
    fallbacks: tuple[str, str],
    before: pd.DataFrame,
    now: pd.DataFrame,
) -> str:
    """Return why two fits cannot be compared; empty if they can."""
    if any(fallbacks):
        return f"no fit ({next(filter(None, fallbacks))})"
    if old.name != new.name:
        return f"other models ({old.name}, now {new.name})"
    if any(model.verdict_.status != "ok" for model in (old, new)):
        return "a fit lies at its edge, where it has no standard errors"
    same = before["frequency"].reindex(now.index) == now["frequency"]
    if int((~same).sum()) < LEAST_MOVED:
        return f"only {int((~same).sum())} customers bought since (at least {LEAST_MOVED} are needed)"
    return ""


def _covariance(
    part: str,
    old: Fitted,
    new: Fitted,
    before: pd.DataFrame,
    now: pd.DataFrame,
) -> Floats:
    moved = _moves(part, new, now).sub(_moves(part, old, before), fill_value=0.0)
    ordered = moved.sort_index().to_numpy()
    return np.asarray(np.einsum("ij,ik->jk", ordered, ordered))


def _moves(part: str, model: Fitted, known: pd.DataFrame) -> pd.DataFrame:
    """Return by how much each customer moves the log-parameters of a fit; odd ones have no part in it."""
    odd = odd_spend(known) if part == "spend" else odd_age(known) | odd_frequency(known)
    usual = known[~odd]
    scores = model.scores(usual)
    return pd.DataFrame(np.einsum("ij,jk->ik", scores, model.log_covariance_), index=usual.index)


def _wald(change: Floats, covariance: Floats) -> dict[str, float]:
    from scipy.stats import chi2

    wald = float(change @ np.linalg.pinv(covariance, hermitian=True) @ change)
    return {"wald": wald, "degrees": len(change), "p_value": float(chi2.sf(wald, len(change)))}


def _rows(
    part: str,
    old: Fitted,
    new: Fitted,
    change: Floats,
    covariance: Floats,
) -> list[dict[str, Any]]:
    from scipy.special import ndtr

    errors = np.sqrt(np.diag(covariance))
    return [
        {
            "part": part,
            "parameter": name,
            "before": old.params_[name],
            "now": value,
            "log_change": float(step),
            "standard_error": float(error),
            "p_value": float(2.0 * ndtr(-abs(step) / error)),
        }
        for (name, value), step, error in zip(new.params_.items(), change, errors, strict=True)
    ]


def _effect(model: Fitted) -> float:
    """Return what an average new customer does by a model."""
    nobody = pd.DataFrame({"frequency": [0.0], "recency": [0.0], "T": [0.0], "monetary_value": [0.0]})
    if isinstance(model, GammaGammaModel):
        return float(model.expected_spend(nobody).iloc[0])
    return float(model.expected_purchases(nobody, horizon_days=_YEAR).iloc[0])


def _told(row: dict[str, Any], since: date, obstacle: str) -> str:
    now, before = row["effect_now"], row["effect_before"]
    if row["part"] == "purchases":
        effect = f"a new customer buys again on {now:.2f} days in the first year, was {before:.2f}"
    else:
        effect = f"an average customer spends {now:,.2f} per purchase, was {before:,.2f}"
    text = f"{row['part']}: {effect} by the model of {since.isoformat()}"
    if obstacle:
        return f"{text}; the parameters are not compared: {obstacle}"
    p_value = row["p_value"]
    verdict = "chance explains it" if p_value > 0.05 else "more than chance"
    return f"{text}; {verdict} (Wald {row['wald']:.1f} on {row['degrees']}, p = {p_value:.2g})"
