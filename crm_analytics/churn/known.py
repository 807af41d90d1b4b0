"""What do we know of each customer at a day, theory included?  The features, and what theory says.

Theory says log-odds of leaving: for customers who may fall silent the closed form of the purchase model,
for contracts the curve of their ages (`crm_analytics.churn.kinds`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from crm_analytics.churn.features import feature_themes, features
from crm_analytics.warehouse import Warehouse

if TYPE_CHECKING:
    from crm_analytics.churn.kinds import Kind

THEORY = "closed_form_log_odds"
CURVE = "survival_curve_log_odds"
# The purchase model knows the rhythm of buying and nothing else, so its word belongs to that theme.
THEMES_OF_COLUMNS = {**feature_themes(), THEORY: "rhythm", CURVE: "contracts"}


def known(
    wh: Warehouse,
    kind: Kind,
    *,
    as_of: date,
    horizon_days: int,
    customers: pd.Series,
    history: pd.DataFrame,
    theory: Any,
    active_days: int | None = None,
    known_at: datetime | None = None,
) -> pd.DataFrame:
    """Return the features of customers whom a kind of churn asks about, and what theory says.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    kind : Kind
        Purchases or contracts.
    as_of : date
        First day not seen.
    horizon_days : int
        Window that is to be predicted.
    customers : Series of str
        Whom to look at, sorted.
    history : DataFrame
        ``kind.history`` at `as_of`.
    theory : optional
        As ``kind.fit_theory`` returned it; None = theory says nothing.
    active_days : int, optional
        As of `features`; 0 counts as not given (contracts).
    known_at : datetime, optional
        What was recorded later is left out.

    Returns
    -------
    DataFrame
        ``customer_id`` (as given) and ``kind.columns`` as float64; NaN = unknown.
    """
    frame = features(
        wh,
        as_of=as_of,
        horizon_days=horizon_days,
        customers=customers,
        active_days=active_days or None,
        known_at=known_at,
    )
    if theory is None:
        frame[kind.theory_column] = float("nan")
    else:
        # test and internal customers have no history, and get no score here
        found = kind.log_odds(theory, history, horizon_days)
        frame[kind.theory_column] = found.reindex(frame["customer_id"]).to_numpy()
    return frame
