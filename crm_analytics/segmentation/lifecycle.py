"""In which state of its life with us is each customer, and since when?  `lifecycle.sql` defines it, once.

States: prospect, new, active, at_risk, lapsed, won_back. Limits come from each customer's own rhythm unless
they are given; the SQL file says how. Days are business days of the warehouse.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from crm_analytics.errors import UsageError
from crm_analytics.modelling.arguments import optional_days
from crm_analytics.warehouse import SqlFile, Warehouse


def lifecycle(
    wh: Warehouse, *, as_of: date, at_risk_days: int | None = None, lapsed_days: int | None = None
) -> pd.DataFrame:
    """Return the state of every customer at `as_of`.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    at_risk_days, lapsed_days : int, optional
        Days of silence after which any customer is at risk, or has lapsed; default from the customer's own
        rhythm (twice and four times the usual gap, at least 14 and 28 days).

    Returns
    -------
    DataFrame
        One row per customer (test and internal ones left out), ordered by customer_id: customer_id,
        lifecycle_state, since_on (day on which it began), until_on (always missing: the state holds),
        usual_gap_days (missing for who never bought).

    Raises
    ------
    UsageError
        A limit is below 1, or nobody could be at risk before having lapsed.

    Examples
    --------
    >>> from datetime import date
    >>> from crm_analytics import Warehouse
    >>> lifecycle(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    return _spans(wh, as_of, at_risk_days, lapsed_days, is_current_only=True)


def lifecycle_transitions(
    wh: Warehouse, *, as_of: date, at_risk_days: int | None = None, lapsed_days: int | None = None
) -> pd.DataFrame:
    """Return every state that every customer went through before `as_of`, with its days.

    Parameters
    ----------
    wh, as_of, at_risk_days, lapsed_days
        As of `lifecycle`.

    Returns
    -------
    DataFrame
        Columns as of `lifecycle`; one row per state, the last of a customer without until_on. The days are
        those that today's knowledge gives: what a night said is in ``scores.lifecycle``.

    Examples
    --------
    >>> from datetime import date
    >>> from crm_analytics import Warehouse
    >>> lifecycle_transitions(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    return _spans(wh, as_of, at_risk_days, lapsed_days, is_current_only=False)


def _spans(
    wh: Warehouse, as_of: date, at_risk_days: int | None, lapsed_days: int | None, *, is_current_only: bool
) -> pd.DataFrame:
    at_risk_days = optional_days("at_risk_days", at_risk_days, what=" of silence")
    lapsed_days = optional_days("lapsed_days", lapsed_days, what=" of silence")
    if at_risk_days is not None and lapsed_days is not None and lapsed_days <= at_risk_days:
        raise UsageError(
            f"lapsed_days={lapsed_days} must be more than at_risk_days={at_risk_days}: "
            "who has lapsed was at risk first."
        )
    with wh.holding("orders_before", "order_days_before", "customers_before", as_of=as_of):
        return wh.frame(
            SqlFile.beside(__file__, "lifecycle.sql"),
            as_of=as_of,
            at_risk_days=at_risk_days,
            lapsed_days=lapsed_days,
            is_current_only=is_current_only,
        )
