"""Who of those on a list has left?  by contracts where the risk was of their end, or by orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from crm_analytics.actions import save_rate
from crm_analytics.warehouse import SqlFile, Warehouse
from tests import build

LISTED_ON = date(2024, 7, 1)
HORIZON_DAYS = 30
END = LISTED_ON + timedelta(days=HORIZON_DAYS)  # 2024-07-31, first day after the horizon
OPEN: dict[str, Any] = {"started_on": "2024-01-01", "created_at": "2024-01-01"}
# customer -> contracts, and whether the last of them had ended when the horizon had
CONTRACTS: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "open-ended": ([OPEN], False),
    "renews by itself": ([OPEN | {"ends_on": "2024-07-10", "renews": True}], False),
    "term until the last day": ([OPEN | {"ends_on": "2024-07-30", "renews": False}], False),
    "term until the day before": ([OPEN | {"ends_on": "2024-07-29", "renews": False}], True),
    "renewal unknown": ([OPEN | {"ends_on": "2024-07-10"}], True),
    "cancelled in it": ([OPEN | {"cancelled_on": "2024-07-30", "cancel_kind": "voluntary"}], True),
    "cancelled after it": ([OPEN | {"cancelled_on": "2024-07-31", "cancel_kind": "voluntary"}], False),
    "ended by us": ([OPEN | {"cancelled_on": "2024-07-05", "cancel_kind": "involuntary"}], True),
    "changed the plan": (
        [OPEN | {"cancelled_on": "2024-07-05"}, {"started_on": "2024-07-30", "created_at": "2024-07-30"}],
        False,
    ),
    "came back later": (
        [OPEN | {"cancelled_on": "2024-07-05"}, {"started_on": "2024-07-31", "created_at": "2024-07-31"}],
        True,
    ),
    "one of two ended": ([OPEN | {"cancelled_on": "2024-07-05"}, OPEN], False),
    "renewal that was cancelled": (
        [OPEN | {"ends_on": "2024-12-31", "renews": True, "cancelled_on": "2024-07-20"}],
        True,
    ),
    "bought, but ended": ([OPEN | {"cancelled_on": "2024-07-05"}], True),
}
# customer -> days of orders, and whether there was none in the horizon; a contract is no order
ORDERS = {
    "first day": (["2024-07-01"], False),
    "last day": (["2024-07-30"], False),
    "too early": (["2024-06-30"], True),
    "too late": (["2024-07-31"], True),
}


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    contracts = [
        given | {"source_id": f"{customer} {number}", "customer_source_id": customer}
        for customer, (all_given, _) in CONTRACTS.items()
        for number, given in enumerate(all_given)
    ]
    contracts.append(OPEN | {"source_id": "other", "customer_source_id": "too late"})
    days = {customer: given for customer, (given, _) in ORDERS.items()} | {
        "bought, but ended": ["2024-07-09"]
    }
    with build.warehouse(contracts=contracts, order_lines=build.order_lines_of(days)) as opened:
        listed = pd.DataFrame({"customer_id": [f"default:{name}" for name in (*CONTRACTS, *ORDERS)]}).assign(
            as_of=LISTED_ON, rank=1, kind="call", due_on=END, churn_probability=0.5, value_at_stake=9.0,
            value_kind="margin", expected_saved_margin=1.0, save_rate=0.1, horizon_days=HORIZON_DAYS,
            reason="none", leaving=["contract"] * len(CONTRACTS) + ["purchase", None, "purchase", None],
        )  # fmt: skip
        opened.replace_as_of("scores.actions", listed, as_of=LISTED_ON)
        yield opened


def outcomes(wh: Warehouse, as_of: date) -> dict[str, bool]:
    file = SqlFile.beside(save_rate.__code__.co_filename, "outcomes.sql")
    found = wh.frame(file, as_of=as_of)
    assert set(found["churn_probability"]) <= {0.5}
    return {row.listed_id.removeprefix("default:"): bool(row.has_left) for row in found.itertuples()}


@pytest.mark.parametrize("days_later", [0, 60])
def test_who_has_left_is_judged_at_the_end_of_the_horizon_whenever_it_is_asked(
    wh: Warehouse, days_later: int
) -> None:
    expected = {name: has_left for name, (_, has_left) in (CONTRACTS | ORDERS).items()}
    assert outcomes(wh, END + timedelta(days=days_later)) == expected


def test_before_the_horizon_has_ended_nobody_is_judged(wh: Warehouse) -> None:
    assert outcomes(wh, END - timedelta(days=1)) == {}
