"""What is each customer of a warehouse worth over the next horizon_days?

customer_value.py does the work on a summary and explains units, statuses and limits; table.sql declares the
table in which the night keeps the result.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from crm_analytics.clv.customer_summary import summary
from crm_analytics.clv.customer_value import score_summary
from crm_analytics.warehouse import Warehouse


def lifetime_value(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    model: str = "bg_nbd",
    level: float = 0.9,
) -> pd.DataFrame:
    """Return the expected value of every customer with a purchase before as_of, ordered by customer_id.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are.
    as_of : date
        First day not seen, and the first day of the horizon.
    horizon_days, annual_discount_rate, margin_rate, model, level
        As in `score_summary`.

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
    return score_summary(
        summary(wh, as_of=as_of),
        horizon_days=horizon_days,
        annual_discount_rate=annual_discount_rate,
        margin_rate=margin_rate,
        model=model,
        level=level,
    )
