"""What does a night remember of the segments?  RFM, lifecycle and clusters, a row per customer and night."""

from __future__ import annotations

from datetime import date

from crm_analytics.segmentation.clusters import ClusterModel, cluster_members
from crm_analytics.segmentation.lifecycle import lifecycle
from crm_analytics.segmentation.rfm import rfm
from crm_analytics.segmentation.thresholds import RfmThresholds
from crm_analytics.warehouse import Warehouse


def keep_segments(
    wh: Warehouse,
    *,
    as_of: date,
    thresholds: RfmThresholds | None = None,
    clusters: ClusterModel | None = None,
    at_risk_days: int | None = None,
    lapsed_days: int | None = None,
) -> int:
    """Compute the segments of a day and keep them in ``scores.rfm``, ``.lifecycle`` and ``.clusters``.

    Parameters
    ----------
    wh : Warehouse
        Open for writing.
    as_of : datetime.date
        First day not seen. What was kept for it before is replaced.
    thresholds : RfmThresholds, optional
        Lasting limits of the RFM scores; default the day's own.
    clusters : ClusterModel, optional
        Without it no clusters are kept.
    at_risk_days, lapsed_days : int, optional
        As of `lifecycle`.

    Returns
    -------
    int
        Rows kept.

    Examples
    --------
    >>> keep_segments(Warehouse.open(), as_of=date(2025, 7, 1))
    0
    """
    made = {
        "scores.rfm": rfm(wh, as_of=as_of, thresholds=thresholds).drop(
            columns=["source_system", "source_id", "net_margin"]
        ),
        "scores.lifecycle": lifecycle(
            wh, as_of=as_of, at_risk_days=at_risk_days, lapsed_days=lapsed_days
        ).drop(columns="until_on"),
    }
    if clusters is not None:
        made["scores.clusters"] = cluster_members(wh, clusters, as_of=as_of)
    with wh.transaction():
        return sum(
            wh.replace_as_of(table, rows.assign(as_of=as_of), as_of=as_of) for table, rows in made.items()
        )
