"""How many customers, and how much of their money, do we keep?  Retention rates, and when customers leave.

Definitions (in full in the header of each SQL file):

- *logo churn*: of the customers of the earlier window (with a contract running at the start), the share
  that is not there in the later one (at the end).
- *gross revenue retention*: per such customer the smaller of both amounts, summed, over the earlier sum:
  what was kept, growth not counted, so never above 1. *Revenue churn* is 1 minus it.
- *net revenue retention*: what the same customers spend (pay) now over what they did; new ones never count.
- *unknown amounts*: money is compared of the starting customers whose amounts are known at both ends (of
  `unknown_amount_count` a price or rate is missing); with more than a twentieth unknown, it has no rates.
- *covered*: the data reach back to the start of the earlier window (a twentieth of it may be missing), or, of
  contracts, to the start of the window. Rates of a window that is not covered would compare a whole window
  with a part of one, so they are not given.
- *leaving*: no purchase in the horizon that follows, among those who could have: a rate with 95 % limits
  (Wilson 1927), by days of silence or by tenure. Cohorts are in `crm_analytics.segmentation`.

Amounts are in the reporting currency: purchases at the rate of their day; contracts per 30 days, at both ends
of a window at the one rate of its start, so that a moving currency is no loss of customers. Test and internal
customers are left out.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from crm_analytics.churn.activity import active_days as usual_days
from crm_analytics.errors import UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import day_count, one_of, optional_days, whole
from crm_analytics.modelling.evaluate import wilson_limits
from crm_analytics.warehouse import SqlFile, Warehouse, check_day

RETENTION_OF = {"purchases": "retention_purchases.sql", "contracts": "retention_contracts.sql"}
# Facts that every question here reads; computed once for its day. What others rest on comes first.
HELD = ("orders_before", "order_days_before", "customers_before")
LEAST_CUSTOMERS = 30  # below, a rate of money says little
_MISSING_PART = 0.05
LEAVING_BY = {"silence": "leaving_by_silence.sql", "tenure": "leaving_by_tenure.sql"}


def retention(
    wh: Warehouse, *, as_of: date, period_days: int = 365, period_count: int = 3, of: str = "purchases"
) -> pd.DataFrame:
    """Return logo churn, revenue churn, gross and net revenue retention per period, oldest first.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen; the last period ends before it.
    period_days : int, default 365
        Length of a period. Purchases: customers must have bought in the period before to count, so a short
        one makes slow buyers look lost.
    period_count : int, default 3
        Periods.
    of : str, default "purchases"
        ``purchases`` or ``contracts``.

    Returns
    -------
    DataFrame
        One row per period: the counts and amounts of retention_purchases.sql or retention_contracts.sql
        (amounts are NaN, never 0, where those of all starting customers are unknown), then, as defined above,
        ``is_covered``, ``has_few_customers`` (fewer than 30 at the start: take the rates of money as
        anecdotes), ``logo_churn_rate`` with its 95 % limits ``logo_churn_low`` and ``logo_churn_high``,
        ``gross_retention_rate``, ``revenue_churn_rate`` and ``net_retention_rate`` (above 1 = those who
        stayed grew by more than was lost). Rates are NaN where the window is not covered, nobody was there at
        the start, or no amount was; those of money also where the amounts of more than a twentieth of the
        starting customers are unknown.

    Examples
    --------
    >>> found = retention(Warehouse.open(), as_of=date(2024, 1, 1), period_count=2)
    >>> found["from_on"].astype(str).tolist(), found["starting_count"].tolist()
    (['2022-01-01', '2023-01-01'], [0, 0])
    """
    one_of("of", of, RETENTION_OF)
    check_day(as_of)
    period_days = day_count("period_days", period_days)
    period_count = whole("period_count", period_count, least=1, what=" of periods")
    if period_days * (period_count + 1) >= as_of.toordinal():
        raise UsageError(
            f"period_count={period_count} periods of period_days={period_days} begin before the first day of "
            "the calendar. Use fewer or shorter ones."
        )
    settle_currency(wh)
    file = SqlFile.beside(__file__, RETENTION_OF[of])
    ends = [as_of - timedelta(days=period_days * number) for number in range(period_count + 1)][::-1]
    rows = []
    for start, end in pairwise(ends):
        with wh.holding(*HELD, as_of=end):
            rows.append(wh.frame(file, from_on=start, until_on=end))
    found = pd.concat(rows, ignore_index=True)
    began_on = pd.to_datetime(found["began_on"])
    latest = pd.to_datetime(found["from_on"])
    if of == "purchases":
        latest -= pd.Timedelta(days=period_days - int(_MISSING_PART * period_days))
    is_covered = began_on <= latest
    customers = found["starting_count"].astype("float64").where(is_covered & (found["starting_count"] > 0))
    is_priced = found["unknown_amount_count"] <= _MISSING_PART * found["starting_count"]
    amount = found["starting_amount"].where(is_covered & is_priced & (found["starting_amount"] > 0))
    kept = found["kept_amount"] / amount
    lost = found["lost_count"] / customers
    low, high = wilson_limits(lost.to_numpy(dtype=np.float64), customers.to_numpy())
    return found.assign(
        is_covered=is_covered,
        has_few_customers=found["starting_count"] < LEAST_CUSTOMERS,
        logo_churn_rate=lost,
        logo_churn_low=low,
        logo_churn_high=high,
        gross_retention_rate=kept,
        revenue_churn_rate=1.0 - kept,
        net_retention_rate=found["later_amount"] / amount,
    )


def leaving_rates(
    wh: Warehouse,
    *,
    as_of: date,
    by: str = "silence",
    horizon_days: int = 90,
    active_days: int | None = None,
) -> pd.DataFrame:
    """Return when customers leave: the share without a purchase in the horizon, by silence or tenure.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen.
    by : str, default "silence"
        ``silence``: days since the last purchase. ``tenure``: days since the first one.
    horizon_days : int, default 90
        Window in which they might have come back.
    active_days : int, optional
        By tenure: only who had bought within so many days before is asked. Default: what the data show, as
        `train` takes it.

    Returns
    -------
    DataFrame
        ``silent_days``, or ``tenure_days`` and ``has_bought_again`` (who bought once so far is apart), then
        ``case_count``, ``left_count``, ``leaving_rate`` and its 95 % limits ``low``, ``high``. A customer is
        a case at every step reached, so neighbours are alike.

    Examples
    --------
    >>> leaving_rates(Warehouse.open(), as_of=date(2024, 1, 1)).columns[0]
    'silent_days'
    """
    one_of("by", by, LEAVING_BY)
    horizon_days = day_count("horizon_days", horizon_days)
    active_days = optional_days("active_days", active_days)
    file = SqlFile.beside(__file__, LEAVING_BY[by])
    with wh.holding(*HELD, as_of=as_of):
        given: dict[str, object] = {"as_of": as_of, "horizon_days": horizon_days}
        if "active_days" in file.parameters:
            given["active_days"] = usual_days(wh, as_of=as_of, horizon_days=horizon_days, given=active_days)
        found = wh.frame(file, **given)
    size = found["case_count"].to_numpy(dtype=np.float64)
    rate = found["left_count"].to_numpy(dtype=np.float64) / size
    low, high = wilson_limits(rate, size)
    return found.assign(leaving_rate=rate, low=low, high=high)
