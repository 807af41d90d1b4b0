"""How far may the scores of a customer be believed?  A status and its reason, per customer.

ok               scored by a model that fits, from repeat purchases of its own
low_information  scored, but hardly from evidence of its own (status_reason says why)
fallback         the cohort cannot identify a model; scored from a cautious mean rate or mean spend
excluded         the row cannot be a purchase history; nothing is predicted
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.cohort_models import Models
from crm_analytics.clv.models.patterns import number_column
from crm_analytics.clv.odd_customers import odd_spend

# The first that holds decides.
REASONS = {
    "odd": "a history far from all others' (purchase days, age or influence): it counts less in the fit",
    "worthless": "repeat purchases brought no positive net spend; future spend is taken as 0",
    "priceless": "repeat purchases have no price; the mean spend of all customers is used",
    "odd_spend": "spend per purchase far from others'; not used to fit spend",
    "one_time": "no repeat purchase: the value is that of an average customer of this age",
    "unpriced": "some orders have no price or exchange rate: missing from spend",
}


def statuses(known: pd.DataFrame, used: Models) -> tuple[pd.Series, pd.Series]:
    """Return status and reason per row of a summary without impossible rows."""
    everybody = reason_for_all(used)
    code = np.zeros(len(known), dtype=np.int8)
    texts = [everybody or used.remark, *REASONS.values()]
    if not everybody:
        holds = _rules(known, used)
        for number, name in reversed(list(enumerate(REASONS, start=1))):
            code[holds[name]] = number
    named = ["fallback" if everybody else "low_information" if text else "ok" for text in texts]
    status, reason = (pd.array(words, dtype="str").take(code) for words in (named, texts))
    return pd.Series(status, index=known.index), pd.Series(reason, index=known.index)


def reason_for_all(used: Models) -> str:
    """Return why stand-ins score the whole cohort; empty if the models fit."""
    return "; ".join(reason for reason in (used.purchase_fallback, used.spend_fallback) if reason)


def _rules(known: pd.DataFrame, used: Models) -> dict[str, NDArray[np.bool_]]:
    frequency, spend = number_column(known, "frequency"), number_column(known, "monetary_value")
    nobody = np.zeros(len(known), dtype=bool)
    unpriced = "unpriced_order_count" in known
    return {
        "odd": known["customer_id"].isin(used.odd_customers).to_numpy() if used.odd_customers else nobody,
        "worthless": (frequency > 0) & (spend <= 0),
        "priceless": (frequency > 0) & ~np.isfinite(spend),
        "odd_spend": odd_spend(known, used.typical_spend) if used.typical_spend else nobody,
        "one_time": frequency == 0,
        "unpriced": number_column(known, "unpriced_order_count") > 0 if unpriced else nobody,
    }
