"""What is each customer of a warehouse worth over the next horizon_days?

customer_value.py does the work on a summary and explains units, statuses and limits; table.sql declares the
table in which the night keeps the result.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from crm_analytics.clv.cohort_models import Models
from crm_analytics.clv.compare import compare_summary
from crm_analytics.clv.customer_summary import summary
from crm_analytics.clv.customer_value import DEFAULT_MODEL, check_terms, score_with_models
from crm_analytics.clv.models import MODELS
from crm_analytics.errors import NotEnoughData
from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse


def lifetime_value(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    ticket_cost: float = 0.0,
    model: str | None = None,
    level: float = 0.9,
    robust: bool = True,
) -> pd.DataFrame:
    """Return the expected value of every customer with a purchase before as_of, ordered by customer_id.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are.
    as_of : date
        First day not seen, and the first day of the horizon.
    horizon_days, annual_discount_rate, margin_rate, level, robust
        As in `score_summary`.
    ticket_cost : float
        What answering one ticket costs, in the reporting currency, default 0; counted against margins, as
        are the costs of campaigns that the warehouse knows.
    model : str, optional
        Key of `crm_analytics.clv.models.MODELS`; default: the winner of `compare` at as_of (which takes some
        seconds; the night uses the choice that was saved, see `choose_model`), or "bg_nbd" where nothing can
        be compared.

    Returns
    -------
    DataFrame
        As `score_summary`. Empty if nobody has bought.

    Raises
    ------
    DegenerateCohortError
        All customers were first seen on the last day: no time has passed from which to learn.

    Examples
    --------
    >>> with Warehouse.open(":memory:") as wh:
    ...     len(lifetime_value(wh, as_of=date(2024, 1, 1)))
    0
    """
    return value_with_models(
        wh,
        as_of=as_of,
        horizon_days=horizon_days,
        annual_discount_rate=annual_discount_rate,
        margin_rate=margin_rate,
        ticket_cost=ticket_cost,
        model=model,
        level=level,
        robust=robust,
    )[0]


def value_with_models(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    ticket_cost: float = 0.0,
    model: str | None = None,
    level: float = 0.9,
    robust: bool = True,
) -> tuple[pd.DataFrame, Models | None]:
    """Return what `lifetime_value` returns, and the fitted models (None where nobody could be scored).

    Parameters
    ----------
    wh, as_of, horizon_days, annual_discount_rate, margin_rate, ticket_cost, model, level, robust
        As of `lifetime_value`.
    """
    check_terms(horizon_days, annual_discount_rate, level, margin_rate, robust=robust)
    if model is not None:
        arguments.one_of("model", model, MODELS)
    known = costed_summary(wh, as_of=as_of, ticket_cost=ticket_cost)
    return score_with_models(
        known,
        horizon_days=horizon_days,
        annual_discount_rate=annual_discount_rate,
        margin_rate=margin_rate,
        model=model or winner(wh, known, as_of=as_of),
        level=level,
        robust=robust,
    )


def costed_summary(wh: Warehouse, *, as_of: date, ticket_cost: float = 0.0) -> pd.DataFrame:
    """Return the summary with the column serving_cost: campaigns and tickets of each customer so far."""
    arguments.number("ticket_cost", ticket_cost, "an amount >= 0 in the reporting currency", least=0.0)
    known = summary(wh, as_of=as_of)
    costs = wh.frame(SqlFile.beside(__file__, "customer_costs.sql"), as_of=as_of).set_index("customer_id")
    costs = costs.reindex(known["customer_id"]).fillna(0.0)
    total = costs["campaign_cost"].to_numpy(dtype=np.float64) + ticket_cost * costs["ticket_count"].to_numpy()
    return known.assign(serving_cost=total)


def winner(wh: Warehouse, known: pd.DataFrame, *, as_of: date) -> str:
    """Return the model that `compare` prefers at as_of; the default where nothing can be compared."""
    try:
        return compare_summary(wh, known, as_of=as_of).winner
    except NotEnoughData:
        return DEFAULT_MODEL
