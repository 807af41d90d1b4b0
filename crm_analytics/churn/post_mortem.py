"""What did the customers we lost have in common, against those we kept?  Effect sizes with intervals.

We stand on the day one horizon ago, take everything that was known of the then active customers, and
compare those who bought nothing since with those who did. The effect is Cliff's delta: the chance that a
lost customer has the larger value minus the chance of the smaller one, -1..1, whatever the units; its
interval is DeLong's (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44), widened so that all features
together are right 19 times in 20 (Bonferroni). It says what goes with leaving, not what causes it.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.activity import active_days as usual_days
from crm_analytics.churn.features import feature_themes, features
from crm_analytics.churn.retention import HELD
from crm_analytics.errors import NotEnoughData
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import day_count, optional_days
from crm_analytics.warehouse import SqlFile, Warehouse, check_day

# Fewer lost or kept customers with a known value than this are no ground for a comparison.
MIN_CASES = 10

Floats = NDArray[np.float64]


def post_mortem(
    wh: Warehouse, *, as_of: date, horizon_days: int = 90, active_days: int | None = None
) -> pd.DataFrame:
    """Compare what was known of lost and kept customers when both were still there.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen; the comparison stands `horizon_days` before it.
    horizon_days : int, default 90
        Lost is who bought nothing in the horizon that ends at `as_of`.
    active_days : int, optional
        Only who had bought in so many days before the horizon is compared. Default: what the data show, as
        `train` takes it.

    Returns
    -------
    DataFrame
        Largest effect first: ``feature``, ``theme``, ``lost_median``, ``kept_median``, ``effect`` (above 0:
        the lost had more), its limits ``low`` and ``high``, ``lost_count``, ``kept_count`` (with a known
        value). Features known of fewer than ten lost or kept customers are left out.

    Raises
    ------
    NotEnoughData
        Fewer than ten customers were lost, or kept.

    Examples
    --------
    >>> post_mortem(Warehouse.open(), as_of=date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: Of the customers active on 2023-10-03, 0 were lost and 0 kept...
    """
    from scipy.special import ndtri

    check_day(as_of)
    horizon_days = day_count("horizon_days", horizon_days)
    active_days = optional_days("active_days", active_days)
    settle_currency(wh)
    day = as_of - timedelta(days=horizon_days)
    file = SqlFile.beside(__file__, "label.sql")
    with wh.holding(*HELD, as_of=day):
        days = usual_days(wh, as_of=day, horizon_days=horizon_days, given=active_days)
        label = wh.frame(file, as_of=day, horizon_days=horizon_days, active_days=days)
        customers = label["customer_id"].sort_values()
        known = features(wh, as_of=day, horizon_days=horizon_days, customers=customers)
    lost_count = int(label["churned"].sum())
    if min(lost_count, len(label) - lost_count) < MIN_CASES:
        raise NotEnoughData(
            f"Of the customers active on {day}, {lost_count} were lost and {len(label) - lost_count} kept: a "
            f"comparison needs {MIN_CASES} of each. Use another horizon_days or a later as_of."
        )
    table = label.merge(known, on="customer_id", how="left", validate="one_to_one")
    is_lost = table["churned"].to_numpy() == 1
    themes = feature_themes()
    width = float(ndtri(1.0 - 0.025 / len(themes)))
    rows = []
    for feature, theme in themes.items():
        values = table[feature].to_numpy(dtype=np.float64)
        lost, kept = (group[~np.isnan(group)] for group in (values[is_lost], values[~is_lost]))
        if min(len(lost), len(kept)) < MIN_CASES or np.ptp(np.r_[lost, kept]) == 0.0:
            continue
        effect, error = cliffs_delta(lost, kept)
        rows.append(
            {
                "feature": feature,
                "theme": theme,
                "lost_median": float(np.median(lost)),
                "kept_median": float(np.median(kept)),
                "effect": effect,
                "low": max(-1.0, effect - width * error),
                "high": min(1.0, effect + width * error),
                "lost_count": len(lost),
                "kept_count": len(kept),
            }
        )
    found = pd.DataFrame(rows)
    order = found["effect"].abs().sort_values(ascending=False, kind="stable").index
    return found.loc[order].reset_index(drop=True)


def cliffs_delta(one: Floats, other: Floats) -> tuple[float, float]:
    """Return P(one > other) - P(one < other) of two samples, and its standard error.

    Examples
    --------
    >>> effect, error = cliffs_delta(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    >>> round(effect, 4), round(error, 4)
    (0.8889, 0.1571)
    """
    higher = _share_below(one, np.sort(other))
    lower = _share_below(other, np.sort(one))
    error = 2.0 * np.sqrt(np.var(higher, ddof=1) / len(one) + np.var(lower, ddof=1) / len(other))
    return 2.0 * float(np.mean(higher)) - 1.0, float(error)


def _share_below(values: Floats, ordered: Floats) -> Floats:
    """Return, per value, the share of the other sample below it; equal ones count half."""
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return (below + up_to) / (2.0 * len(ordered))
