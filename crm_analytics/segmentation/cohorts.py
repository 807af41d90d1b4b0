"""Do newer customers stay as the older ones did?  Cohorts by the period of the first purchase.

A cohort is everybody who first bought in a month (or quarter) of business days; age counts periods since.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import pandas as pd

from crm_analytics.errors import UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import refuse, result_table
from crm_analytics.warehouse import SqlFile, Warehouse

Period = Literal["month", "quarter"]


def cohorts(wh: Warehouse, *, as_of: date, period: Period = "month") -> pd.DataFrame:
    """Follow each cohort through the periods after its first purchase.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    period : {"month", "quarter"}
        Length of a period, by the calendar.

    Returns
    -------
    DataFrame
        cohort_on, age, customer_count, cohort_size, net_spend, is_complete (see ``cohorts.sql``), and
        buying_share (customer_count / cohort_size); ordered by cohort_on and age.

    Examples
    --------
    >>> cohorts(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    if period not in ("month", "quarter"):
        raise UsageError(f"period={period!r} is no period here. Use 'month' or 'quarter'.")
    settle_currency(wh)
    with wh.holding("orders_before", "order_days_before", "customers_before", as_of=as_of):
        found = wh.frame(SqlFile.beside(__file__, "cohorts.sql"), as_of=as_of, period=period)
    return found.assign(buying_share=found["customer_count"] / found["cohort_size"])


def cohort_triangle(found: pd.DataFrame, *, column: str = "buying_share") -> pd.DataFrame:
    """Return `cohorts` as a triangle: a row per cohort, a column per age, NaN where the period is not over.

    Parameters
    ----------
    found : DataFrame
        As `cohorts` returned it.
    column : str, default "buying_share"
        What is shown; ``net_spend`` is divided by the customers of the cohort.

    Raises
    ------
    UsageError
        `found` is not what `cohorts` returned, or has no such column.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {"cohort_on": ["2024-01", "2024-01", "2024-02"], "age": [0, 1, 0], "cohort_size": [4, 4, 2],
    ...      "net_spend": [40.0, 10.0, 30.0], "is_complete": True}
    ... )
    >>> cohort_triangle(rows, column="net_spend").to_numpy().tolist()
    [[10.0, 2.5], [15.0, nan]]
    """
    if not isinstance(column, str):
        refuse("column", column, "the name of a column, such as buying_share or net_spend")
    numbers = ("age", "cohort_size", column) if column == "net_spend" else ("age", column)
    made_by = "segmentation.cohorts(wh, as_of=...)"
    found = result_table(
        "found", found, made_by=made_by, numbers=numbers, others=("cohort_on", "is_complete")
    )
    if found.duplicated(["cohort_on", "age"]).any():
        raise UsageError(f"found has a cohort_on and age more than once: give it what {made_by} returns.")
    whole = found[found["is_complete"].astype(bool)]
    values = whole[column].astype("float64")
    if column == "net_spend":
        values = values / whole["cohort_size"]
    triangle = whole.assign(shown=values).pivot(index="cohort_on", columns="age", values="shown")
    return triangle.sort_index().sort_index(axis=1)
