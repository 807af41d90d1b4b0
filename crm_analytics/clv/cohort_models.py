"""Which purchase and which spend model score a cohort, and whom must the reader be told about?

Odd customers are left out of the fits, and where a cohort cannot identify a model a stated, cautious stand-in
takes its place.  Input is a summary (days, reporting currency) without impossible rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.patterns import number_column
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.odd_customers import (
    Typical,
    odd_age,
    odd_frequency,
    odd_influence,
    odd_spend,
    typical_spend,
)
from crm_analytics.errors import DegenerateCohortError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_REPEATERS = 10


@dataclass(frozen=True)
class Models:
    """The models that score a cohort, and what their readers must be told (empty = nothing).

    ``purchase_fallback`` and ``spend_fallback`` are reasons why a cautious mean stands in for a fitted model;
    ``remark`` says what a fitted model's verdict found; ``odd_customers`` are those not used to fit, and
    ``typical_spend`` is what spend is odd against.
    """

    purchases: PurchaseModel
    spend: GammaGammaModel
    purchase_fallback: str = ""
    spend_fallback: str = ""
    remark: str = ""
    odd_customers: frozenset[str] = frozenset()
    typical_spend: Typical | None = None


def fit_models(summary: pd.DataFrame, *, model: str = "bg_nbd") -> Models:
    """Fit a purchase and a spend model to a summary without impossible rows, leaving odd customers out.

    With fewer than 10 repeat customers, or where no optimum is found, a stated stand-in is used: for
    purchases a Gamma-Poisson with r = 0.5 and the mean rate of the cohort (half a purchase added), nobody
    leaving; for spend a Gamma-Gamma with p = 2, q = 3 and the mean spend per purchase day of the cohort.

    Raises
    ------
    DegenerateCohortError
        All customers were first seen on the last day of observation.
    """
    too_old = odd_age(summary)
    suspicious = too_old | odd_frequency(summary)
    frequency, age = number_column(summary, "frequency"), number_column(summary, "T")
    if not age[~suspicious].max() > 0:
        raise DegenerateCohortError(
            f"All {len(summary)} customers were first seen on the last day before as_of (T = 0): no time has "
            "passed in which anybody could buy again. Use a later as_of, or load earlier orders."
        )
    repeaters = int((frequency[~suspicious] > 0).sum())
    few = f"only {repeaters} customers bought on a second day (a model needs {LEAST_REPEATERS})"
    purchase_fallback = few if repeaters < LEAST_REPEATERS else ""
    remark, odd = "", suspicious
    if not purchase_fallback:
        purchases, odd = _fit_without_odd(MODELS[model], summary, suspicious, too_old)
        verdict = "; ".join(purchases.verdict_.reasons)
        if purchases.verdict_.status == "failed":
            purchase_fallback = f"the purchase model found no optimum: {verdict}"
        elif purchases.verdict_.status == "boundary":
            remark = f"the purchase model lies at its edge: {verdict}"
    if purchase_fallback:
        purchases = _mean_rate(frequency[~odd], age[~odd])
    spend, spend_fallback = _fit_spend(summary, odd)
    odd_customers = frozenset(summary["customer_id"][odd])
    return Models(
        purchases, spend, purchase_fallback, spend_fallback, remark, odd_customers, typical_spend(summary)
    )


def _fit_without_odd(
    kind: type[PurchaseModel], summary: pd.DataFrame, suspicious: Flags, too_old: Flags
) -> tuple[PurchaseModel, Flags]:
    """Fit without suspicious customers, then judge everybody by their influence on that fit, and fit again.

    So a suspicious customer that would move nothing (one heavy buyer among a million) is let in, and one
    that looked usual but outweighs the others is left out.
    """
    model = kind().fit(summary[~suspicious])
    if model.verdict_.status != "ok":
        return model, suspicious
    odd = too_old | odd_influence(model, summary)
    repeats = number_column(summary, "frequency") > 0
    if np.array_equal(odd, suspicious) or (repeats & ~odd).sum() < LEAST_REPEATERS:
        return model, suspicious
    return kind().fit(summary[~odd]), odd


def _fit_spend(summary: pd.DataFrame, odd: Flags) -> tuple[GammaGammaModel, str]:
    usual = summary[~(odd | odd_spend(summary))]
    spend = number_column(usual, "monetary_value")
    repeaters = int(((number_column(usual, "frequency") > 0) & (spend > 0)).sum())
    if repeaters >= LEAST_REPEATERS:
        model = GammaGammaModel().fit(usual)
        if model.verdict_.status != "failed":
            return model, ""
        reason = "the spend model found no optimum: " + "; ".join(model.verdict_.reasons)
    else:
        reason = f"only {repeaters} repeat customers have positive spend (a model needs {LEAST_REPEATERS})"
    return GammaGammaModel.from_parameters({"p": 2.0, "q": 3.0, "v": max(_mean_spend(summary), 1e-9)}), reason


def _mean_rate(frequency: Floats, age: Floats) -> PurchaseModel:
    """Return a Gamma-Poisson (NBD: nobody leaves) with r = 0.5 around the cohort's rate."""
    rate = (frequency.sum() + 0.5) / age.sum()
    return NBDModel.from_parameters({"r": 0.5, "alpha": 0.5 / rate})


def _mean_spend(summary: pd.DataFrame) -> float:
    """Return the median customer's net spend per purchase day (one odd amount must not rule)."""
    frequency, each = number_column(summary, "frequency"), number_column(summary, "monetary_value")
    if "net_spend" in summary:
        each = number_column(summary, "net_spend") / (frequency + 1.0)
    positive = each[np.isfinite(each) & (each > 0)]
    return float(np.median(positive)) if len(positive) else 0.0
