"""What do we know of each customer at a day, theory included?  The features, and what the purchase model
says.

The closed form is the MBG/NBD's probability of no purchase in the horizon (Batislam, Denizel and
Filiztekin 2007), as log-odds. It is one feature among others, the starting point of the boosted trees, and
a baseline of its own.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from crm_analytics.churn.features import feature_themes, features
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.errors import AnalysisError
from crm_analytics.warehouse import Warehouse

THEORY = "closed_form_log_odds"
# The purchase model knows the rhythm of buying and nothing else, so its word belongs to that theme.
THEMES_OF_COLUMNS = {**feature_themes(), THEORY: "rhythm"}
COLUMNS = tuple(THEMES_OF_COLUMNS)
# What most of the themes, the label and the summary read: computed once per day.
HELD_FACTS = ("order_days_before", "customers_before")
_FLOOR = 1e-4


def fit_theory(history: pd.DataFrame) -> ModifiedBetaGeoModel | None:
    """Fit the purchase model on a summary of `crm_analytics.clv`; None when it cannot identify the model."""
    try:
        return ModifiedBetaGeoModel().fit(history)
    except AnalysisError:
        return None


def known(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: int,
    history: pd.DataFrame,
    theory: ModifiedBetaGeoModel | None,
) -> pd.DataFrame:
    """Return the features of every customer with a purchase before `as_of`, and the closed form's log-odds.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen.
    horizon_days : int
        Window that is to be predicted.
    history : DataFrame
        ``clv.summary`` at `as_of`.
    theory : ModifiedBetaGeoModel, optional
        Fitted purchase model; None = no closed form.

    Returns
    -------
    DataFrame
        ``customer_id`` (sorted) and ``COLUMNS`` as float64; NaN = unknown.
    """
    frame = features(wh, as_of=as_of, horizon_days=horizon_days)
    frame[THEORY] = np.nan
    if theory is not None:
        # test and internal customers are not in the history, and get no score here
        silent = theory.probability_no_purchase(history, horizon_days=horizon_days).to_numpy()
        held = pd.Series(np.clip(silent, _FLOOR, 1.0 - _FLOOR), index=history["customer_id"])
        held = held.reindex(frame["customer_id"]).to_numpy()
        frame[THEORY] = np.log(held) - np.log1p(-held)
    return frame
