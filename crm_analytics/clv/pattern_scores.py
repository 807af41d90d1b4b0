"""What do the models say of each purchase history, whoever has it?

Customers with the same frequency, recency and T differ in spend only, so all that takes time is computed once
per distinct history (a million customers have some hundred thousand), here; customer_value.py and
in_database.py give it back to the customers.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.future_counts import FutureCounts
from crm_analytics.clv.intervals import future_limits, waiting_days
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import Histories
from crm_analytics.clv.models.purchase_model import PurchaseModel

Floats = NDArray[np.float64]

# Later than a hundred years is not a date that anybody plans with.
LATEST_DAYS = 36_500.0


def pattern_scores(
    model: PurchaseModel,
    spend_model: GammaGammaModel,
    known: Histories,
    *,
    horizon_days: float,
    annual_discount_rate: float,
    level: float,
) -> pd.DataFrame:
    """Return one row per history, best given as distinct ones; every number is independent of the others.

    Returns
    -------
    DataFrame
        probability_alive; expected_purchases, its limits (_low, _high) and discounted_purchases in the
        horizon, no more than it has days (the models know no day, and give a daily buyer more);
        next_purchase_days and its limits; spend_low and spend_high, limits of discounted spend over the
        expected spend per purchase.
    """
    alive = np.asarray(model.alive(model.core(np.array(list(model.params_.values())), known), known))
    futures = FutureCounts(model, known, horizon_days=horizon_days)
    most = np.ceil(horizon_days)
    expected = np.minimum(alive * _of_the_living(model, known, 0.0, horizon_days), most)
    discount = discounts(model, futures, annual_discount_rate)
    limits = future_limits(
        futures, spend_model, known, alive=alive, level=level, annual_discount_rate=annual_discount_rate
    )
    scores = {
        "probability_alive": alive,
        "expected_purchases": expected,
        "expected_purchases_low": np.minimum(limits.purchases_low, most),
        "expected_purchases_high": np.minimum(limits.purchases_high, most),
        "discounted_purchases": expected * discount,
        "spend_low": limits.spend_low,
        "spend_high": limits.spend_high,
    }
    waiting = waiting_days(futures, alive=alive, quantiles=(0.5, (1.0 - level) / 2.0, (1.0 + level) / 2.0))
    for side, days in zip(("", "_low", "_high"), waiting, strict=True):
        scores[f"next_purchase_days{side}"] = np.where(days <= LATEST_DAYS, days, np.nan)
    return pd.DataFrame(scores)


def discounts(model: PurchaseModel, futures: FutureCounts, annual_discount_rate: float) -> Floats:
    """Return discounted over plain expected purchases, interpolated like the distributions.

    The ratio hardly changes with T: against the exact ratio the error is below 1e-7. Where phases are mixed,
    it is the expectations that are averages over the phases, not their ratio; these change more with T, and
    the error is below 1e-6.
    """
    discounted, plain = (
        _of_the_living(model, futures.nodes, rate, futures.horizon_days)
        for rate in (annual_discount_rate, 0.0)
    )
    if not futures.is_mixed:
        ratio = np.divide(discounted, plain, out=np.ones_like(plain), where=plain > 0)
        return futures.between(ratio, 0, futures.rows)[futures.row]
    above, below = (futures.between(one, 0, futures.rows) for one in (discounted, plain))
    return np.divide(above, below, out=np.ones_like(below), where=below > 0)[futures.row]


def _of_the_living(model: PurchaseModel, known: Histories, rate: float, horizon_days: float) -> Floats:
    return model.discounted_of_the_living(known, annual_discount_rate=rate, horizon_days=horizon_days)
