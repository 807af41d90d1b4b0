"""What is each customer of a summary worth?  Purchases times spend, discounted, with limits and a status.

Units: days, fractions per year and of net amount, the reporting currency.  A purchase after u days counts
(1 + annual_discount_rate) ** (-u / 365).  lifetime_revenue is always there for a customer that can be scored;
lifetime_value is revenue times margin, and missing where the margin is unknown.

Every customer gets a status:
    ok               scored by a model that fits, from repeat purchases of its own
    low_information  scored, but hardly from evidence of its own (status_reason says why)
    fallback         the cohort cannot identify a model; scored from a cautious mean rate or mean spend
    excluded         the row cannot be a purchase history; nothing is predicted
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.cohort_models import Models, fit_models
from crm_analytics.clv.intervals import future_limits
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.patterns import Histories, distinct_rows, impossible_rows, number_column
from crm_analytics.clv.odd_customers import odd_spend
from crm_analytics.errors import UsageError

Floats = NDArray[np.float64]

NUMBERS = (
    "probability_alive", "expected_purchases", "expected_purchases_low", "expected_purchases_high",
    "expected_spend", "lifetime_revenue", "lifetime_revenue_low", "lifetime_revenue_high", "lifetime_value",
)  # fmt: skip
RESULTS = ("horizon_days", *NUMBERS, "model", "status", "status_reason")
COLUMNS = (
    "customer_id", "source_system", "source_id", "horizon_days", "frequency", "recency", "T",
    "monetary_value", *NUMBERS, "model", "status", "status_reason",
)  # fmt: skip


def score_summary(
    summary: pd.DataFrame,
    *,
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    model: str = "bg_nbd",
    models: Models | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit the models to a summary and score each of its customers.

    Parameters
    ----------
    summary : DataFrame
        As returned by `crm_analytics.clv.summary`; net_spend, net_margin and unpriced_order_count may be
        absent.
    horizon_days : float
        Length of the future window in days, default 365.
    annual_discount_rate : float
        Fraction per year, >= 0, default 0.1.
    margin_rate : float or Series, optional
        Margin where the customer's own is unknown, as a fraction of net amount, at most 1 (0.3, not 30): one
        for all, or indexed by customer_id. Own margin: net_margin / net_spend, between -1 and 1, where the
        summary has both and all costs are known.
    model : str
        Key of `crm_analytics.clv.models.MODELS`, default "bg_nbd".
    models : Models, optional
        Models fitted before (`fit_models`); default: fitted to this summary.
    level : float
        Probability inside the limits, default 0.9.
    seed : int
        Seed of the limits' draws.

    Returns
    -------
    DataFrame
        Index as the summary. customer_id, source_system and source_id (if the summary has them),
        horizon_days, frequency, recency, T, monetary_value; probability_alive at as_of; expected_purchases
        (days with a purchase in the horizon) and the limits of their actual number; expected_spend over the
        horizon, not discounted; lifetime_revenue (discounted) and the limits of the actual; lifetime_value;
        model; status; status_reason ("" if ok). Numbers are missing where the status is excluded;
        probability_alive also where it is fallback.

    Raises
    ------
    UsageError
        An argument cannot be meant, or a column is missing.
    DegenerateCohortError
        All customers were first seen on the last day of observation.

    Examples
    --------
    >>> customers = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c"], "frequency": [0, 0, 1], "recency": [0, 0, 30],
    ...     "T": [100, 200, 300], "monetary_value": [0.0, 0.0, 20.0]})
    >>> score_summary(customers)["status"].tolist()
    ['fallback', 'fallback', 'fallback']
    """
    _check_arguments(summary, horizon_days, annual_discount_rate, level, model)
    reasons = impossible_rows(summary)
    valid = (reasons == "").to_numpy()
    result = summary[[name for name in COLUMNS if name in summary and name not in RESULTS]].copy()
    result[["horizon_days", *NUMBERS]] = np.nan
    result = result.assign(
        horizon_days=float(horizon_days), model=model, status="excluded", status_reason=reasons
    )
    if valid.any():
        known = summary[valid]
        used = models or fit_models(known, model=model)
        scored = _numbers(known, used, float(horizon_days), float(annual_discount_rate), level, seed)
        scored["lifetime_value"] = scored["lifetime_revenue"] * _margins(known, margin_rate)
        status, reason = _statuses(known, used)
        if used.purchase_fallback:
            scored["probability_alive"] = np.full(len(known), np.nan)
        for name, values in [*scored.items(), ("status", status), ("status_reason", reason)]:
            result.loc[valid, name] = values
        result.loc[valid, "model"] = "mean_rate" if used.purchase_fallback else used.purchases.name
    return result[[name for name in COLUMNS if name in result]]


def _numbers(
    known: pd.DataFrame, used: Models, horizon_days: float, annual_rate: float, level: float, seed: int
) -> dict[str, Floats]:
    """Return the scores of valid rows, computed once per distinct history."""
    columns = [number_column(known, name) for name in ("frequency", "T", "recency")]
    (x, age, recency), customer = distinct_rows(*columns)
    (pair_x, pair_age), pair = distinct_rows(x, age)
    patterns = pd.DataFrame({"frequency": x, "recency": recency, "T": age})
    alive = used.purchases.probability_alive(patterns).to_numpy()
    pairs = Histories(pair_x, np.zeros(len(pair_x)), pair_age, np.zeros((len(pair_x), 0)))
    purchases, discounted = (
        used.purchases.discounted_of_the_living(pairs, annual_discount_rate=rate, horizon_days=horizon_days)
        for rate in (0.0, annual_rate)
    )
    discount = np.divide(discounted, purchases, out=np.ones_like(purchases), where=purchases > 0)
    limits = future_limits(
        used.purchases, used.spend, frequency=pair_x, T=pair_age, pair=pair, alive=alive,
        horizon_days=horizon_days, level=level, seed=seed,
    )  # fmt: skip
    per_purchase = _spend_per_purchase(known, used)
    expected = (alive * purchases[pair])[customer]
    return {
        "probability_alive": alive[customer],
        "expected_purchases": expected,
        "expected_purchases_low": limits.purchases_low[customer],
        "expected_purchases_high": limits.purchases_high[customer],
        "expected_spend": expected * per_purchase,
        "lifetime_revenue": (alive * discounted[pair])[customer] * per_purchase,
        "lifetime_revenue_low": (limits.spend_low * discount[pair])[customer] * per_purchase,
        "lifetime_revenue_high": (limits.spend_high * discount[pair])[customer] * per_purchase,
    }


def _spend_per_purchase(known: pd.DataFrame, used: Models) -> Floats:
    """Return expected spend per purchase day; 0 for a customer whose repeat purchases brought nothing."""
    spend = number_column(known, "monetary_value")
    worthless = (number_column(known, "frequency") > 0) & (spend <= 0)
    return np.where(worthless, 0.0, used.spend.expected_spend(known).to_numpy())


def _margins(known: pd.DataFrame, margin_rate: float | pd.Series | None) -> Floats:
    """Return a margin per row: the customer's own, else the given one, else NaN."""
    given = np.full(len(known), np.nan)
    if isinstance(margin_rate, pd.Series):
        if not margin_rate.index.is_unique:
            raise UsageError("margin_rate names a customer_id twice. Give one margin per customer_id.")
        given = margin_rate.reindex(known["customer_id"]).to_numpy(dtype=np.float64, na_value=np.nan)
    elif margin_rate is not None:
        given = np.full(len(known), float(margin_rate))
        if np.isnan(margin_rate):
            raise UsageError("margin_rate is not a number. Leave it out where margins are unknown.")
    if np.isinf(given).any() or (given > 1).any():
        raise UsageError("margin_rate must be a fraction of net amount, at most 1: write 0.3 for 30 %.")
    if not {"net_margin", "net_spend"} <= set(known.columns):
        return given
    margin, spend = number_column(known, "net_margin"), number_column(known, "net_spend")
    own = np.divide(margin, spend, out=np.full(len(known), np.nan), where=spend > 0)
    return np.where(np.isnan(own), given, np.clip(own, -1.0, 1.0))


def _statuses(known: pd.DataFrame, used: Models) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Return status and reason per row; the first rule that holds decides."""
    frequency, spend = number_column(known, "frequency"), number_column(known, "monetary_value")
    everybody = np.ones(len(known), dtype=bool)
    unpriced = (
        number_column(known, "unpriced_order_count") > 0 if "unpriced_order_count" in known else ~everybody
    )
    fallback = "; ".join(reason for reason in (used.purchase_fallback, used.spend_fallback) if reason)
    rules = [
        (everybody & bool(fallback), "fallback", fallback),
        (known["customer_id"].isin(used.odd_customers).to_numpy(), "low_information",
         "a history far from all others' (purchase days, age or influence); not used to fit"),
        ((frequency > 0) & (spend <= 0), "low_information",
         "repeat purchases brought no positive net spend; future spend is taken as 0"),
        ((frequency > 0) & ~np.isfinite(spend), "low_information",
         "repeat purchases have no price; the mean spend of all customers is used"),
        (odd_spend(known), "low_information", "spend per purchase far from others'; not used to fit spend"),
        (frequency == 0, "low_information",
         "no repeat purchase: the value is that of an average customer of this age"),
        (unpriced, "low_information", "some orders have no price or exchange rate: missing from spend"),
        (everybody & bool(used.remark), "low_information", used.remark),
    ]  # fmt: skip
    conditions = [rule[0] for rule in rules]
    status = np.select(conditions, [rule[1] for rule in rules], default="ok").astype(object)
    return status, np.select(conditions, [rule[2] for rule in rules], default="").astype(object)


def _check_arguments(
    summary: pd.DataFrame, horizon_days: float, annual_discount_rate: float, level: float, model: str
) -> None:
    if "customer_id" not in summary or "monetary_value" not in summary:
        raise UsageError(
            "The summary needs customer_id and monetary_value; make it with crm.clv.summary(wh, as_of=...)."
        )
    if not (np.isfinite(horizon_days) and horizon_days > 0):
        raise UsageError(f"horizon_days={horizon_days!r} must be a number of days > 0, for example 365.")
    if not 0 <= annual_discount_rate < 10:
        raise UsageError(
            f"annual_discount_rate={annual_discount_rate!r} must be a fraction per year: write 0.1 for 10 %."
        )
    if not 0 < level < 1:
        raise UsageError(f"level={level!r} must lie between 0 and 1, for example 0.9.")
    if model not in MODELS:
        raise UsageError(f"There is no purchase model {model!r}. Known: {', '.join(MODELS)}.")
