"""Who moved from which segment to which, when, and how long did they stay?  Read from the kept nights.

A night keeps each customer's RFM segment, lifecycle state, cluster and rule segments (``scores.*``); all
that is here reads those rows and computes nothing anew, so it says what was said on that night.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import pandas as pd

from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.segmentation.names import segment_names
from crm_analytics.warehouse import SqlFile, Warehouse

Segmentation = Literal["rfm", "lifecycle", "clusters", "rules"]
SEGMENTATIONS: tuple[Segmentation, ...] = ("rfm", "lifecycle", "clusters", "rules")
LIFECYCLE_STATES = ("prospect", "new", "active", "won_back", "at_risk", "lapsed")
NOT_YET, GONE = "not yet", "gone"


def kept_nights(wh: Warehouse, *, as_of: date, segmentation: Segmentation = "rfm") -> list[date]:
    """Return the nights up to `as_of` whose segments are kept, oldest first.

    Examples
    --------
    >>> kept_nights(Warehouse.open(), as_of=date(2025, 7, 1))
    []
    """
    _check(segmentation)
    rows = wh.rows(SqlFile.beside(__file__, "kept_nights.sql"), as_of=as_of)
    return [night for name, night in rows if name == segmentation]


def movement(
    wh: Warehouse,
    *,
    as_of: date,
    since: date | None = None,
    segmentation: Segmentation = "rfm",
) -> pd.DataFrame:
    """Count who moved from which segment to which between two kept nights.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        The later night.
    since : datetime.date, optional
        The earlier night; default the last that was kept before `as_of`.
    segmentation : {"rfm", "lifecycle", "clusters"}
        Which segments; rule segments overlap, so they have no such table.

    Returns
    -------
    DataFrame
        Customers, one row per segment of the earlier night (index ``earlier``) and one column per segment
        of the later one; the row "not yet" holds who was not there then, the column "gone" who no longer
        is. RFM segments and states stand in their own order, best first.

    Raises
    ------
    NotEnoughData
        One of the two nights was not kept.

    Examples
    --------
    >>> movement(Warehouse.open(), as_of=date(2025, 7, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: No night of 2025-07-01 is kept ...
    """
    if segmentation == "rules":
        raise UsageError("Rule segments overlap: nobody moves from one to another. See `segment_history`.")
    nights = kept_nights(wh, as_of=as_of, segmentation=segmentation)
    if not nights or nights[-1] != as_of:
        raise NotEnoughData(
            f"No night of {as_of.isoformat()} is kept ({segmentation}). Run the night of that day first"
            + (f"; the last is {nights[-1].isoformat()}." if nights else ".")
        )
    earlier = nights[-2] if since is None and len(nights) > 1 else since
    if earlier is None or earlier not in nights[:-1]:
        told = "is the first that is kept" if since is None else f"has none of {since.isoformat()} before it"
        raise NotEnoughData(
            f"The night of {as_of.isoformat()} {told} ({segmentation}): there is nothing to compare with."
        )
    counts = wh.frame(
        SqlFile.beside(__file__, "movement.sql"), as_of=as_of, from_on=earlier, segmentation=segmentation
    ).fillna({"earlier": NOT_YET, "later": GONE})
    table = counts.pivot(index="earlier", columns="later", values="customer_count").fillna(0).astype(int)
    is_states = segmentation == "lifecycle"
    known = list(LIFECYCLE_STATES) if is_states else [rule.name for rule in segment_names()]
    return table.reindex(index=_ordered(table.index, known), columns=_ordered(table.columns, known))


def segment_history(
    wh: Warehouse,
    *,
    as_of: date,
    segmentation: Segmentation = "rfm",
    customer_id: str | None = None,
) -> pd.DataFrame:
    """Tell when each customer entered and left which segment, from the kept nights.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        The last night that counts.
    segmentation : {"rfm", "lifecycle", "clusters", "rules"}
        Which segments.
    customer_id : str, optional
        Of one customer only.

    Returns
    -------
    DataFrame
        customer_id, segment, entered_on (first night in it), left_on (first kept night no longer in it;
        missing = still in it), night_count; ordered by customer and entered_on. A broken stay is two.

    Examples
    --------
    >>> segment_history(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    _check(segmentation)
    stays = wh.frame(SqlFile.beside(__file__, "stays.sql"), as_of=as_of, segmentation=segmentation)
    if customer_id is not None:
        stays = stays[stays["customer_id"] == customer_id].reset_index(drop=True)
    return stays


def _check(segmentation: str) -> None:
    if segmentation not in SEGMENTATIONS:
        raise UsageError(f"segmentation={segmentation!r} is not kept. Use one of {', '.join(SEGMENTATIONS)}.")


def _ordered(found: pd.Index, known: list[str]) -> list[str]:
    ends = [name for name in (NOT_YET, GONE) if name in found]
    named = [name for name in known if name in found]
    return [*named, *(name for name in found if name not in (*known, *ends)), *ends]
