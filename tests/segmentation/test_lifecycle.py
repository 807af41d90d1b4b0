"""Lifecycle: golden rows of every state, dated transitions, laws, no future."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pandas as pd
import pytest

from crm_analytics import Warehouse
from crm_analytics.errors import UsageError
from crm_analytics.segmentation import lifecycle, lifecycle_transitions
from tests import build

AS_OF = date(2024, 12, 31)


def states(frame: pd.DataFrame, customer: str) -> list[tuple[str, str]]:
    rows = frame[frame["customer_id"] == f"default:{customer}"]
    return [(row.lifecycle_state, f"{row.since_on:%m-%d}") for row in rows.itertuples()]


def test_every_state_with_its_day_by_fixed_limits() -> None:
    lines = build.order_lines_of(
        {
            "A": ["2024-01-01", "2024-01-20", "2024-12-01"],  # lapsed, then won back
            "B": ["2024-12-15"],
            "C": ["2024-10-01", "2024-11-20"],
            "D": ["2024-11-20", "2024-12-10"],
        }
    )
    customers = [
        {"source_id": "E", "created_at": "2024-06-01"},
        {"source_id": "B", "created_at": "2024-12-01"},
    ]
    with build.warehouse(order_lines=lines, customers=customers) as wh:
        found = lifecycle_transitions(wh, as_of=AS_OF, at_risk_days=40, lapsed_days=90)
        now = lifecycle(wh, as_of=AS_OF, at_risk_days=40, lapsed_days=90).set_index("customer_id")
    assert states(found, "A") == [
        ("new", "01-01"), ("active", "01-20"), ("at_risk", "02-29"), ("lapsed", "04-19"),
        ("won_back", "12-01"),
    ]  # fmt: skip
    assert states(found, "B") == [("prospect", "12-01"), ("new", "12-15")]
    assert states(found, "C") == [
        ("new", "10-01"),
        ("at_risk", "11-10"),
        ("active", "11-20"),
        ("at_risk", "12-30"),
    ]
    assert states(found, "D") == [("new", "11-20"), ("active", "12-10")]
    assert states(found, "E") == [("prospect", "06-01")]
    assert now["lifecycle_state"].to_dict() == {
        "default:A": "won_back",
        "default:B": "new",
        "default:C": "at_risk",
        "default:D": "active",
        "default:E": "prospect",
    }
    assert now["usual_gap_days"].isna().to_list() == [False, False, False, False, True]


def test_limits_follow_the_own_rhythm_of_a_customer() -> None:
    """Company's first pause: (10 + 100) / 2 = 55 days. F: (90 + 110) / 11 = 18.2, so at risk after 37."""
    lines = build.order_lines_of(
        {"F": build.daily("2024-01-01", 10, 10), "S": build.daily("2024-01-01", 100, 2)}
    )
    with build.warehouse(order_lines=lines) as wh:
        found = lifecycle_transitions(wh, as_of=AS_OF)
    assert states(found, "F") == [
        ("new", "01-01"), ("active", "01-11"), ("at_risk", "05-07"), ("lapsed", "06-12"),
    ]  # fmt: skip
    # S: (100 + 110) / 3 = 70 days after the second purchase of 10 April
    assert states(found, "S") == [("new", "01-01"), ("active", "04-10"), ("at_risk", "08-28")]
    gaps = found.groupby("customer_id")["usual_gap_days"].last()
    assert gaps.to_list() == pytest.approx([200 / 11, 70])


def test_who_bought_once_in_a_company_where_nobody_came_back_waits_a_quarter() -> None:
    with build.warehouse(order_lines=build.order_lines_of({"A": ["2024-01-01"]})) as wh:
        assert states(lifecycle_transitions(wh, as_of=AS_OF), "A") == [
            ("new", "01-01"), ("at_risk", "06-29"), ("lapsed", "12-26"),
        ]  # fmt: skip


def test_a_state_is_seen_on_the_day_after_it_began() -> None:
    with build.warehouse(order_lines=build.order_lines_of({"A": ["2024-01-01"]})) as wh:
        for as_of, state in ((date(2024, 1, 31), "new"), (date(2024, 2, 1), "at_risk")):
            found = lifecycle(wh, as_of=as_of, at_risk_days=30, lapsed_days=60)
            assert found["lifecycle_state"].to_list() == [state]


@pytest.mark.parametrize(("at_risk", "lapsed"), [(0, None), (None, 0), (30, 30), (60, 30)])
def test_limits_that_cannot_mean_anything_are_refused(at_risk: int | None, lapsed: int | None) -> None:
    with Warehouse.open() as wh, pytest.raises(UsageError, match=r"at_risk_days|lapsed_days"):
        lifecycle(wh, as_of=AS_OF, at_risk_days=at_risk, lapsed_days=lapsed)


def test_states_follow_each_other_without_gaps_and_agree_with_the_purchases() -> None:
    draw, start = random.Random(20240101), date(2024, 1, 1)
    days = {
        f"C{number}": sorted(
            (start + timedelta(day)).isoformat()
            for day in draw.sample(range(360 if number % 2 else 60), draw.randint(1, 8))
        )
        for number in range(80)
    }
    with build.warehouse(order_lines=build.order_lines_of(days)) as wh:
        found = lifecycle_transitions(wh, as_of=AS_OF)
        now = lifecycle(wh, as_of=AS_OF)
    assert set(found["lifecycle_state"]) == {"new", "active", "at_risk", "lapsed", "won_back"}
    assert now.reset_index(drop=True).equals(found[found["until_on"].isna()].reset_index(drop=True))
    allowed = {
        "new": {"active", "at_risk"},
        "active": {"at_risk"},
        "at_risk": {"active", "lapsed"},
        "lapsed": {"won_back"},
        "won_back": {"active", "at_risk"},
    }
    for customer, rows in found.groupby("customer_id"):
        rows = rows.reset_index(drop=True)
        assert rows["lifecycle_state"][0] == "new"
        assert (rows["until_on"][:-1] == rows["since_on"][1:].to_numpy()).all(), customer
        assert rows["since_on"].is_monotonic_increasing
        for before, after in zip(rows["lifecycle_state"], rows["lifecycle_state"][1:], strict=False):
            assert after in allowed[before], (customer, before, after)
        bought = pd.to_datetime(days[str(customer).partition(":")[2]])
        woken = rows[rows["lifecycle_state"].isin(["new", "won_back"])]["since_on"]
        assert set(woken) <= set(bought)
        assert not bought.isin(rows[rows["lifecycle_state"].isin(["at_risk", "lapsed"])]["since_on"]).any()


def test_later_purchases_change_no_state() -> None:
    lines = build.order_lines_of({"A": build.daily("2024-01-01", 30, 5), "B": ["2024-07-01"]})
    with build.warehouse(order_lines=lines) as wh:
        before = lifecycle_transitions(wh, as_of=AS_OF)
        build.add(wh, "order_lines", build.order_lines_of({"A2": ["2024-12-31"], "B": ["2025-02-01"]}))
        after = lifecycle_transitions(wh, as_of=AS_OF)
    assert before.equals(after)
