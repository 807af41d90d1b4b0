"""How long did each contract last, and does it still run?  Input of the shifted beta-geometric model.

The work is one SELECT in contract_lives.sql, beside this file, which says how days become periods.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse


def contract_lives(wh: Warehouse, *, as_of: date, period_days: int | None = None) -> pd.DataFrame:
    """Return one row per contract that began before as_of, ordered by contract_id.

    Parameters
    ----------
    wh : Warehouse
        Where the contracts are.
    as_of : date
        First day not seen.
    period_days : int, optional
        Days from one renewal to the next, >= 1; None (default) = each contract's billing period. One model
        serves contracts of one period: ask for one, or fit the groups of period_days apart.

    Returns
    -------
    DataFrame
        contract_id, customer_id, cohort (month of the start), started_on, period_days, periods, has_ended,
        period_amount (per billing period, reporting currency). Contracts without a billing period are left
        out unless period_days is given.

    Raises
    ------
    UsageError
        period_days is no whole number of days >= 1.

    Examples
    --------
    >>> with Warehouse.open(":memory:") as wh:
    ...     contract_lives(wh, as_of=date(2024, 1, 1)).columns[4:7].tolist()
    ['period_days', 'periods', 'has_ended']
    """
    if period_days is not None:
        period_days = arguments.whole("period_days", period_days, least=1, what=" of days")
    return arguments.warehouse(wh).frame(
        SqlFile.beside(__file__, "contract_lives.sql"),
        as_of=arguments.day("as_of", as_of),
        period_days=period_days,
    )
