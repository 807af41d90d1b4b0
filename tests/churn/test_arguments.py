"""Does a wrong argument of what is asked of leaving, segments and calls end in our words, with its name?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from crm_analytics import actions, churn, segmentation
from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse

NAN, WORD = float("nan"), "x"
NO_DAYS: tuple[Any, ...] = (WORD, NAN, float("inf"), -1, 0, 1.5, True, 10**12, [1])
NO_COUNT: tuple[Any, ...] = (WORD, NAN, -1, 1.5, None)
KINDS: dict[str, tuple[Any, ...]] = {
    "day": ("2025-07-01", None, NAN, 3),
    "days": (*NO_DAYS, None),
    "optional days": NO_DAYS,
    "count": NO_COUNT,
    "amount": (WORD, NAN, -1, None),
    "share": (WORD, NAN, -0.1, 1.2, None),
    "optional share": (WORD, NAN, 1.2),
    "word": (WORD, None, 3, ["net_spend"]),
    "moment": ("2025", 3),
    "object": (WORD, 3),
}
DAY = {"as_of": "day"}
SWEPT: dict[str, tuple[Any, dict[str, str]]] = {
    "train": (
        churn.train,
        DAY
        | {"horizon_days": "days", "active_days": "optional days", "kind": "word", "leaving": "word"}
        | {"known_at": "moment"},
    ),
    "retention": (churn.retention, DAY | {"period_days": "days", "period_count": "count", "of": "word"}),
    "leaving_rates": (
        churn.leaving_rates,
        DAY | {"by": "word", "horizon_days": "days", "active_days": "optional days"},
    ),
    "post_mortem": (churn.post_mortem, DAY | {"horizon_days": "days", "active_days": "optional days"}),
    "win_back": (
        churn.win_back,
        DAY
        | {"horizon_days": "days", "active_days": "optional days", "contact_cost": "amount"}
        | {"capacity": "count", "channel": "word"},
    ),
    "call_list": (
        actions.call_list,
        DAY
        | {"horizon_days": "days", "capacity": "count", "cool_down_days": "count", "contact_cost": "amount"}
        | {"save_rate": "optional share", "min_rise": "share"},
    ),
    "rfm": (
        segmentation.rfm,
        DAY | {"window_days": "optional days", "money": "word", "known_at": "moment", "thresholds": "object"},
    ),
    "abc": (segmentation.abc, DAY | {"window_days": "optional days", "money": "word", "a_share": "amount"}),
    "priorities": (segmentation.priorities, DAY | {"window_days": "optional days", "money": "word"}),
    "lifecycle": (
        segmentation.lifecycle, DAY | {"at_risk_days": "optional days", "lapsed_days": "optional days"},
    ),
    "cohorts": (segmentation.cohorts, DAY | {"period": "word"}),
    "accounts": (segmentation.accounts, DAY),
    "rule_segments": (segmentation.rule_segments, DAY),
    "keep_segments": (segmentation.keep_segments, DAY),
}  # fmt: skip


@pytest.fixture(scope="module")
def empty() -> Iterator[Warehouse]:
    with Warehouse.open(reporting_currency="EUR") as wh:
        yield wh


@pytest.mark.parametrize("name", SWEPT)
def test_a_wrong_argument_is_refused_by_its_name(name: str, empty: Warehouse) -> None:
    call, arguments = SWEPT[name]
    for argument, kind in arguments.items():
        for value in KINDS[kind]:
            with pytest.raises(UsageError) as told:
                call(empty, **{"as_of": date(2025, 7, 1), argument: value})
            assert argument in str(told.value), (argument, value, str(told.value))


def test_periods_that_begin_before_the_calendar_are_refused(empty: Warehouse) -> None:
    with pytest.raises(UsageError, match="begin before the first day of the calendar"):
        churn.retention(empty, as_of=date(2025, 7, 1), period_count=10_000)


@pytest.mark.parametrize("path", [None, 5])
def test_what_is_no_path_holds_no_model(path: Any) -> None:
    with pytest.raises(UsageError, match="must be the path of a model file"):
        churn.load_model(path)


@pytest.mark.parametrize("rule", [None, 5])
def test_what_is_no_text_is_no_rule(rule: Any) -> None:
    with pytest.raises(UsageError, match="A rule is a text such as 'order_count >= 2'"):
        segmentation.parse_rule(rule, segmentation.measures())
