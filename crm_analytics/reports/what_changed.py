"""What does the report say of changes since the night before, and of how right earlier nights were?"""

from __future__ import annotations

from datetime import date
from typing import Any

from crm_analytics.errors import NotEnoughData
from crm_analytics.monitoring.monitor import monitor
from crm_analytics.warehouse import Warehouse


def what_changed(wh: Warehouse, *, as_of: date) -> dict[str, Any] | None:
    """Return what the report shows; None on a first night.

    Returns
    -------
    dict or None
        since; column_count; moved (columns that moved clearly, in words); models, value, churn (sentences).

    Examples
    --------
    >>> what_changed(Warehouse.open(), as_of=date(2025, 7, 1)) is None
    True
    """
    try:
        found = monitor(wh, as_of=as_of)
    except NotEnoughData:
        return None
    return {
        "since": found.since,
        "column_count": len(found.drift),
        "moved": found.moved["told"].tolist(),
        "models": [] if found.parameters is None else found.parameters.joint["told"].tolist(),
        "value": found.value["told"].tolist(),
        "churn": found.churn["told"].tolist(),
    }
