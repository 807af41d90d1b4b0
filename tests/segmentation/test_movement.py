"""Movement and history: read from kept nights, nobody lost, nothing computed anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd
import pytest

from crm_analytics import Warehouse
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.segmentation import kept_nights, movement, plot_movement, segment_history

NIGHTS = [date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 4)]
SEGMENTS = {
    "a": ["champions", "champions", "at_risk"],
    "b": ["new_customers", "loyal", "new_customers"],
    "c": [None, "new_customers", "new_customers"],
    "d": ["lost", "lost", None],
}


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as made:
        for number, night in enumerate(NIGHTS):
            there = {name: given[number] for name, given in SEGMENTS.items() if given[number]}
            rows = pd.DataFrame({"customer_id": list(there), "segment": list(there.values())})
            scored = rows.assign(
                days_since_last_order=1,
                order_count=1,
                net_spend=1,
                r_score=1,
                f_score=1,
                m_score=1,
                as_of=night,
            )
            made.replace_as_of("scores.rfm", scored, as_of=night)
            state = ["at_risk" if name == "a" else "active" for name in rows["customer_id"]]
            states = rows.assign(lifecycle_state=state, since_on=night, as_of=night)
            made.replace_as_of("scores.lifecycle", states.drop(columns="segment"), as_of=night)
        yield made


def test_movement_counts_who_went_where_since_the_last_kept_night(wh: Warehouse) -> None:
    table = movement(wh, as_of=NIGHTS[2])
    assert list(table.index) == ["champions", "loyal", "new_customers", "lost"]
    assert list(table.columns) == ["new_customers", "at_risk", "gone"]
    assert table.loc["champions"].to_list() == [0, 1, 0]
    assert table.loc["loyal"].to_list() == [1, 0, 0]
    assert table.loc["lost", "gone"] == 1
    assert table.to_numpy().sum() == 4


def test_movement_since_an_earlier_night_holds_who_was_not_there_yet(wh: Warehouse) -> None:
    table = movement(wh, as_of=NIGHTS[2], since=NIGHTS[0])
    assert table.loc["not yet", "new_customers"] == 1
    assert table.index[-1] == "not yet"
    assert table.loc["new_customers", "new_customers"] == 1
    states = movement(wh, as_of=NIGHTS[1], segmentation="lifecycle")
    assert (list(states.index), list(states.columns)) == (
        ["active", "at_risk", "not yet"],
        ["active", "at_risk"],
    )
    assert states.loc["active", "active"] == 2


def test_history_tells_entry_and_exit_and_a_broken_stay_is_two(wh: Warehouse) -> None:
    found = segment_history(wh, as_of=NIGHTS[2], customer_id="b")
    told = found.astype({"entered_on": "str", "left_on": "str"}).fillna("still").to_numpy().tolist()
    assert told == [
        ["b", "new_customers", "2025-01-01", "2025-01-02", 1],
        ["b", "loyal", "2025-01-02", "2025-01-04", 1],
        ["b", "new_customers", "2025-01-04", "still", 1],
    ]
    gone = segment_history(wh, as_of=NIGHTS[2], customer_id="d")
    assert gone["left_on"].astype("str").to_list() == ["2025-01-04"]
    assert segment_history(wh, as_of=NIGHTS[1], customer_id="d")["left_on"].isna().all()


def test_nights_that_are_not_kept_are_named(wh: Warehouse) -> None:
    assert kept_nights(wh, as_of=NIGHTS[1]) == NIGHTS[:2]
    with pytest.raises(NotEnoughData, match=r"2025-01-03 is kept \(rfm\).*the last is 2025-01-02"):
        movement(wh, as_of=date(2025, 1, 3))
    with pytest.raises(NotEnoughData, match="2025-01-01 is the first that is kept"):
        movement(wh, as_of=NIGHTS[0])
    with pytest.raises(NotEnoughData, match="has none of 2025-01-03 before it"):
        movement(wh, as_of=NIGHTS[2], since=date(2025, 1, 3))
    with pytest.raises(UsageError, match="'rfn' is not kept"):
        kept_nights(wh, as_of=NIGHTS[0], segmentation="rfn")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="overlap"):
        movement(wh, as_of=NIGHTS[1], segmentation="rules")


def test_the_plot_returns_the_shares_it_shows(wh: Warehouse) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    table = movement(wh, as_of=NIGHTS[2])
    shown = plot_movement(table)
    assert shown.sum(axis=1).to_list() == pytest.approx([1.0] * len(table))
    assert list(shown.index) == list(table.index)
