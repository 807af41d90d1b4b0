"""What has changed since an earlier night, and how right were earlier nights?  All answers for one night.

What the command line and the report show: drift of the scores, of the fitted models, and what came of earlier
predictions. Of many nights those about a month, a quarter, half a year and a year ago are judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from crm_analytics.errors import NotEnoughData
from crm_analytics.monitoring.drift import COLUMNS, last_published, score_drift
from crm_analytics.monitoring.parameter_drift import ParameterDrift, parameter_drift
from crm_analytics.monitoring.performance import churn_performance, value_performance
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.run_log import published_nights

# How long ago the nights are that are judged, and the least that tells anything of parameters.
AGES_DAYS = (30, 90, 180, 365)


@dataclass(frozen=True)
class Monitoring:
    """What is known of changes up to a night.

    Attributes
    ----------
    as_of, since : date
        The night, and the one its scores are compared with.
    drift : DataFrame
        As `score_drift`, the farthest column first.
    parameters : ParameterDrift | None
        Against the last night at least a month ago (else `since`); None where models were not kept.
    value, churn : DataFrame
        As `value_performance` and `churn_performance`.
    """

    as_of: date
    since: date
    drift: pd.DataFrame
    parameters: ParameterDrift | None
    value: pd.DataFrame
    churn: pd.DataFrame

    @property
    def moved(self) -> pd.DataFrame:
        """The columns that moved clearly."""
        return self.drift[self.drift["verdict"].isin(["clear", "large"])]


def monitor(wh: Warehouse, *, as_of: date, since: date | None = None) -> Monitoring:
    """Compare a night with an earlier one, and judge what earlier nights predicted.

    Parameters
    ----------
    wh : Warehouse
        With the scores of the nights; a published copy will do.
    as_of : date
        The night; its scores must be there.
    since : date, optional
        The night to compare with; default: the one the night itself compared with, else the last published.

    Returns
    -------
    Monitoring
        Drift of the scores and of the models, and what came of earlier predictions.

    Raises
    ------
    NotEnoughData
        There is no earlier night, or one of the two has no scores.

    Examples
    --------
    >>> monitor(Warehouse.open(), as_of=date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: No night before 2024-01-01 was published, so there is nothing to ...
    """
    kept = _kept_drift(wh, as_of) if since is None else None
    earlier = since or (
        kept["compared_with"].iloc[0].date() if kept is not None else last_published(wh, as_of)
    )
    found = kept[list(COLUMNS)] if kept is not None else score_drift(wh, as_of=as_of, since=earlier)
    nights = [night for night in published_nights(wh) if night < as_of]
    judged = _about(nights, as_of)
    old = [night for night in nights if (as_of - night).days >= AGES_DAYS[0]]
    try:
        parameters = parameter_drift(wh, as_of=as_of, since=since or max(old, default=earlier))
    except NotEnoughData:
        parameters = None
    return Monitoring(
        as_of=as_of,
        since=earlier,
        drift=found,
        parameters=parameters,
        value=value_performance(wh, as_of=as_of, nights=judged),
        churn=churn_performance(wh, as_of=as_of, nights=judged),
    )


def _kept_drift(wh: Warehouse, as_of: date) -> pd.DataFrame | None:
    """Return what the night itself found, in the order of `drift`; None when it compared nothing."""
    found = wh.frame(
        "select * from scores.drift where as_of = $as_of order by psi desc, column_name", as_of=as_of
    )
    return found if len(found) else None


def _about(nights: Iterable[date], as_of: date) -> list[date]:
    """Return, for each age, the night nearest to it that is at least half as old."""
    chosen = set()
    for age in AGES_DAYS:
        old = [night for night in nights if age / 2 <= (as_of - night).days <= 2 * age]
        if old:
            chosen.add(min(old, key=lambda night: (abs((as_of - night).days - age), night)))
    return sorted(chosen)
