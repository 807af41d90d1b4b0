"""Which of its opportunities to buy did each customer use, if there is one per period?  Input of BG/BB.

The work is one GROUP BY in opportunity_summary.sql, beside this file.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse


def opportunity_summary(wh: Warehouse, *, as_of: date, period_days: int) -> pd.DataFrame:
    """Return one row per customer with a purchase before as_of, ordered by customer_id.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are.
    as_of : date
        First day not seen; the last period ends on the day before.
    period_days : int
        Days from one opportunity to the next, >= 1: 7 for weekly, 365 for yearly ones.

    Returns
    -------
    DataFrame
        customer_id, source_system, source_id, frequency (periods with a purchase after the first such),
        recency and T (days, whole multiples of period_days), period_days. To be used with
        ``BetaGeoBetaBinomModel(period_days)``. What happened before the period of the first purchase is no
        missed opportunity; several purchases in a period are one.

    Raises
    ------
    UsageError
        period_days is no whole number of days >= 1.

    Examples
    --------
    >>> with Warehouse.open(":memory:") as wh:
    ...     opportunity_summary(wh, as_of=date(2024, 1, 1), period_days=30).columns[3:].tolist()
    ['frequency', 'recency', 'T', 'period_days']
    """
    return arguments.warehouse(wh).frame(
        SqlFile.beside(__file__, "opportunity_summary.sql"),
        as_of=arguments.day("as_of", as_of),
        period_days=arguments.whole("period_days", period_days, least=1, what=" of days"),
    )
