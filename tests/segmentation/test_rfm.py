"""RFM: ties, thresholds, names, laws."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pandas as pd
import pytest

from crm_analytics.errors import CurrencyError, UsageError
from crm_analytics.segmentation import learn_thresholds, rfm, segment_names, segment_table
from crm_analytics.segmentation.names import SCORES, segment_of
from tests import build

AS_OF = date(2025, 1, 1)


def test_equal_values_share_a_score_and_one_time_buyers_get_one() -> None:
    buyers = {f"once{n:03d}": ["2024-06-01"] for n in range(60)}
    buyers |= {f"often{n:03d}": build.daily("2024-01-01", 7, 2 + n) for n in range(40)}
    with build.warehouse(order_lines=build.order_lines_of(buyers)) as wh:
        scored = rfm(wh, as_of=AS_OF)
    once = scored[scored["source_id"].str.startswith("once")]
    assert set(once["f_score"]) == {1}
    assert scored.groupby("order_count")["f_score"].nunique().max() == 1
    assert set(scored["f_score"]) == {1, 4, 5}


def test_five_distinct_customers_get_the_five_scores() -> None:
    # last orders 10, 60, 110, 160 and 210 days before: the pauses of 55 days on average leave room for all
    buyers = {
        f"C{n}": build.daily((AS_OF - timedelta(days=10 + 50 * (5 - n) + 55 * (n - 1))).isoformat(), 55, n)
        for n in range(1, 6)
    }
    with build.warehouse(order_lines=build.order_lines_of(buyers)) as wh:
        scored = rfm(wh, as_of=AS_OF).set_index("source_id")
    assert scored["f_score"].to_list() == [1, 2, 3, 4, 5]
    assert scored["m_score"].to_list() == [1, 2, 3, 4, 5]
    assert scored["r_score"].to_list() == [2, 2, 3, 4, 5]  # 209 days are less than four pauses
    assert scored.loc["C5", "segment"] == "champions"


def test_unknown_money_is_neither_much_nor_little() -> None:
    buyers = {f"C{n}": build.daily("2024-06-01", 20, n) for n in range(1, 11)}
    lines = build.order_lines_of(buyers)
    for line in lines:
        if line["customer_source_id"] == "C10":
            line["currency"] = "USD"
    with build.warehouse(order_lines=lines) as wh:
        scored = rfm(wh, as_of=date(2024, 12, 1)).set_index("source_id")
    assert scored.loc["C10", "m_score"] is pd.NA
    assert scored.loc["C10", "segment"] == "loyal"  # a champion spends more than most
    assert scored.loc["C9", "segment"] == "champions"


def test_days_since_last_order_counts_to_the_last_day_seen() -> None:
    with build.warehouse(order_lines=build.order_lines_of({"A": ["2024-12-31"], "B": ["2024-12-30"]})) as wh:
        scored = rfm(wh, as_of=AS_OF).set_index("source_id")
    assert scored["days_since_last_order"].to_dict() == {"A": 0, "B": 1}


def test_a_customer_who_returned_everything_is_not_a_buyer() -> None:
    lines = build.order_lines_of({"A": ["2024-05-01"], "B": ["2024-05-01"]})
    returned = [
        {
            "source_id": "R1",
            "order_source_id": "A-0",
            "occurred_at": "2024-05-09",
            "quantity": 1,
            "amount": 10,
            "currency": "EUR",
        }
    ]
    with build.warehouse(order_lines=lines, returns=returned) as wh:
        assert rfm(wh, as_of=AS_OF)["source_id"].to_list() == ["B"]
        assert rfm(wh, as_of=date(2024, 5, 9))["source_id"].to_list() == ["A", "B"]


def test_later_events_change_nothing() -> None:
    early = build.order_lines_of({"A": build.daily("2024-01-01", 30, 5), "B": ["2024-07-01"]})
    with build.warehouse(order_lines=early) as wh:
        before = rfm(wh, as_of=AS_OF)
        build.add(wh, "order_lines", build.order_lines_of({"A2": ["2025-01-01"], "B": ["2025-02-01"]}))
        build.add(
            wh,
            "returns",
            [{"source_id": "R", "order_source_id": "A-0", "occurred_at": "2025-01-01", "amount": 10}],
        )
        after = rfm(wh, as_of=AS_OF)
    assert before.equals(after)


def test_several_currencies_without_a_reporting_currency_are_not_added() -> None:
    lines = build.order_lines_of({"A": ["2024-01-01"], "B": ["2024-01-01"]})
    lines[0]["currency"] = "USD"
    with (
        build.warehouse(order_lines=lines, reporting_currency=None) as wh,
        pytest.raises(CurrencyError, match=r"EUR, USD.*reporting_currency"),
    ):
        rfm(wh, as_of=AS_OF)


def test_an_amount_without_a_rate_is_counted_and_not_priced() -> None:
    lines = build.order_lines_of({"A": ["2024-01-01"], "B": ["2024-01-01"]})
    lines[0]["currency"] = "USD"
    with build.warehouse(order_lines=lines) as wh:
        scored = rfm(wh, as_of=AS_OF).set_index("source_id")
    assert scored.loc["A", "order_count"] == 1
    assert scored["net_spend"].isna().to_dict() == {"A": True, "B": False}
    assert scored["m_score"].isna().to_dict() == {"A": True, "B": False}


def test_a_window_must_have_a_day() -> None:
    with build.warehouse() as wh, pytest.raises(UsageError, match="window_days=0 must be a whole number"):
        rfm(wh, as_of=AS_OF, window_days=0)


def test_every_combination_of_scores_has_a_name_and_no_name_is_unreachable() -> None:
    reached = {segment_of(r, f, m) for r, f, m in product(SCORES, SCORES, SCORES)}
    assert reached == {rule.name for rule in segment_names()}
    assert len(reached) == len(segment_names())


def test_every_segment_says_what_it_means_and_what_to_do() -> None:
    for rule in segment_names():
        assert rule.label, rule.name
        assert len(rule.meaning) > 10, rule.name
        assert rule.advice.endswith("."), rule.name
    assert len({rule.advice for rule in segment_names()}) == len(segment_names())


def test_segment_shares_add_up_to_one() -> None:
    buyers = {f"C{n}": build.daily("2024-01-01", 5, 1 + n % 7) for n in range(50)}
    with build.warehouse(order_lines=build.order_lines_of(buyers)) as wh:
        table = segment_table(rfm(wh, as_of=AS_OF))
    assert table["customer_share"].sum() == pytest.approx(1)
    assert table["revenue_share"].sum() == pytest.approx(1)
    assert table["customer_count"].sum() == 50


def test_late_arrivals_and_edits_change_nothing_of_what_was_known_then() -> None:
    buyers = {f"C{n}": build.daily("2024-01-01", 10 * n, n) for n in range(1, 6)}
    then = build.RECORDED_AT
    with build.warehouse(order_lines=build.order_lines_of(buyers)) as wh:
        first, limits = rfm(wh, as_of=AS_OF), learn_thresholds(wh, as_of=AS_OF)
        later = then + timedelta(days=1)
        build.add(wh, "order_lines", build.order_lines_of({"late": ["2024-12-30"]}), recorded_at=later)
        own = [{"source_id": "C5", "is_internal": True, "created_at": "2023-01-01"}]
        build.add(wh, "customers", own, recorded_at=later)
        assert rfm(wh, as_of=AS_OF, known_at=then).equals(first)
        assert learn_thresholds(wh, as_of=AS_OF, known_at=then) == limits
        assert rfm(wh, as_of=AS_OF)["source_id"].to_list() == ["C1", "C2", "C3", "C4", "late"]
        # before anything was recorded nothing was known
        assert rfm(wh, as_of=AS_OF, known_at=datetime(2029, 1, 1, tzinfo=UTC)).empty
