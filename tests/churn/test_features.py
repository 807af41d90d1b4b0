"""Are the churn features and the label right, row by row?  Golden rows worked out by hand, as of
2024-07-01."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import crm_analytics.churn
from crm_analytics.churn.features import THEMES, feature_themes, features, theme_file
from crm_analytics.churn.reasons import WORDINGS
from crm_analytics.warehouse import SqlFile, Warehouse
from tests import build

AS_OF = date(2024, 7, 1)
LABEL = SqlFile.load(Path(crm_analytics.churn.__file__).parent / "label.sql")


def line(order: str, customer: str, day: str, **more: Any) -> dict[str, Any]:
    return {
        "order_source_id": order,
        "customer_source_id": customer,
        "occurred_at": day,
        "product_source_id": "P1",
        **more,
    }


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    """Anna buys in a rhythm, Ben bought once, Cleo only ever sent back; Tess is a test record."""
    with build.warehouse(
        customers=[
            {"source_id": "tess", "created_at": "2023-01-01", "is_test": True},
            {"source_id": "anna", "created_at": "2023-01-01"},
        ],
        products=[
            {"source_id": "P1", "name": "Tea", "category": "tea", "created_at": "2020-01-01"},
            {"source_id": "P2", "name": "Mug", "category": "ware", "created_at": "2020-01-01"},
        ],
        order_lines=[
            line("a1", "anna", "2023-07-10", unit_price="40"),
            line("a2", "anna", "2024-05-01", unit_price="20"),
            line("a2", "anna", "2024-05-01", unit_price="30", product_source_id="P2"),
            line("a2", "anna", "2024-05-01", unit_price="10", quantity=-1, product_source_id="P2"),
            line("a3", "anna", "2024-05-31", unit_price="20"),
            line("a4", "anna", "2024-07-01", unit_price="999"),
            line("b1", "ben", "2024-06-30", unit_price="5"),
            line("c1", "cleo", "2024-06-01", quantity=-1, unit_price="5"),
            line("t1", "tess", "2024-06-01"),
        ],
        tickets=[
            {
                "source_id": "T1",
                "customer_source_id": "anna",
                "kind": "complaint",
                "created_at": "2024-06-01",
                "resolved_at": "2024-06-15",
                "first_response_at": "2024-06-01T06:00",
            },
            {
                "source_id": "T2",
                "customer_source_id": "anna",
                "kind": "complaint",
                "created_at": "2023-09-01",
                "resolved_at": "2023-09-03",
            },
            {
                "source_id": "T3",
                "customer_source_id": "anna",
                "kind": "question",
                "created_at": "2024-06-20",
                "resolved_at": "2024-07-02",
            },
            {
                "source_id": "T4",
                "customer_source_id": "ben",
                "kind": "problem",
                "created_at": "2024-06-20",
                "resolved_at": "2024-06-20",
            },
        ],
        interactions=[
            {
                "source_id": f"I{number}",
                "customer_source_id": "anna",
                "occurred_at": day,
                "kind": kind,
                "direction": direction,
                "outcome": outcome,
            }
            for number, (day, kind, direction, outcome) in enumerate(
                [
                    ("2024-06-01", "email", "out", "sent"),
                    ("2024-06-02", "email", "out", "opened"),
                    ("2024-05-02", "call", "missed", None),
                    ("2024-02-01", "email", "out", "opened"),
                    ("2024-02-01", "email", "out", "clicked"),
                    ("2024-02-02", "web", None, "viewed"),
                    ("2024-02-03", "call", "in", "answered"),
                    ("2023-02-03", "email", "out", "unsubscribed"),
                    ("2024-07-01", "web", None, "viewed"),
                ]
            )
        ],
        campaign_members=[
            {
                "campaign_source_id": "K1",
                "customer_source_id": "anna",
                "occurred_at": "2024-03-01",
                "responded_at": "2024-03-11",
            },
            {
                "campaign_source_id": "K2",
                "customer_source_id": "anna",
                "occurred_at": "2024-06-21",
                "responded_at": "2024-07-01",
            },
            {
                "campaign_source_id": "K3",
                "customer_source_id": "anna",
                "occurred_at": "2024-06-22",
                "is_control": True,
            },
        ],
        feedback=[
            {
                "source_id": "F1",
                "customer_source_id": "anna",
                "occurred_at": "2024-06-01",
                "kind": "csat",
                "score": 1,
                "scale_min": 1,
                "scale_max": 5,
            },
            {
                "source_id": "F2",
                "customer_source_id": "anna",
                "occurred_at": "2024-06-11",
                "kind": "nps",
                "score": 5,
                "scale_min": 0,
                "scale_max": 10,
            },
            {
                "source_id": "F3",
                "customer_source_id": "anna",
                "occurred_at": "2022-06-11",
                "kind": "csat",
                "score": 5,
                "scale_min": 1,
                "scale_max": 5,
            },
        ],
        payments=[
            {
                "source_id": "Z1",
                "customer_source_id": "anna",
                "occurred_at": "2024-03-01",
                "amount": "10",
                "currency": "EUR",
                "due_on": "2024-03-10",
                "paid_on": "2024-03-15",
            },
            {
                "source_id": "Z2",
                "customer_source_id": "anna",
                "occurred_at": "2024-05-01",
                "amount": "10",
                "currency": "EUR",
                "due_on": "2024-06-21",
                "paid_on": "2024-07-05",
            },
            {
                "source_id": "Z3",
                "customer_source_id": "ben",
                "occurred_at": "2024-06-01",
                "amount": "10",
                "currency": "EUR",
                "due_on": "2024-06-10",
                "paid_on": "2024-06-10",
            },
        ],
        contracts=[
            {
                "source_id": "V1",
                "customer_source_id": "anna",
                "started_on": "2024-01-01",
                "created_at": "2024-01-01",
                "ends_on": "2024-07-31",
                "renews": False,
            },
            {
                "source_id": "V2",
                "customer_source_id": "anna",
                "started_on": "2023-01-01",
                "created_at": "2023-01-01",
                "cancelled_on": "2024-06-21",
                "renews": True,
            },
        ],
    ) as opened:
        yield opened


def rows_of(wh: Warehouse, theme: str, active_days: int | None = None) -> dict[str, dict[str, Any]]:
    file = theme_file(theme)
    given = {"as_of": AS_OF, "horizon_days": 90, "active_days": active_days, "known_at": None}
    frame = wh.frame(file, **{name: given[name] for name in file.parameters})
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {row.pop("customer_id").partition(":")[2]: row for row in records}


def expect(found: dict[str, Any], **wanted: Any) -> None:
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_rhythm_compares_silence_with_the_customers_own_gaps(wh: Warehouse) -> None:
    found = rows_of(wh, "rhythm")
    assert set(found) == {"anna", "ben", "tess"}  # who only sent something back has not bought
    expect(
        found["anna"],
        days_since_last_order=30, order_day_count=3, tenure_days=356, mean_gap_days=163.0,
        longest_gap_days=296, last_gap_days=30, gap_deviation_days=188.0904, silence_ratio=30 / 163,
        order_day_count_30=0, order_day_count_90=2, order_day_count_180=2, order_day_count_365=3,
    )  # fmt: skip
    expect(found["ben"], days_since_last_order=0, order_day_count=1, tenure_days=0, order_day_count_30=1)
    assert found["ben"]["mean_gap_days"] is None
    assert found["ben"]["silence_ratio"] is None
    assert found["ben"]["gap_deviation_days"] is None


def test_value_is_net_of_returns_and_ends_before_as_of(wh: Warehouse) -> None:
    expect(
        rows_of(wh, "value")["anna"],
        net_spend=100.0, net_spend_90=60.0, net_spend_365=100.0, mean_day_spend=100 / 3,
        last_day_spend=20.0, spend_share_180=0.6,
    )  # fmt: skip


def test_returns_are_a_share_of_what_was_ordered(wh: Warehouse) -> None:
    found = rows_of(wh, "returns")
    expect(
        found["anna"],
        return_day_count=1, returned_rate=10 / 110, returned_rate_180=10 / 70, days_since_returned=61,
    )  # fmt: skip
    expect(found["ben"], return_day_count=0, returned_rate=0.0)
    assert found["ben"]["days_since_returned"] is None


def test_breadth_counts_products_categories_and_repeats(wh: Warehouse) -> None:
    # the mug was sent back as a whole, so it is no product of hers
    expect(
        rows_of(wh, "breadth")["anna"],
        product_count=1, category_count=1, repeated_count=1, newest_item_days=357,
        # 2023-07-10: one line, 2024-05-01: two (the one that came back is none), 2024-05-31: one
        mean_day_lines=4 / 3, last_day_lines=1, mean_day_quantity=4 / 3,
    )  # fmt: skip


def test_breadth_of_active_customers_is_the_same_and_of_the_others_not_asked(wh: Warehouse) -> None:
    everybody, active = rows_of(wh, "breadth"), rows_of(wh, "breadth", active_days=30)
    silent = {name for name, row in rows_of(wh, "rhythm").items() if row["days_since_last_order"] >= 30}
    assert silent == {"anna"}
    assert active == {name: row for name, row in everybody.items() if name not in silent}


def test_tickets_know_what_was_slow_and_what_was_still_open(wh: Warehouse) -> None:
    found = rows_of(wh, "tickets")
    expect(
        found["anna"],
        ticket_count_180=2, complaint_count_365=2, slow_complaint_count_365=1, slowest_complaint_days=14,
        slowest_complaint_180=14, days_since_complaint=30, open_ticket_count=1, slowest_response_hours=6.0,
    )  # fmt: skip
    expect(found["ben"], problem_count_365=1, complaint_count_365=0, open_ticket_count=0)
    assert found["anna"]["problem_count_365"] == 0
    assert found["ben"]["slowest_complaint_days"] is None


def test_engagement_counts_what_the_customer_did_and_its_drop(wh: Warehouse) -> None:
    expect(
        rows_of(wh, "engagement")["anna"],
        mail_sent_count_90=1, mail_opened_count_90=1, mail_clicked_count_90=0, web_count_90=0,
        call_count_90=1, missed_call_count_90=1, engagement_count_90=1, engagement_count_before=4,
        engagement_drop_ratio=0.75, days_since_engagement=29, has_unsubscribed=1,
    )  # fmt: skip


def test_campaigns_leave_out_the_held_out_and_answers_not_yet_given(wh: Warehouse) -> None:
    expect(
        rows_of(wh, "campaigns")["anna"],
        campaign_contact_count_365=2, campaign_response_rate_365=0.5, days_since_campaign=10,
        days_since_response=112,
    )  # fmt: skip


def test_satisfaction_brings_all_scales_to_one(wh: Warehouse) -> None:
    expect(
        rows_of(wh, "satisfaction")["anna"],
        feedback_count_365=2, poor_score_count_365=1, mean_score_rate_365=0.25,
        lowest_score_rate_365=0.0, last_score_rate=0.5, days_since_feedback=20,
    )  # fmt: skip


def test_seasonality_looks_at_the_same_weeks_of_last_year(wh: Warehouse) -> None:
    found = rows_of(wh, "seasonality")
    # Anna's first purchase was 357 days ago: she was no customer yet when last year's window began.
    assert found["anna"]["same_window_count"] is None
    file = theme_file("seasonality")
    later = wh.frame(file, as_of=date(2024, 7, 20), horizon_days=90).set_index("customer_id")
    assert later.loc["default:anna", "same_window_count"] == 0  # 10 July 2023 lies before that window
    assert later.loc["default:anna", "same_window_share"] == 0.0
    on_the_day = wh.frame(file, as_of=date(2024, 7, 9), horizon_days=1).set_index("customer_id")
    assert on_the_day.loc["default:anna", "same_window_count"] == 1  # 365 days before 9 July 2024


def test_payments_count_what_is_overdue_at_as_of(wh: Warehouse) -> None:
    found = rows_of(wh, "payments")
    expect(
        found["anna"],
        payment_count_365=2, late_payment_rate_365=1.0, most_days_late_365=9, open_overdue_count=1,
    )  # fmt: skip
    expect(found["ben"], late_payment_rate_365=0.0, open_overdue_count=0)


def test_contracts_tell_the_first_end_that_does_not_renew(wh: Warehouse) -> None:
    expect(
        rows_of(wh, "contracts")["anna"],
        active_contract_count=1, ended_contract_count=1, days_to_contract_end=30, days_since_cancelled=10,
    )  # fmt: skip


def test_features_join_all_themes_in_order_and_unknown_stays_unknown(wh: Warehouse) -> None:
    frame = features(wh, as_of=AS_OF, horizon_days=90)
    assert frame["customer_id"].tolist() == ["default:anna", "default:ben", "default:tess"]
    assert list(frame.columns) == ["customer_id", *feature_themes()]
    assert (frame.dtypes.drop("customer_id") == "float64").all()
    assert frame.loc[1, ["days_to_contract_end", "last_score_rate", "slowest_complaint_days"]].isna().all()


def test_every_theme_has_words_for_both_directions() -> None:
    for theme in THEMES:
        for raises in (True, False):
            mine = [w for w in WORDINGS if w.theme == theme and w.raises == raises]
            assert mine, (theme, raises)
            assert mine[-1].columns == () or set(mine[-1].columns) <= {
                "days_since_last_order",
                "net_spend_365",
            }


@pytest.mark.parametrize(
    ("as_of", "horizon_days", "active_days", "expected"),
    [
        # the window is [as_of, as_of + horizon): a purchase on as_of counts, one on its end does not
        ("2024-05-31", 30, 365, {"anna": 0}),
        ("2024-05-01", 30, 365, {"anna": 0}),
        ("2024-05-02", 29, 365, {"anna": 1}),
        ("2024-05-02", 30, 365, {"anna": 0}),
        # active_days reaches back to as_of - active_days, that day included
        ("2024-06-30", 10, 30, {"anna": 0}),
        ("2024-06-30", 10, 29, {}),
        # Ben's purchase on the day before as_of makes him active, and Tess is a test record
        ("2024-07-01", 10, 365, {"anna": 0, "ben": 1}),
    ],
)
def test_label_edges(
    wh: Warehouse, as_of: str, horizon_days: int, active_days: int, expected: dict[str, int]
) -> None:
    found = wh.frame(
        LABEL, as_of=date.fromisoformat(as_of), horizon_days=horizon_days, active_days=active_days
    )
    assert dict(zip(found["customer_id"].str[8:], found["churned"], strict=True)) == expected
