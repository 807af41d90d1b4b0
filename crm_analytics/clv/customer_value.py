"""What is each customer of a summary worth?  Purchases times spend, discounted, with limits and a status.

Units: days, fractions per year and of net amount, the reporting currency.  A purchase after u days counts
(1 + annual_discount_rate) ** (-u / 365).  lifetime_revenue is always there for a customer that can be scored;
lifetime_value is revenue times margin less the cost of serving the customer, and missing where the margin is
unknown.

Three answers stand side by side: historic (what the customer has brought so far), cohort (what the customers
first seen in the same month have brought so far, on average) and predicted (the models).  statuses.py says
how far each row may be believed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.cohort_models import Models, fit_models, summary_ids
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.cnbd import BetaGeoErlangModel, impossible_gaps
from crm_analytics.clv.models.patterns import (
    HISTORY,
    LARGEST_AMOUNT,
    impossible_rows,
    number_column,
)
from crm_analytics.clv.pattern_scores import pattern_scores
from crm_analytics.clv.statuses import statuses
from crm_analytics.errors import UsageError
from crm_analytics.modelling import arguments

Floats = NDArray[np.float64]

DEFAULT_MODEL = "bg_nbd"
_NUMBERS_OF_PANDAS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")
WRONG_GAPS = "log_gap_sum is missing, or more than gaps of so many purchases in recency days can sum to"
NO_MARGIN = "margin_rate has no margin of this customer: lifetime_value is missing"
NUMBERS = (
    "probability_alive", "expected_purchases", "expected_purchases_low", "expected_purchases_high",
    "next_purchase_days", "next_purchase_days_low", "next_purchase_days_high",
    "expected_spend", "lifetime_revenue", "lifetime_revenue_low", "lifetime_revenue_high",
    "lifetime_value", "lifetime_value_low", "lifetime_value_high",
)  # fmt: skip
PAST = ("historic_revenue", "historic_value", "cohort_revenue")
RESULTS = ("horizon_days", *PAST, *NUMBERS, "model", "status", "status_reason")
COLUMNS = (
    "customer_id", "source_system", "source_id", "horizon_days", "frequency", "recency", "T",
    "monetary_value", *PAST, *NUMBERS, "model", "status", "status_reason",
)  # fmt: skip


def score_summary(
    summary: pd.DataFrame,
    *,
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    model: str = DEFAULT_MODEL,
    models: Models | None = None,
    level: float = 0.9,
    robust: bool = True,
) -> pd.DataFrame:
    """Fit the models to a summary and score each of its customers.

    Parameters
    ----------
    summary : DataFrame
        As returned by `crm_analytics.clv.summary`; net_spend, net_margin, first_ordered_on and
        unpriced_order_count may be absent. A column serving_cost (what service and campaigns have cost
        for the customer so far) is counted against margins.
    horizon_days : float
        Length of the future window in days, default 365.
    annual_discount_rate : float
        Fraction per year, >= 0, default 0.1.
    margin_rate : float or Series, optional
        Margin where the customer's own is unknown, as a fraction of net amount, -1 to 1 (0.3, not 30): one
        for all, or indexed by customer_id (who is not in it has no value, and status_reason says so). Own
        margin: net_margin / net_spend, between -1 and 1, where the summary has both and all costs are known.
    model : str
        Key of `crm_analytics.clv.models.MODELS`, default "bg_nbd".
    models : Models, optional
        Models fitted before (`fit_models`); default: fitted to this summary.
    level : float
        Probability inside the limits, default 0.9.
    robust : bool
        True (default): odd customers count less in the fit (`fit_models`). False: the plain likelihood, which
        gives the figures of the literature and lets one odd customer move all others.

    Returns
    -------
    DataFrame
        Index as the summary. customer_id, source_system and source_id (if the summary has them),
        horizon_days, frequency, recency, T, monetary_value; historic_revenue and historic_value (margin less
        serving cost) so far; cohort_revenue; probability_alive at as_of; expected_purchases (days with a
        purchase in the horizon, at most all of its days) and the limits of their actual number;
        next_purchase_days, after which the next purchase has come with probability one half, and the limits
        between which it comes (missing: the chance that it ever comes, or within 100 years, is smaller);
        expected_spend over the horizon, not discounted; lifetime_revenue (discounted) and the limits of the
        actual; lifetime_value and its limits; model; status; status_reason ("" if ok). Numbers are missing
        where the status is excluded; probability_alive also where it is fallback.

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
    return score_with_models(
        summary,
        horizon_days=horizon_days,
        annual_discount_rate=annual_discount_rate,
        margin_rate=margin_rate,
        model=model,
        models=models,
        level=level,
        robust=robust,
    )[0]


def score_with_models(
    summary: pd.DataFrame,
    *,
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    model: str = DEFAULT_MODEL,
    models: Models | None = None,
    level: float = 0.9,
    robust: bool = True,
) -> tuple[pd.DataFrame, Models | None]:
    """Return what `score_summary` returns, and the models that scored (None where there was nobody)."""
    check_terms(horizon_days, annual_discount_rate, level, margin_rate, robust=robust)
    summary_ids(summary)
    arguments.one_of("model", model, MODELS)
    if models is not None:
        arguments.instance("models", models, Models, "fitted models (crm.clv.fit_models)")
    if models is not None and models.purchases.name != model and not models.purchase_fallback:
        if model != DEFAULT_MODEL:
            raise UsageError(
                f"models holds a {models.purchases.name!r}, but model={model!r} was asked for. Leave one out."
            )
        model = models.purchases.name
    reasons = impossible_rows(summary, in_days=True)
    reasons[(reasons == "") & _beyond_money(summary)] = "an amount is above 1e18, more than any money"
    fits = MODELS[model] if models is None else type(models.purchases)
    if issubclass(fits, BetaGeoErlangModel) and "log_gap_sum" in summary:
        reasons[(reasons == "") & impossible_gaps(summary)] = WRONG_GAPS
    valid = (reasons == "").to_numpy()
    known = summary if valid.all() else summary[valid]
    scored: dict[str, Floats] = {}
    status, named = pd.Series("excluded", index=summary.index, dtype="str"), model
    used = models
    if len(known):
        used = models or fit_models(known, model=model, robust=robust)
        scored = _past(known) | _numbers(known, used, float(horizon_days), float(annual_discount_rate), level)
        scored |= _values(known, scored, margin_rate)
        if used.purchase_fallback:
            scored["probability_alive"] = np.full(len(known), np.nan)
        found = statuses(known, used)
        if isinstance(margin_rate, pd.Series):
            found = _without_margin(*found, unknown=np.isnan(margins(known, margin_rate)))
        status, reasons = _filled(status, reasons, valid, found)
        named = "mean_rate" if used.purchase_fallback else used.purchases.name
    columns: dict[str, object] = {name: summary[name] for name in COLUMNS if name in summary}
    columns |= {"horizon_days": float(horizon_days), "status": status, "status_reason": reasons}
    columns |= {name: _spread(scored.get(name), valid) for name in (*PAST, *NUMBERS)}
    columns["model"] = named if valid.all() else np.where(valid, named, model)
    table = pd.DataFrame({name: columns[name] for name in COLUMNS if name in columns}, index=summary.index)
    return table, used


def spend_per_purchase(known: pd.DataFrame, used: Models) -> Floats:
    """Return expected spend per purchase day.

    0 for a customer whose repeat purchases brought nothing; NaN for all where no purchase has a price.
    """
    if used.priceless:
        return np.full(len(known), np.nan)
    spend = number_column(known, "monetary_value")
    worthless = (number_column(known, "frequency") > 0) & (spend <= 0)
    return np.where(worthless, 0.0, used.spend.expected_spend(known).to_numpy())


def margins(known: pd.DataFrame, margin_rate: float | pd.Series | None) -> Floats:
    """Return a margin per row: the customer's own, else the given one, else NaN."""
    given = np.full(len(known), np.nan)
    if isinstance(margin_rate, pd.Series):
        if not margin_rate.index.isin(known["customer_id"]).any() and len(known):
            raise UsageError(
                f"margin_rate names none of the {len(known):,} customers: its index must hold customer_id "
                f"(as {known['customer_id'].iloc[0]!r}), got {_first_labels(margin_rate)}. For example "
                "table.set_index('customer_id')['margin_rate']."
            )
        given = margin_rate.reindex(known["customer_id"]).to_numpy(dtype=np.float64, na_value=np.nan)
    elif margin_rate is not None:
        given = np.full(len(known), float(margin_rate))
    if not {"net_margin", "net_spend"} <= set(known.columns):
        return given
    margin, spend = number_column(known, "net_margin"), number_column(known, "net_spend")
    own = np.divide(margin, spend, out=np.full(len(known), np.nan), where=spend > 0)
    return np.where(np.isnan(own), given, np.clip(own, -1.0, 1.0))


def check_terms(
    horizon_days: float,
    annual_discount_rate: float,
    level: float,
    margin_rate: float | pd.Series | None,
    *,
    robust: bool = True,
) -> None:
    """Refuse terms of a valuation that cannot be meant, before anything is computed."""
    arguments.future_days(horizon_days)
    arguments.discount(annual_discount_rate, below=10.0)
    arguments.level(level)
    arguments.flag("robust", robust)
    if isinstance(margin_rate, pd.Series):
        _check_margins(margin_rate)
    elif margin_rate is not None:
        allowed = (
            "a number from -1 to 1, or a Series by customer_id: write 0.3 for 30 %, leave it out if unknown"
        )
        if arguments.number("margin_rate", margin_rate, allowed, least=-1.0) > 1.0:
            arguments.refuse("margin_rate", margin_rate, allowed)


def _check_margins(margin_rate: pd.Series) -> None:
    """Refuse a Series that holds no margins, one per customer; missing ones are unknown."""
    if not margin_rate.index.is_unique:
        raise UsageError("margin_rate names a customer_id twice. Give one margin per customer_id.")
    if pd.api.types.infer_dtype(margin_rate, skipna=True) not in _NUMBERS_OF_PANDAS:
        raise UsageError(f"margin_rate is not numeric (dtype {margin_rate.dtype}): write 0.3 for 30 %.")
    rates = margin_rate.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~np.isnan(rates) & ~(np.abs(rates) <= 1.0)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise UsageError(
            f"margin_rate must hold fractions of net amount from -1 to 1 (0.3 for 30 %), got "
            f"{margin_rate.iloc[first]!r} for {margin_rate.index[first]!r}."
        )


def _first_labels(column: pd.Series) -> str:
    labels = column.index[:3].tolist()
    return ", ".join(map(repr, labels)) + (", ..." if len(column) > 3 else "") if labels else "no row at all"


def serving_costs(known: pd.DataFrame) -> Floats:
    """Return what serving a customer costs per purchase day; 0 where no cost is given.

    The customer's own cost so far over its purchase days, with one purchase day at the mean of all customers
    added to both, since one ticket does not make a customer dear for ever.
    """
    if "serving_cost" not in known:
        return np.zeros(len(known))
    cost, days = np.nan_to_num(number_column(known, "serving_cost")), number_column(known, "frequency") + 1.0
    return np.asarray((cost + np.sort(cost).sum() / days.sum()) / (days + 1.0))


def _numbers(
    known: pd.DataFrame, used: Models, horizon_days: float, annual_rate: float, level: float
) -> dict[str, Floats]:
    """Return the predictions of valid rows, computed once per distinct history."""
    distinct, customer = used.purchases._histories(known).distinct(HISTORY)
    scores = pattern_scores(
        used.purchases, used.spend, distinct,
        horizon_days=horizon_days, annual_discount_rate=annual_rate, level=level,
    )  # fmt: skip
    numbers = {str(name): column.to_numpy()[customer] for name, column in scores.items()}
    each = spend_per_purchase(known, used)
    numbers["expected_spend"] = numbers["expected_purchases"] * each
    numbers["lifetime_revenue"] = numbers["discounted_purchases"] * each
    numbers["lifetime_revenue_low"] = numbers["spend_low"] * each
    numbers["lifetime_revenue_high"] = numbers["spend_high"] * each
    return numbers


def _values(
    known: pd.DataFrame, scored: dict[str, Floats], margin_rate: float | pd.Series | None
) -> dict[str, Floats]:
    """Return lifetime_value and its limits: margin of the revenue, less the cost of serving."""
    margin, cost = margins(known, margin_rate), serving_costs(known)
    # a purchase counts at most one, discounted: its number is limited by both
    served = {
        side: np.minimum(scored[f"spend{side}"], scored[f"expected_purchases{side}"])
        for side in ("_low", "_high")
    }
    ends = [margin * scored[f"lifetime_revenue{side}"] - cost * number for side, number in served.items()]
    return {
        "lifetime_value": margin * scored["lifetime_revenue"] - cost * scored["discounted_purchases"],
        "lifetime_value_low": np.minimum(*ends),
        "lifetime_value_high": np.maximum(*ends),
    }


def _without_margin(
    status: pd.Series, reasons: pd.Series, *, unknown: NDArray[np.bool_]
) -> tuple[pd.Series, pd.Series]:
    """Return status and reason that tell whom the given margins leave without a value."""
    told = (reasons + "; " + NO_MARGIN).where(reasons != "", NO_MARGIN)
    return status.mask(unknown & (status == "ok"), "low_information"), reasons.mask(unknown, told)


def _filled(
    status: pd.Series, reasons: pd.Series, valid: NDArray[np.bool_], known: tuple[pd.Series, pd.Series]
) -> tuple[pd.Series, pd.Series]:
    """Return status and reason of all rows, given those of the valid ones."""
    if valid.all():
        return known
    reasons = reasons.astype("str")
    status[valid], reasons[valid] = known
    return status, reasons


def _spread(values: Floats | None, valid: NDArray[np.bool_]) -> Floats:
    """Return the numbers of the valid rows among those of all rows; the others are missing."""
    if values is not None and valid.all():
        return values
    everywhere = np.full(len(valid), np.nan)
    if values is not None:
        everywhere[valid] = values
    return everywhere


def _past(known: pd.DataFrame) -> dict[str, Floats]:
    """Return what each customer, and on average its cohort (month of the first purchase), has brought."""
    unknown = np.full(len(known), np.nan)
    revenue = number_column(known, "net_spend") if "net_spend" in known else unknown
    margin = number_column(known, "net_margin") if "net_margin" in known else unknown
    cost = np.nan_to_num(number_column(known, "serving_cost")) if "serving_cost" in known else 0.0
    cohort = _cohort_means(known["first_ordered_on"], revenue) if "first_ordered_on" in known else unknown
    return {"historic_revenue": revenue, "historic_value": margin - cost, "cohort_revenue": cohort}


def _cohort_means(first_days: pd.Series, revenue: Floats) -> Floats:
    """Return, per row, the mean revenue of the priced customers first seen in the same month."""
    month = pd.to_datetime(first_days).to_numpy("datetime64[M]").astype(np.int64)
    months, cohort = np.unique(month, return_inverse=True)
    priced = np.flatnonzero(np.isfinite(revenue))
    # in ascending order, so that the order of the rows changes no bit of a sum
    ascending = priced[np.lexsort((revenue[priced], cohort[priced]))]
    total = np.bincount(cohort[ascending], revenue[ascending], len(months))
    count = np.bincount(cohort[ascending], minlength=len(months))
    means = np.divide(total, count, out=np.full(len(months), np.nan), where=count > 0)
    return np.asarray(means[cohort])


def _beyond_money(summary: pd.DataFrame) -> NDArray[np.bool_]:
    """Return in which rows an amount is larger than any money, so that products of it would be infinite."""
    beyond = np.zeros(len(summary), dtype=bool)
    for name in ("monetary_value", "net_spend", "net_margin", "serving_cost"):
        if name in summary:
            amounts = number_column(summary, name)
            beyond |= np.isfinite(amounts) & (np.abs(amounts) > LARGEST_AMOUNT)
    return beyond
