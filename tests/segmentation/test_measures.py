"""Measures: golden rows, computed by hand."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from crm_analytics.segmentation import abc, lifecycle_transitions, measure_table, rfm
from tests import build

AS_OF = date(2025, 1, 1)


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, Any]]:
    """A: regular, with service and mail. B: bought once, long ago. C: never bought. T: a test record."""
    lines = [
        {
            "order_source_id": "1",
            "customer_source_id": "A",
            "occurred_at": "2023-06-01",
            "product_source_id": "RICH",
            "unit_price": "40",
        },
        {
            "order_source_id": "2",
            "customer_source_id": "A",
            "occurred_at": "2024-11-01",
            "product_source_id": "POOR",
            "unit_price": "10",
            "quantity": 2,
        },
        {
            "order_source_id": "3",
            "customer_source_id": "A",
            "occurred_at": "2024-12-31",
            "product_source_id": "POOR",
            "unit_price": "10",
        },
        {
            "order_source_id": "4",
            "customer_source_id": "B",
            "occurred_at": "2023-01-01",
            "product_source_id": "MIDDLE",
            "unit_price": "30",
        },
        {
            "order_source_id": "5",
            "customer_source_id": "A",
            "occurred_at": "2025-01-01",
            "product_source_id": "RICH",
            "unit_price": "999",
        },
        {
            "order_source_id": "6",
            "customer_source_id": "T",
            "occurred_at": "2024-12-01",
            "product_source_id": "RICH",
            "unit_price": "5",
        },
    ]
    products = [
        {
            "source_id": "RICH",
            "category": "tea",
            "brand": "X",
            "unit_cost": "10",
            "currency": "EUR",
            "created_at": "2022-01-01",
        },
        {
            "source_id": "MIDDLE",
            "category": "tea",
            "brand": "Y",
            "unit_cost": "15",
            "currency": "EUR",
            "created_at": "2022-01-01",
        },
        {
            "source_id": "POOR",
            "category": "cups",
            "brand": "X",
            "unit_cost": "9",
            "currency": "EUR",
            "created_at": "2022-01-01",
        },
    ]
    customers = [
        {"source_id": "A", "type": "person", "country": "DE", "city": "تهران", "region": "T"}
        | {"created_at": "2023-05-31"},
        {"source_id": "A", "city": "Graz", "created_at": "2023-05-31", "modified_at": "2025-01-02"},
        {"source_id": "B", "type": "organisation", "industry": "tea", "employee_count": 40}
        | {"created_at": "2023-01-01"},
        {"source_id": "C", "created_at": "2024-12-01"},
        {"source_id": "T", "is_test": True, "created_at": "2024-01-01"},
    ]
    returns = [
        {
            "source_id": "R1",
            "order_source_id": "2",
            "occurred_at": "2024-11-20",
            "quantity": 1,
            "amount": "10",
            "currency": "EUR",
            "product_source_id": "POOR",
        }
    ]
    tickets = [
        {
            "source_id": "K1",
            "customer_source_id": "A",
            "kind": "complaint",
            "created_at": "2024-12-01",
            "resolved_at": "2024-12-13",
        },
        {
            "source_id": "K2",
            "customer_source_id": "A",
            "kind": "question",
            "created_at": "2024-12-30",
            "resolved_at": "2025-01-02",
        },
    ]
    feedback = [
        {
            "source_id": "F1",
            "customer_source_id": "A",
            "occurred_at": "2024-12-20",
            "kind": "csat",
            "score": 2,
            "scale_min": 1,
            "scale_max": 5,
        }
    ]
    interactions = [
        {"customer_source_id": "A", "occurred_at": "2024-12-10", "kind": "email", "outcome": "opened"},
        {"customer_source_id": "A", "occurred_at": "2024-12-28", "kind": "email", "outcome": "sent"},
        {"customer_source_id": "A", "occurred_at": "2025-01-01", "kind": "call"},
    ]
    consents = [
        {"customer_source_id": who, "channel": channel, "is_granted": granted, "occurred_at": day}
        for who, channel, granted, day in (
            ("A", "email", True, "2024-05-01"),
            ("A", "phone", False, "2024-05-01"),
            ("A", "email", False, "2025-01-01"),
            ("B", "email", False, "2024-05-01"),
        )
    ]
    with build.warehouse(
        order_lines=lines, products=products, customers=customers, returns=returns, tickets=tickets,
        feedback=feedback, interactions=interactions, consents=consents,
    ) as wh:  # fmt: skip
        rows = measure_table(wh, as_of=AS_OF).to_pylist()
        by_rate = measure_table(wh, as_of=AS_OF, high_margin_rate=0.5).to_pylist()
    found = {row["customer_id"].partition(":")[2]: row for row in rows}
    found["B"]["share_of_half"] = by_rate[1]["high_margin_share"]
    return found


def test_test_customers_are_not_measured_and_those_who_never_bought_are(measured: Any) -> None:
    assert list(measured) == ["A", "B", "C"]
    never = measured["C"]
    assert (never["order_count"], never["net_spend"], never["days_since_last_order"]) == (0, 0, None)
    assert never["high_margin_share"] is None
    assert never["has_running_contract"] is False


def test_purchases_and_money(measured: Any) -> None:
    a = measured["A"]
    assert (a["order_count"], a["order_count_365_days"], a["order_count_90_days"]) == (3, 2, 2)
    assert (a["days_since_last_order"], a["days_since_first_order"], a["tenure_days"]) == (0, 579, 580)
    assert a["mean_gap_days"] == 579 / 2
    assert a["net_spend"] == Decimal(60)  # 40 + 20 + 10 - 10 sent back
    assert a["net_spend_365_days"] == Decimal(20)
    assert a["net_spend_previous_365_days"] == Decimal(40)
    assert a["net_margin"] == Decimal(32)  # 30 + 1 + 1
    assert a["returned_share"] == pytest.approx(10 / 70)
    assert a["mean_order_amount"] == pytest.approx(20)


def test_high_margin_products_are_the_best_third_or_those_of_a_given_rate(measured: Any) -> None:
    """Margin rates: RICH 35/45, MIDDLE 1/2, POOR 1/10; the best third is RICH alone."""
    assert measured["A"]["high_margin_share"] == pytest.approx(40 / 70)
    assert measured["B"]["high_margin_share"] == 0
    assert measured["B"]["share_of_half"] == 1


def test_favourites_service_and_mail(measured: Any) -> None:
    a = measured["A"]
    assert (a["favourite_category"], a["favourite_brand"]) == ("tea", "X")
    assert a["favourite_category_share"] == pytest.approx(40 / 70)
    assert (a["ticket_count_365_days"], a["open_ticket_count"], a["complaint_count_365_days"]) == (2, 1, 1)
    assert a["longest_resolution_days"] == 12
    assert a["satisfaction_rate"] == 0.25
    assert (a["email_open_count_90_days"], a["days_since_last_contact"]) == (1, 21)


def test_a_refusal_is_of_its_channel_and_all_refused_is_opted_out(measured: Any) -> None:
    names = ("has_opted_out", "has_refused_email", "has_refused_phone")
    assert {who: tuple(measured[who][name] for name in names) for who in "ABC"} == {
        "A": (False, False, True),  # no mails only from 2025-01-01 on
        "B": (True, True, False),
        "C": (False, False, False),
    }


def test_plain_attributes_are_those_known_on_the_day(measured: Any) -> None:
    assert (measured["A"]["city"], measured["A"]["region"]) == ("تهران", "T")  # it moves on 2025-01-02
    assert (measured["B"]["industry"], measured["B"]["employee_count"]) == ("tea", 40)
    assert measured["B"]["city"] is None


def test_order_of_rows_and_number_of_threads_change_no_bit() -> None:
    """What rules, lifecycle, RFM and ABC say is the same for the same facts."""
    draw = random.Random(11)
    lines = [
        {
            "order_source_id": f"o{n}",
            "customer_source_id": f"C{draw.randrange(25):02d}",
            "occurred_at": (date(2024, 1, 1) + timedelta(draw.randrange(366))).isoformat(),
            "product_source_id": f"P{draw.randrange(6)}",
            "unit_price": f"{draw.uniform(1, 50):.2f}",
        }
        for n in range(150)
    ]
    products = [{"source_id": f"P{n}", "unit_cost": f"{n + 0.37}", "currency": "EUR"} for n in range(6)]
    answers = [
        {
            "source_id": f"F{n}",
            "customer_source_id": f"C{n % 25:02d}",
            "occurred_at": "2024-10-01",
            "kind": "csat",
        }
        | {"score": n % 7, "scale_min": 0, "scale_max": 7}
        for n in range(60)
    ]
    found = []
    for threads in (1, 4):
        with build.warehouse(order_lines=lines, products=products, feedback=answers) as wh:
            wh.execute(f"set threads = {threads}")
            tables = (rfm(wh, as_of=AS_OF), lifecycle_transitions(wh, as_of=AS_OF), abc(wh, as_of=AS_OF))
            found.append((measure_table(wh, as_of=AS_OF).to_pylist(), *tables))
        draw.shuffle(lines)
        draw.shuffle(answers)
    (first, *frames), (second, *again) = found
    assert first == second
    assert all(one.equals(other) for one, other in zip(frames, again, strict=True))


def test_money_of_which_a_part_has_no_rate_is_missing_and_never_zero() -> None:
    """GBP without a rate: neither nothing nor the rest alone."""
    late = {"occurred_at": "2024-11-01", "due_on": "2024-11-15"}
    deal = {"created_at": "2024-11-01", "stage": "talks", "stage_kind": "open"}
    owed = {"A": ["GBP"], "B": ["EUR", "GBP"], "C": ["EUR", "EUR"], "D": []}
    given = [(name, number, currency) for name, all_ in owed.items() for number, currency in enumerate(all_)]
    ids = [
        {"source_id": f"{name}{number}", "customer_source_id": name, "amount": "5000", "currency": currency}
        for name, number, currency in given
    ]
    with build.warehouse(
        customers=[{"source_id": name, "created_at": "2024-01-01"} for name in owed],
        payments=[one | late for one in ids],
        opportunities=[one | deal for one in ids],
    ) as wh:
        table = measure_table(wh, as_of=AS_OF)
    rows = {row["customer_id"].removeprefix("default:"): row for row in table.to_pylist()}
    for name in ("overdue_amount", "open_deal_amount"):
        assert {who: row[name] for who, row in rows.items()} == {"A": None, "B": None, "C": 10000, "D": 0}
