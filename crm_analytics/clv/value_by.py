"""What is each segment, channel or cohort worth, and what did it cost to win?

Historic, predicted and cost of acquisition side by side, per group; limits are those of a group's total
(group_totals.py).  Money in the reporting currency.  Advertising before as_of is the cost of acquisition: a
channel's own spend for channels, a month's spend for cohorts (months of the first purchase), everything for
the whole; other groups were not advertised for, so theirs is unknown.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.cohort_models import fit_models
from crm_analytics.clv.customer_value import check_terms, margins, serving_costs, spend_per_purchase
from crm_analytics.clv.group_totals import TOTALS, group_totals
from crm_analytics.clv.lifetime_value import costed_summary, winner
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.patterns import impossible_rows, number_column
from crm_analytics.errors import UsageError
from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse

Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

GROUPS = ("all", "segment", "channel", "cohort", "country", "type")
UNKNOWN = "unknown"
COLUMNS = (
    "customers", "historic_revenue", "historic_value",
    *TOTALS,
    "customers_without_value", "lifetime_value_of_the_others", "lifetime_value_per_customer",
    "acquisition_cost", "acquired_customers", "cost_per_customer",
    "value_to_cost", "revenue_to_cost",
)  # fmt: skip


def value_by(
    wh: Warehouse,
    *,
    as_of: date,
    by: str | pd.Series = "segment",
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    ticket_cost: float = 0.0,
    model: str | None = None,
    level: float = 0.9,
    robust: bool = True,
) -> pd.DataFrame:
    """Return the value of groups of customers, and what they cost to win.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are.
    as_of : date
        First day not seen, and the first day of the horizon.
    by : str or Series
        "all", "segment" (kept by the night of as_of), "channel" (how the customer was won), "cohort" (month
        of the first purchase), "country" or "type"; or a group per customer, indexed by customer_id. A
        customer without a group is in the group "unknown".
    horizon_days, annual_discount_rate, margin_rate, ticket_cost, model, level, robust
        As in `lifetime_value`.

    Returns
    -------
    DataFrame
        Index: the group. customers; historic_revenue and historic_value so far (missing where a part is
        unknown); expected_purchases, lifetime_revenue and lifetime_value over the horizon, each with the
        limits of the actual total (_low, _high); lifetime_value is missing where a margin is, so
        customers_without_value says of how many, and lifetime_value_of_the_others what all others are worth
        together; lifetime_value_per_customer, of these others; acquisition_cost,
        acquired_customers (first purchase since the first day of that spend), cost_per_customer (CAC), and
        value_to_cost: what the acquired are worth (historic and predicted value) per unit of that cost
        (CLV:CAC), revenue_to_cost the same in revenue. Missing where no spend is known.

    Raises
    ------
    UsageError
        The grouping is unknown, or nobody has a segment at as_of.
    DegenerateCohortError
        All customers were first seen on the last day.

    Examples
    --------
    >>> with Warehouse.open(":memory:") as wh:
    ...     len(value_by(wh, as_of=date(2024, 1, 1), by="channel"))
    0
    """
    if not isinstance(by, pd.Series) and by not in GROUPS:
        arguments.refuse("by", by, f"one of {', '.join(GROUPS)}, or a Series by customer_id")
    check_terms(horizon_days, annual_discount_rate, level, margin_rate, robust=robust)
    if model is not None:
        arguments.one_of("model", model, MODELS)
    known = costed_summary(wh, as_of=as_of, ticket_cost=ticket_cost)
    known = known[impossible_rows(known) == ""].reset_index(drop=True)
    labels = _labels(wh, known, by, as_of)
    names, group = np.unique(labels.to_numpy(dtype=object).astype(str), return_inverse=True)
    index = pd.Index(names, name=by if isinstance(by, str) else "group")
    if known.empty:
        return pd.DataFrame(columns=list(COLUMNS), index=index, dtype=float)
    used = fit_models(known, model=model or winner(wh, known, as_of=as_of), robust=robust)
    costs = serving_costs(known)

    def totals(some: Flags) -> pd.DataFrame:
        found = group_totals(
            known[some], used, group[some],
            horizon_days=float(horizon_days), annual_discount_rate=annual_discount_rate,
            margin_rate=margin_rate, level=level, costs=costs[some],
        )  # fmt: skip
        return found.reindex(range(len(names))).set_index(index)

    everybody = np.ones(len(known), dtype=bool)
    result = totals(everybody).join(_past(known, group, everybody, index))
    result.insert(0, "customers", np.bincount(group, minlength=len(names)))
    valued = np.isfinite(margins(known, margin_rate)) & np.isfinite(spend_per_purchase(known, used))
    without = np.bincount(group[~valued], minlength=len(names))
    result["customers_without_value"] = without
    others = totals(valued)["lifetime_value"] if without.any() else result["lifetime_value"]
    result["lifetime_value_of_the_others"] = others
    result["lifetime_value_per_customer"] = others / (result["customers"] - without).where(lambda n: n > 0)
    spent, since = _acquisition(wh, as_of, by, names)
    days = pd.to_datetime(known["first_ordered_on"]).to_numpy("datetime64[ns]")
    # a missing day is never reached
    acquired = days >= pd.to_datetime(since).to_numpy("datetime64[ns]")[group]
    result["acquisition_cost"] = spent
    result["acquired_customers"] = np.where(
        np.isnan(spent), np.nan, np.bincount(group[acquired], minlength=len(names))
    )
    result["cost_per_customer"] = _ratio(result["acquisition_cost"], result["acquired_customers"])
    result[["value_to_cost", "revenue_to_cost"]] = np.nan
    if acquired.any():
        future, past = totals(acquired), _past(known, group, acquired, index)
        for name in ("value", "revenue"):
            worth = future[f"lifetime_{name}"] + past[f"historic_{name}"]
            result[f"{name}_to_cost"] = _ratio(worth, result["acquisition_cost"])
    return result[list(COLUMNS)]


def _labels(wh: Warehouse, known: pd.DataFrame, by: str | pd.Series, as_of: date) -> pd.Series:
    """Return the group of every customer of the summary."""
    if isinstance(by, pd.Series):
        if not by.index.is_unique:
            raise UsageError("by names a customer_id twice. Give one group per customer_id.")
        labels = by.astype(object).reindex(known["customer_id"])
    elif by == "all":
        labels = pd.Series("all", index=known.index, dtype=object)
    elif by == "cohort":
        labels = pd.to_datetime(known["first_ordered_on"]).dt.strftime("%Y-%m").astype(object)
    else:
        found = wh.frame(SqlFile.beside(__file__, "value_by.sql"), as_of=as_of).set_index("customer_id")[by]
        labels = found.astype(object).reindex(known["customer_id"])
        if by == "segment" and len(known) and labels.isna().all():
            raise UsageError(
                f"No segments are kept for {as_of}: run the night of that day, or pass by=crm.segmentation"
                ".rfm(wh, as_of=...).set_index('customer_id')['segment']."
            )
    return labels.where(labels.notna(), UNKNOWN)


def _past(known: pd.DataFrame, group: Indices, some: Flags, index: pd.Index) -> pd.DataFrame:
    """Return historic_revenue and historic_value of some customers; missing where a part is unknown."""
    earned = {
        "historic_revenue": number_column(known, "net_spend"),
        "historic_value": number_column(known, "net_margin") - number_column(known, "serving_cost"),
    }
    sums = {
        # NaN, where one part is
        name: np.bincount(group[some], values[some], len(index))
        for name, values in earned.items()
    }
    return pd.DataFrame(sums, index=index)


def _acquisition(
    wh: Warehouse, as_of: date, by: str | pd.Series, names: NDArray[np.str_]
) -> tuple[NDArray[np.float64], pd.Series]:
    """Return per group what advertising has cost (NaN: none known) and since when it is known."""
    spend = wh.frame(SqlFile.beside(__file__, "acquisition.sql"), as_of=as_of)
    month = pd.to_datetime(spend["spent_month_on"])
    if isinstance(by, str) and by in ("all", "channel", "cohort"):
        owner = {"all": pd.Series("all", index=spend.index), "channel": spend["channel"]}.get(
            by, month.dt.strftime("%Y-%m")
        )
        cost = spend["amount"].groupby(owner).apply(lambda amounts: amounts.sum(skipna=False))
        since = month.groupby(owner).min()
        return cost.reindex(names).to_numpy(dtype=np.float64), since.reindex(names).reset_index(drop=True)
    return np.full(len(names), np.nan), pd.Series(pd.NaT, index=range(len(names)))


def _ratio(worth: pd.Series, cost: pd.Series) -> pd.Series:
    return worth / cost.where(cost > 0)
