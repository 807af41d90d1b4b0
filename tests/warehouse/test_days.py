"""Is a day that is none refused everywhere in one way, naming the argument and what to give?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

import crm_analytics as crm
from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse
from tests import build

NO_DAY: Any = 0  # customer() takes None for the last night
ASKED: dict[str, Callable[[Warehouse, Any], object]] = {
    "customer": lambda wh, day: crm.customer(wh, "A", as_of=NO_DAY if day is None else day),
    "rfm": lambda wh, day: crm.segmentation.rfm(wh, as_of=day),
    "next_best_offers": lambda wh, day: crm.scoring.next_best_offers(wh, as_of=day),
    "score_drift": lambda wh, day: crm.monitoring.score_drift(wh, as_of=day),
}


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    with build.warehouse(customers=[{"source_id": "A", "created_at": "2024-04-01"}]) as opened:
        yield opened


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("day", ["2026-01-01", datetime(2026, 1, 1, tzinfo=UTC), 20260101, None, b"x"])
def test_what_is_no_day_is_refused_by_name(wh: Warehouse, name: str, day: object) -> None:
    with pytest.raises(UsageError, match=r"as_of=.* is no day: a datetime.date is expected"):
        ASKED[name](wh, day)


def test_facts_are_held_for_days_alone(wh: Warehouse) -> None:
    day: Any = "2026-01-01"
    with pytest.raises(UsageError, match="as_of='2026-01-01'"), wh.holding("orders_before", as_of=day):
        raise AssertionError("not reached")
    with wh.holding("orders_before", as_of=date(2026, 1, 1)):
        assert wh.value("select 1") == 1
