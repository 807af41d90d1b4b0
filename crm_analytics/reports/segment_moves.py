"""Who moved since the last night, in which state of their life are customers, whom did the rules find?

The part of the company report on segments; everything is read from the nights that are kept.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from crm_analytics.errors import NotEnoughData
from crm_analytics.reports import charts
from crm_analytics.reports.small_groups import SMALLEST_GROUP, is_small, part_of, without_small
from crm_analytics.segmentation.movement import GONE, LIFECYCLE_STATES, NOT_YET, kept_nights, movement
from crm_analytics.segmentation.names import segment_names
from crm_analytics.warehouse import SqlFile, Warehouse

MOVES_SHOWN = 8
_ENDS = {NOT_YET: "not a customer yet", GONE: "no longer a customer with purchases"}


def segment_moves(wh: Warehouse, *, as_of: date, smallest_group: int = SMALLEST_GROUP) -> dict[str, Any]:
    """Return what the report shows of segments besides their sizes.

    Parameters
    ----------
    wh : Warehouse
        A published run, or a warehouse with the night's scores.
    as_of : datetime.date
        The night.
    smallest_group : int, default 5
        Groups of fewer people are hidden (`crm_analytics.reports.small_groups`).

    Returns
    -------
    dict
        since (the night before; None on the first), has_moved, moved_count, moves (largest first: earlier,
        later, customer_count; none that is hidden), states (rows), chart (states as bars), rules (rows).

    Examples
    --------
    >>> segment_moves(Warehouse.open(), as_of=date(2025, 7, 1))["rules"]
    []
    """
    states = _states(wh, as_of, smallest_group)
    shown = [row for row in states if row["customer_count"] is not None]
    table = pd.DataFrame(shown, columns=["label", "customer_count", "text"])
    chart, _ = charts.bars(
        table, label="label", value="customer_count", text="text", title="Customers by state of their life"
    )
    since, moves = _moves(wh, as_of)
    moved = sum(row["customer_count"] for row in moves)
    large, _ = without_small(moves, "customer_count", smallest=smallest_group)
    return {
        "since": since,
        "has_moved": moved > 0,
        "moved_count": None if is_small(moved, smallest_group) else moved,
        "moves": [row for row in large if row["customer_count"] is not None][:MOVES_SHOWN],
        "states": states,
        "chart": chart,
        "rules": _rules(wh, as_of, smallest_group),
    }


def _states(wh: Warehouse, as_of: date, smallest: int) -> list[dict[str, Any]]:
    found = wh.frame(SqlFile.beside(__file__, "lifecycle_states.sql"), as_of=as_of)
    counts = found.set_index("lifecycle_state").to_dict("index")
    rows = [
        {
            "lifecycle_state": state,
            "label": state.replace("_", " ").capitalize(),
            "customer_count": counts[state]["customer_count"],
            "begun_count": part_of(counts[state]["begun_count"], counts[state]["customer_count"], smallest),
        }
        for state in LIFECYCLE_STATES
        if state in counts
    ]
    rows, _ = without_small(rows, "customer_count", ["begun_count"], smallest=smallest)
    for row in rows:
        told = "" if row["begun_count"] is None else f" · {row['begun_count']:,} new in it"
        row["text"] = "" if row["customer_count"] is None else f"{row['customer_count']:,}{told}"
    return rows


def _rules(wh: Warehouse, as_of: date, smallest: int) -> list[dict[str, Any]]:
    """Return the sizes of the rules' segments.

    Those who came and those who left are hidden together: both nights' sizes are known.
    """
    sizes = wh.frame(SqlFile.beside(__file__, "rule_sizes.sql"), as_of=as_of)
    rules: list[dict[str, Any]] = sizes.to_dict("records")
    for row in rules:
        row["label"] = row["segment"].replace("_", " ").capitalize()
        if is_small(row["entered_count"], smallest) or is_small(row["left_count"], smallest):
            row["entered_count"] = row["left_count"] = None
        if is_small(row["member_count"], smallest):
            row["member_count"] = row["entered_count"] = row["left_count"] = None
    return rules


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
