"""Who moved since the last night, in which state of their life are customers, whom did the rules find?

The part of the company report on segments; everything is read from the nights that are kept.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from crm_analytics.errors import NotEnoughData
from crm_analytics.reports import charts
from crm_analytics.segmentation.movement import GONE, LIFECYCLE_STATES, NOT_YET, kept_nights, movement
from crm_analytics.segmentation.names import segment_names
from crm_analytics.warehouse import SqlFile, Warehouse

MOVES_SHOWN = 8
_ENDS = {NOT_YET: "not a customer yet", GONE: "no longer a customer with purchases"}


def segment_moves(wh: Warehouse, *, as_of: date) -> dict[str, Any]:
    """Return what the report shows of segments besides their sizes.

    Parameters
    ----------
    wh : Warehouse
        A published run, or a warehouse with the night's scores.
    as_of : datetime.date
        The night.

    Returns
    -------
    dict
        since (the night before; None on the first), moved_count, moves (largest first: earlier, later,
        customer_count), states (rows), chart (states as bars), rules (rows).

    Examples
    --------
    >>> segment_moves(Warehouse.open(), as_of=date(2025, 7, 1))["rules"]
    []
    """
    states = _states(wh, as_of)
    chart, _ = charts.bars(
        states, label="label", value="customer_count", text="text", title="Customers by state of their life"
    )
    rules = wh.frame(SqlFile.beside(__file__, "rule_sizes.sql"), as_of=as_of)
    rules["label"] = [name.replace("_", " ").capitalize() for name in rules["segment"]]
    since, moves = _moves(wh, as_of)
    return {
        "since": since,
        "moved_count": sum(row["customer_count"] for row in moves),
        "moves": moves[:MOVES_SHOWN],
        "states": states.to_dict("records"),
        "chart": chart,
        "rules": rules.to_dict("records"),
    }


def _states(wh: Warehouse, as_of: date) -> pd.DataFrame:
    found = wh.frame(SqlFile.beside(__file__, "lifecycle_states.sql"), as_of=as_of).set_index(
        "lifecycle_state"
    )
    found = found.reindex([state for state in LIFECYCLE_STATES if state in found.index]).reset_index()
    found["label"] = [state.replace("_", " ").capitalize() for state in found["lifecycle_state"]]
    found["text"] = [f"{row.customer_count:,} · {row.begun_count:,} new in it" for row in found.itertuples()]
    return found


def _moves(wh: Warehouse, as_of: date) -> tuple[date | None, list[dict[str, Any]]]:
    """Return the night before, and who changed the RFM segment since, largest group first."""
    nights = kept_nights(wh, as_of=as_of)
    try:
        table = movement(wh, as_of=as_of)
    except NotEnoughData:
        return None, []
    words = {rule.name: rule.label for rule in segment_names()} | _ENDS
    counts = [
        (int(table.loc[earlier, later]), words.get(earlier, earlier), words.get(later, later))
        for earlier in table.index
        for later in table.columns
        if earlier != later
    ]
    moved = sorted((row for row in counts if row[0] > 0), key=lambda row: (-row[0], row[1], row[2]))
    return nights[-2], [
        {"earlier": earlier, "later": later, "customer_count": count} for count, earlier, later in moved
    ]
