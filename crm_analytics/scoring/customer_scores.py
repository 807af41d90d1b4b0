"""What do we think of each customer tonight?  One row per customer with every score of one night.

The scores are read from the ``scores`` tables of that night, never computed here. Segments must be there;
value, churn (of purchases, and of contracts) and offers may be missing where there were too few data for
them, and the statuses say so.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from crm_analytics.errors import UsageError
from crm_analytics.warehouse import SqlFile, Warehouse


def customer_scores(wh: Warehouse, *, as_of: date) -> pd.DataFrame:
    """Return one row per customer known before `as_of`, with all scores computed for that day.

    Parameters
    ----------
    wh : Warehouse
        Where a night has written its scores.
    as_of : date
        Day of the scores.

    Returns
    -------
    DataFrame
        Ordered by customer_id; columns as in customer_scores.sql. ``value_status``, ``churn_status``
        and ``contract_churn_status`` say why a score is missing: no_purchase, no_contract, not_computed (too
        few data that night), inactive, excluded.

    Raises
    ------
    UsageError
        Customers have bought before `as_of`, but there are no segments of that day.

    Examples
    --------
    >>> customer_scores(Warehouse.open(), as_of=date(2024, 1, 1)).shape[0]
    0
    """
    found = wh.frame(SqlFile.beside(__file__, "customer_scores.sql"), as_of=as_of)
    if found["segment"].isna().all():
        buyers = wh.value(
            "select count(*) from facts.order_days_before($as_of) where is_purchase_day", as_of=as_of
        )
        if buyers and not found["is_excluded"].all():
            raise UsageError(_missing(wh, as_of))
    return found


def _missing(wh: Warehouse, as_of: date) -> str:
    nights = wh.rows("select distinct as_of from scores.rfm order by as_of desc limit 3")
    there = ", ".join(str(night[0]) for night in nights) or "none"
    return (
        f"scores.rfm has no rows of {as_of}, so there is nothing to bring together. Run the night of that "
        f"day (crm.nightly.run(wh, settings, as_of=...)). Nights that are there: {there}."
    )
