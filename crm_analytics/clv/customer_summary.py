"""What did each customer do before as_of, in the three numbers and one amount that CLV models use?

The work is one GROUP BY in summary.sql, beside this file; a million orders take about a second.
"""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd

from crm_analytics.facts import settle_currency
from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse


def summary(wh: Warehouse, *, as_of: date, known_at: datetime | None = None) -> pd.DataFrame:
    """Return one row per customer with a purchase before as_of, ordered by customer_id.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are.
    as_of : date
        First day not seen; T ends on the day before.
    known_at : datetime, optional
        What was recorded later is left out: late arrivals, edits, withdrawals. Default: all that is known.

    Returns
    -------
    DataFrame
        customer_id, source_system, source_id, frequency, recency (days), T (days), monetary_value (mean net
        spend per repeat purchase day, 0 if frequency = 0), log_gap_sum (sum of the logarithms of the days
        between neighbouring purchase days), log_spend_sum (sum of the logarithms of the amounts of repeat
        purchase days; missing where one is not known or not above zero), first_ordered_on,
        last_ordered_on, order_count, net_spend, net_margin, unpriced_order_count. Several orders on one day
        are one purchase day. Customers without a purchase, and test or internal ones, are not in it.

    Raises
    ------
    CurrencyError
        Orders are in several currencies and no reporting currency was chosen.

    Examples
    --------
    >>> with Warehouse.open(":memory:") as wh:
    ...     summary(wh, as_of=date(2024, 1, 1)).columns[3:7].tolist()
    ['frequency', 'recency', 'T', 'monetary_value']
    """
    as_of = arguments.day("as_of", as_of)
    if known_at is not None:
        arguments.instance("known_at", known_at, datetime, "a datetime, or None")
    settle_currency(arguments.warehouse(wh))
    return wh.frame(SqlFile.beside(__file__, "summary.sql"), as_of=as_of, known_at=known_at)
