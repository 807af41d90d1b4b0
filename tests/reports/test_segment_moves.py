"""Does the report say who moved, where customers stand and whom the rules found?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pandas as pd
import pytest

from crm_analytics import Warehouse
from crm_analytics.reports.company import company_report
from crm_analytics.reports.segment_moves import segment_moves

FIRST, SECOND = date(2025, 1, 1), date(2025, 1, 3)
EVIL = "country = '<script>alert(1)</script>'"


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    """Five customers on two nights; two of them move."""
    kept = {
        FIRST: ["loyal"] * 4,
        SECOND: ["loyal", "loyal", "silent_regulars", "silent_regulars", "new_customers"],
    }
    with Warehouse.open(reporting_currency="EUR") as made:
        for night, segments in kept.items():
            rows = pd.DataFrame(
                {
                    "customer_id": [f"shop:{n}" for n in range(len(segments))],
                    "segment": segments,
                    "as_of": night,
                }
            )
            scores = dict.fromkeys(
                ["days_since_last_order", "order_count", "net_spend", "r_score", "f_score"], 1
            )
            made.replace_as_of("scores.rfm", rows.assign(**scores), as_of=night)
            states = rows.drop(columns="segment").assign(
                lifecycle_state=["at_risk" if s == "silent_regulars" else "active" for s in segments],
                since_on=night - timedelta(days=5),
            )
            made.replace_as_of("scores.lifecycle", states, as_of=night)
        sizes = {"segment": ["second_purchase_due"], "found_among": ["customers"], "rule": [EVIL]}
        counts = {"member_count": [3], "entered_count": [2], "left_count": [1], "as_of": [SECOND]}
        made.replace_as_of("scores.segment_sizes", pd.DataFrame(sizes | counts), as_of=SECOND)
        yield made


def test_moves_states_and_rules_are_those_of_the_kept_nights(wh: Warehouse) -> None:
    told = segment_moves(wh, as_of=SECOND, smallest_group=1)
    assert told["since"] == FIRST
    assert told["moves"] == [
        {"earlier": "Loyal customers", "later": "Silent regulars", "customer_count": 2},
        {"earlier": "not a customer yet", "later": "New customers", "customer_count": 1},
    ]
    assert told["moved_count"] == 3
    assert [
        (row["lifecycle_state"], row["customer_count"], row["begun_count"]) for row in told["states"]
    ] == [
        ("active", 3, 3),
        ("at_risk", 2, 2),
    ]
    [rule] = told["rules"]
    assert (rule["label"], rule["member_count"], rule["left_count"]) == ("Second purchase due", 3, 1)


def test_the_first_night_has_nobody_who_moved(wh: Warehouse) -> None:
    told = segment_moves(wh, as_of=FIRST)
    assert (told["since"], told["moves"], told["moved_count"]) == (None, [], 0)


def test_the_page_shows_them_and_a_rule_is_text_and_no_markup(wh: Warehouse) -> None:
    page = company_report(wh, as_of=SECOND, smallest_group=1)
    assert "Who moved since 1 January 2025" in page
    assert "3 customers changed their segment" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Who moved" not in company_report(wh, as_of=FIRST)


def test_a_few_who_moved_are_not_counted(wh: Warehouse) -> None:
    told = segment_moves(wh, as_of=SECOND)
    assert (told["moves"], told["moved_count"], told["has_moved"]) == ([], None, True)
    assert [row["customer_count"] for row in told["states"]] == [None, None]
    assert [told["rules"][0][name] for name in ("member_count", "entered_count", "left_count")] == [None] * 3
    page = company_report(wh, as_of=SECOND)
    assert "Fewer than 5 customers changed their segment, in groups too small to be shown." in page
