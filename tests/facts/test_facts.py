"""Golden rows of the facts: what counts, what does not, and what was known on a day in the past."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from crm_analytics.errors import CurrencyError
from crm_analytics.facts import settle_currency
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 7, 1)


def fact(
    wh: Warehouse, name: str, as_of: date = AS_OF, known_at: datetime | None = None
) -> list[dict[str, Any]]:
    """Rows of one fact as dictionaries, in a fixed order."""
    table = wh.arrow(
        f"select * from facts.{name}($as_of, _known_at := $known_at)", as_of=as_of, known_at=known_at
    )
    return sorted(table.to_pylist(), key=lambda row: str(list(row.values())))


def line(order: str, **given: Any) -> dict[str, Any]:
    return {"order_source_id": order, "customer_source_id": "A", "occurred_at": "2024-03-01", **given}


def money(text: str) -> Decimal:
    return Decimal(text)


def test_an_order_on_as_of_is_not_seen_and_one_the_day_before_is() -> None:
    with build.warehouse(
        order_lines=[line("1", occurred_at="2024-06-30T23:59:59"), line("2", occurred_at="2024-07-01")]
    ) as wh:
        assert [row["order_id"] for row in fact(wh, "orders_before")] == ["default:1"]


def test_as_of_is_midnight_in_the_business_time_zone() -> None:
    late = line("1", occurred_at="2024-06-30T22:30:00+00:00")
    with build.warehouse(order_lines=[late], timezone="Europe/Berlin") as wh:
        assert fact(wh, "orders_before") == []  # already 1 July in Berlin
    with build.warehouse(order_lines=[late], timezone="UTC") as wh:
        assert len(fact(wh, "orders_before")) == 1


def test_returns_lower_the_order_they_name_whenever_they_come() -> None:
    lines = [line("1", quantity=3), line("1", quantity=2, unit_price="5"), line("2", quantity=1)]
    returned = [
        {
            "source_id": "R1",
            "order_source_id": "1",
            "occurred_at": "2024-05-01",
            "quantity": 1,
            "amount": 10,
            "currency": "EUR",
        }
    ]
    with build.warehouse(order_lines=lines, returns=returned) as wh:
        after = fact(wh, "orders_before")[0]
        before = fact(wh, "orders_before", date(2024, 5, 1))[0]
    assert (after["gross_amount"], after["returned_amount"], after["net_amount"]) == (
        money("40.0000"),
        money("10.0000"),
        money("30.0000"),
    )
    assert (after["net_quantity"], after["ordered_on"]) == (money("4.0000"), date(2024, 3, 1))
    assert before["net_amount"] == money("40.0000")


def test_a_return_without_an_order_lowers_the_day_it_came() -> None:
    returned = [
        {
            "source_id": "R1",
            "customer_source_id": "A",
            "occurred_at": "2024-05-01",
            "amount": 4,
            "currency": "EUR",
        }
    ]
    with build.warehouse(order_lines=[line("1")], returns=returned) as wh:
        days = fact(wh, "order_days_before")
    assert [(d["ordered_on"], d["net_spend"], d["is_purchase_day"]) for d in days] == [
        (date(2024, 3, 1), money("10.0000"), True),
        (date(2024, 5, 1), money("-4.0000"), False),
    ]


def test_price_zero_is_a_purchase_and_a_negative_line_is_not() -> None:
    lines = [line("1", unit_price="0"), line("2", quantity=-2, occurred_at="2024-04-01")]
    with build.warehouse(order_lines=lines) as wh:
        assert [(r["order_id"], r["is_purchase"]) for r in fact(wh, "orders_before")] == [
            ("default:1", True),
            ("default:2", False),
        ]


def test_two_purchases_on_one_day_are_one_day() -> None:
    with build.warehouse(order_lines=[line("1"), line("2", unit_price="7")]) as wh:
        (day,) = fact(wh, "order_days_before")
    assert (day["order_count"], day["net_spend"]) == (2, money("17.0000"))


def test_lines_take_customer_day_and_currency_from_their_head() -> None:
    head = {
        "source_id": "1",
        "customer_source_id": "B",
        "occurred_at": "2024-02-02",
        "currency": "EUR",
        "discount_amount": 3,
    }
    bare = line("1", customer_source_id=None, occurred_at=None, currency=None)
    with build.warehouse(orders=[head], order_lines=[bare]) as wh:
        (order,) = fact(wh, "orders_before")
    assert (order["customer_id"], order["ordered_on"]) == ("default:B", date(2024, 2, 2))
    assert order["net_amount"] == money("7.0000")


@pytest.mark.parametrize(
    ("head", "counts"),
    [
        ({}, True),
        ({"status": "closed"}, True),
        ({"status": "draft"}, False),
        ({"status": "cancelled"}, False),
        ({"status": "cancelled", "cancelled_at": "2024-06-30"}, False),
        ({"status": "cancelled", "cancelled_at": "2024-07-01"}, True),
        ({"kind": "quote"}, False),
        ({"kind": "invoice"}, False),
    ],
)
def test_only_confirmed_orders_count(head: dict[str, str], counts: bool) -> None:
    heads = [{"source_id": "1", "customer_source_id": "A", "occurred_at": "2024-03-01", **head}]
    with build.warehouse(orders=heads, order_lines=[line("1")]) as wh:
        assert bool(fact(wh, "orders_before")) is counts


def test_a_quote_that_became_an_order_counts_once() -> None:
    heads = [
        {"source_id": "1", "kind": kind, "customer_source_id": "A", "occurred_at": "2024-03-01"}
        for kind in ("quote", "order")
    ]
    with build.warehouse(orders=heads, order_lines=[line("1")]) as wh:
        assert len(fact(wh, "orders_before")) == 1


def test_an_order_without_lines_is_worth_its_stated_total() -> None:
    heads = [
        {
            "source_id": "1",
            "customer_source_id": "A",
            "occurred_at": "2024-03-01",
            "total_amount": 12,
            "currency": "EUR",
        }
    ]
    with build.warehouse(orders=heads) as wh:
        (order,) = fact(wh, "orders_before")
    assert (order["net_amount"], order["is_purchase"], order["line_count"]) == (money("12.0000"), True, 0)


RATES = [
    {"currency": "USD", "to_currency": "EUR", "occurred_at": "2024-01-01", "rate": "0.90"},
    {"currency": "USD", "to_currency": "EUR", "occurred_at": "2024-03-01", "rate": "0.80"},
]


def test_an_amount_is_priced_at_the_rate_of_its_day() -> None:
    days = ("2024-02-29", "2024-03-01", "2023-12-31")
    lines = [line(day, occurred_at=day, currency="USD") for day in days]
    with build.warehouse(order_lines=lines, exchange_rates=RATES) as wh:
        orders = {row["order_id"]: row["net_amount"] for row in fact(wh, "orders_before")}
        spend = {row["ordered_on"]: row for row in fact(wh, "order_days_before")}
    assert orders == {
        "default:2024-02-29": money("9.0000"),
        "default:2024-03-01": money("8.0000"),
        "default:2023-12-31": None,  # no rate yet: counted, not priced
    }
    assert spend[date(2023, 12, 31)]["unpriced_order_count"] == 1
    assert spend[date(2023, 12, 31)]["is_purchase_day"]


def test_a_rate_holds_the_other_way_round_where_none_is_told() -> None:
    rates = [
        {"currency": "EUR", "to_currency": "IRR", "occurred_at": "2024-01-01", "rate": "42000"},
        {"currency": "EUR", "to_currency": "USD", "occurred_at": "2024-01-01", "rate": "2"},
        {"currency": "USD", "to_currency": "EUR", "occurred_at": "2024-01-01", "rate": "0.9"},
        {"currency": "USD", "to_currency": "GBP", "occurred_at": "2024-01-01", "rate": "0.8"},
    ]
    with build.warehouse(exchange_rates=rates) as wh:  # GBP has no rate in EUR: none is made through USD
        assert wh.rows("select * from facts.last_rates_before($as_of) order by all", as_of=AS_OF) == [
            ("EUR", Decimal("1.000000000000")),
            ("IRR", Decimal("0.000023809524")),
            ("USD", Decimal("0.900000000000")),
        ]


def rate_row(currency: str, to_currency: str, day: str, rate: str, **more: Any) -> dict[str, Any]:
    return {"currency": currency, "to_currency": to_currency, "occurred_at": day, "rate": rate, **more}


def days_of(wh: Warehouse) -> list[tuple[Any, ...]]:
    return wh.rows(
        "select currency, min(priced_on), max(priced_on), rate "
        "from facts.daily_rates_before(date '2024-02-01') "
        "group by all order by currency, min(priced_on)"
    )


def test_what_is_no_rate_prices_nothing_and_doubles_nothing() -> None:
    rates = [
        rate_row("EUR", "EUR", "2024-01-01", "1"),
        rate_row("USD", "USD", "2024-01-01", "2"),
        rate_row("EUR", "USD", "2024-01-01", "0"),
        rate_row("GBP", "EUR", "2024-01-01", "-1.2"),
        rate_row("CHF", "EUR", "2024-01-01", "0.000000000000000001"),  # and its turn has too many digits
    ]
    products = [{"source_id": "p", "unit_price": "9", "currency": "EUR"}]
    with build.warehouse(exchange_rates=rates, order_lines=[line("1")], products=products) as wh:
        assert wh.rows("select * from facts.last_rates_before($as_of)", as_of=AS_OF) == [("EUR", Decimal(1))]
        assert len(fact(wh, "products_before")) == 1
        assert fact(wh, "orders_before")[0]["gross_amount"] == money("10.0000")


def test_a_rate_without_a_first_day_counts_only_before_dated_ones() -> None:
    rates = [
        rate_row("EUR", "USD", "2024-01-05", "2", is_undated=True),
        rate_row("EUR", "USD", "2024-01-10", "1.25"),
        rate_row("EUR", "USD", "2024-01-10", "4", is_undated=True),
        rate_row("EUR", "USD", "2024-01-20", "5", is_undated=True),
        rate_row("GBP", "EUR", "2024-01-20", "1.2", is_undated=True),
    ]
    day = partial(date, 2024, 1)
    with build.warehouse(exchange_rates=rates) as wh:
        assert days_of(wh) == [
            ("GBP", day(20), day(31), Decimal("1.2")),
            ("USD", day(5), day(9), Decimal("0.5")),
            ("USD", day(10), day(31), Decimal("0.8")),
        ]


def test_the_only_currency_becomes_the_reporting_currency() -> None:
    with build.warehouse(order_lines=[line("1", currency="USD")], reporting_currency=None) as wh:
        assert settle_currency(wh) == "USD"
        assert wh.settings.reporting_currency == "USD"
        assert fact(wh, "orders_before")[0]["net_amount"] == money("10.0000")


def test_two_currencies_are_not_settled_by_guessing() -> None:
    lines = [line("1", currency="USD"), line("2")]
    with (
        build.warehouse(order_lines=lines, reporting_currency=None) as wh,
        pytest.raises(CurrencyError, match="EUR, USD"),
    ):
        settle_currency(wh)


def test_cost_and_margin_need_every_cost() -> None:
    products = [
        {"source_id": "P1", "unit_cost": "4", "currency": "EUR", "created_at": "2023-01-01"},
        {"source_id": "P2", "created_at": "2023-01-01", "currency": "EUR"},
    ]
    lines = [
        line("1", product_source_id="P1", quantity=2),
        line("2", product_source_id="P1", occurred_at="2024-04-01"),
        line("2", product_source_id="P2", occurred_at="2024-04-01"),
    ]
    with build.warehouse(order_lines=lines, products=products) as wh:
        days = fact(wh, "order_days_before")
    assert [day["net_margin"] for day in days] == [money("12.0000"), None]


def test_an_edited_line_is_seen_as_it_was_known_then() -> None:
    first, second = datetime(2024, 3, 2, tzinfo=UTC), datetime(2024, 4, 2, tzinfo=UTC)
    with build.warehouse() as wh:
        build.add(wh, "order_lines", [line("1", line_source_id="L1", quantity=1)], recorded_at=first)
        build.add(wh, "order_lines", [line("1", line_source_id="L1", quantity=5)], recorded_at=second)
        now = fact(wh, "orders_before")
        then = fact(wh, "orders_before", known_at=datetime(2024, 3, 15, tzinfo=UTC))
        unborn = fact(wh, "orders_before", known_at=datetime(2024, 3, 1, tzinfo=UTC))
    assert [row["net_quantity"] for row in now] == [money("5.0000")]
    assert [row["net_quantity"] for row in then] == [money("1.0000")]
    assert unborn == []


def test_a_ticket_is_open_until_its_day_of_resolution() -> None:
    ticket = {
        "source_id": "T",
        "customer_source_id": "A",
        "kind": "complaint",
        "created_at": "2024-06-01",
        "resolved_at": "2024-07-10",
        "modified_at": "2024-07-10",
        "first_response_at": "2024-06-01T06:00:00",
    }
    with build.warehouse(tickets=[ticket]) as wh:
        (then,) = fact(wh, "tickets_before")
        (later,) = fact(wh, "tickets_before", date(2024, 7, 11))
        none = fact(wh, "tickets_before", date(2024, 6, 1))
    assert (then["is_resolved"], then["resolved_on"], then["days_to_resolve"]) == (False, None, 30)
    assert (later["is_resolved"], later["resolved_on"], later["days_to_resolve"]) == (
        True,
        date(2024, 7, 10),
        39,
    )
    assert (then["first_response_hours"], none) == (6.0, [])


def test_a_ticket_has_the_status_it_had_then_or_none() -> None:
    same = {"customer_source_id": "A", "created_at": "2024-06-01", "status": "Closed", "subject": "Broken"}
    tickets = [
        {"source_id": "history", "modified_at": "2024-07-10"},
        {"source_id": "old", "modified_at": "2024-06-20"},
        {"source_id": "undated"},
    ]
    told = [("2024-06-01", "New"), ("2024-06-30", "Waiting"), ("2024-07-10", "Closed")]
    statuses = [{"ticket_source_id": "history", "occurred_at": day, "status": name} for day, name in told]
    with build.warehouse(tickets=[same | ticket for ticket in tickets], ticket_statuses=statuses) as wh:
        status = {row["ticket_id"]: row["status"] for row in fact(wh, "tickets_before")}
        [then] = fact(wh, "ticket_statuses_before")
        later = {row["ticket_id"]: row["status"] for row in fact(wh, "tickets_before", date(2100, 1, 1))}
    assert status == {"default:history": None, "default:old": "Closed", "default:undated": None}
    assert (then["ticket_id"], then["status"], then["entered_on"]) == (
        "default:history",
        "Waiting",
        date(2024, 6, 30),
    )
    assert set(later.values()) == {"Closed"}


def test_a_contract_does_not_know_its_later_cancellation() -> None:
    contract = {
        "source_id": "K",
        "customer_source_id": "A",
        "started_on": "2024-01-01",
        "ends_on": "2024-12-31",
        "cancelled_on": "2024-08-01",
        "cancel_kind": "voluntary",
        "created_at": "2024-01-01",
    }
    with build.warehouse(contracts=[contract]) as wh:
        (then,) = fact(wh, "contracts_before")
        (later,) = fact(wh, "contracts_before", date(2024, 9, 1))
    assert (then["is_active"], then["cancelled_on"], then["cancel_kind"]) == (True, None, None)
    assert (later["is_active"], later["cancel_kind"]) == (False, "voluntary")


def test_an_unpaid_invoice_grows_late_until_it_is_paid() -> None:
    payment = {
        "source_id": "Z",
        "customer_source_id": "A",
        "occurred_at": "2024-05-01",
        "due_on": "2024-05-31",
        "paid_on": "2024-07-05",
        "amount": 10,
        "currency": "EUR",
    }
    with build.warehouse(payments=[payment]) as wh:
        (then,) = fact(wh, "payments_before")
        (later,) = fact(wh, "payments_before", date(2024, 8, 1))
    assert (then["paid_on"], then["days_late"]) == (None, 30)
    assert (later["paid_on"], later["days_late"]) == (date(2024, 7, 5), 35)


def test_the_last_word_of_every_channel_decides_on_opting_out() -> None:
    words = [
        ("A", "email", "2024-01-01", True),
        ("A", "email", "2024-02-01", False),
        ("B", "email", "2024-01-01", False),
        ("B", "sms", "2024-01-01", True),
        ("C", "email", "2024-01-01", False),
        ("C", "email", "2024-07-01", True),
    ]
    consents = [
        {"customer_source_id": c, "channel": channel, "occurred_at": day, "is_granted": granted}
        for c, channel, day, granted in words
    ]
    lines = [line(c, customer_source_id=c) for c in "ABCD"]
    with build.warehouse(order_lines=lines, consents=consents) as wh:
        found = {row["source_id"]: row["has_opted_out"] for row in fact(wh, "customers_before")}
    assert found == {"A": True, "B": False, "C": True, "D": False}


def test_a_deal_is_in_the_stage_it_had_then() -> None:
    deal = {
        "source_id": "D",
        "customer_source_id": "A",
        "created_at": "2024-01-01",
        "stage_kind": "won",
        "closed_on": "2024-08-01",
        "amount": 900,
        "currency": "EUR",
        "modified_at": "2024-08-01",
    }
    stages = [
        {
            "opportunity_source_id": "D",
            "occurred_at": day,
            "stage": stage,
            "stage_kind": kind,
            "amount": amount,
            "currency": "EUR",
        }
        for day, stage, kind, amount in [
            ("2024-01-01", "New", "open", 500),
            ("2024-05-01", "Proposal", "open", 700),
            ("2024-08-01", "Won", "won", 900),
        ]
    ]
    with build.warehouse(opportunities=[deal], opportunity_stages=stages) as wh:
        (then,) = fact(wh, "opportunities_before")
        (later,) = fact(wh, "opportunities_before", date(2024, 9, 1))
    assert (then["stage"], then["stage_kind"], then["amount"], then["closed_on"]) == (
        "Proposal",
        "open",
        money("700.0000"),
        None,
    )
    assert (later["stage_kind"], later["amount"]) == ("won", money("900.0000"))


def test_a_lead_converted_later_is_not_converted_yet() -> None:
    lead = {
        "source_id": "L",
        "created_at": "2024-01-01",
        "converted_at": "2024-07-01",
        "converted_customer_source_id": "A",
    }
    with build.warehouse(leads=[lead]) as wh:
        assert fact(wh, "leads_before")[0]["customer_id"] is None
        assert fact(wh, "leads_before", date(2024, 7, 2))[0]["customer_id"] == "default:A"


def test_customers_are_known_by_record_order_contract_or_ticket() -> None:
    with build.warehouse(
        customers=[
            {"source_id": "A", "created_at": "2024-01-05", "is_test": True},
            {"source_id": "Z", "created_at": "2024-07-01"},
        ],
        order_lines=[line("1", customer_source_id="B"), line("2", customer_source_id=None)],
        contracts=[{"source_id": "K", "customer_source_id": "C", "started_on": "2024-02-01"}],
        tickets=[{"source_id": "T", "customer_source_id": "D", "created_at": "2024-03-03"}],
    ) as wh:
        found = {
            row["source_id"]: (row["first_seen_on"], row["is_excluded"])
            for row in fact(wh, "customers_before")
        }
    assert found == {
        "A": (date(2024, 1, 5), True),
        "B": (date(2024, 3, 1), False),
        "C": (date(2024, 2, 1), False),
        "D": (date(2024, 3, 3), False),
    }


def test_a_flag_that_was_first_told_later_excludes_nobody_before() -> None:
    flagged = [
        {"source_id": "later", "created_at": "2024-08-01", "is_test": True},
        {
            "source_id": "changed",
            "created_at": "2024-01-05",
            "modified_at": "2024-08-01",
            "is_internal": True,
        },
        {"source_id": "before", "created_at": "2024-01-05", "is_test": True},
        {"source_id": "timeless", "is_test": True},
    ]
    lines = [line(str(n), customer_source_id=one["source_id"]) for n, one in enumerate(flagged)]
    with build.warehouse(customers=flagged, order_lines=lines) as wh:
        known = fact(wh, "customers_before")
    found = {row["source_id"]: row["is_excluded"] for row in known}
    assert found == {"later": False, "changed": False, "before": True, "timeless": True}
    assert {row["excluded_as"] for row in known if row["is_excluded"]} == {"test record"}
    assert {row["excluded_as"] for row in known if not row["is_excluded"]} == {None}


def test_labels_look_from_their_first_day_to_before_their_last() -> None:
    days = ["2024-06-30", "2024-07-01", "2024-09-28", "2024-09-29"]
    with build.warehouse(order_lines=build.order_lines_of({"A": days})) as wh:
        found = wh.rows(
            "select ordered_on from facts.purchases_between($start, $until) order by ordered_on",
            start=AS_OF,
            until=date(2024, 9, 29),
        )
    assert [row[0] for row in found] == [date(2024, 7, 1), date(2024, 9, 28)]


def test_a_basket_item_that_was_wholly_returned_was_not_bought() -> None:
    lines = [
        line("1", product_source_id="P1", quantity=2),
        line("2", product_source_id="P1", quantity=-2),
        line("3", product_source_id="P2", quantity=1),
    ]
    with build.warehouse(order_lines=lines) as wh:
        items = fact(wh, "basket_items_before")
    assert [(i["product_id"], i["order_count"]) for i in items] == [("default:P2", 1)]


def test_scores_of_feedback_are_put_on_one_scale() -> None:
    answers = [
        {
            "source_id": str(n),
            "customer_source_id": "A",
            "occurred_at": "2024-01-01",
            "kind": "nps",
            "score": score,
            "scale_min": low,
            "scale_max": high,
        }
        for n, (score, low, high) in enumerate([(8, 0, 10), (3, 1, 5), (3, None, 5)])
    ]
    with build.warehouse(feedback=answers) as wh:
        assert [row["score_rate"] for row in fact(wh, "feedback_before")] == [0.8, 0.5, None]


def test_interactions_and_campaign_contacts_keep_their_days() -> None:
    with build.warehouse(
        interactions=[
            {"source_id": "I", "customer_source_id": "A", "occurred_at": "2024-06-30", "kind": "email"},
            {"source_id": "J", "customer_source_id": "A", "occurred_at": "2024-07-01", "kind": "email"},
        ],
        campaign_members=[
            {
                "campaign_source_id": "S",
                "customer_source_id": "A",
                "occurred_at": "2024-06-01",
                "responded_at": "2024-07-02",
            }
        ],
    ) as wh:
        [email] = fact(wh, "interactions_before")
        assert (email["interaction_id"], email["occurred_on"]) == ("default:I", date(2024, 6, 30))
        (contact,) = fact(wh, "campaign_contacts_before")
        (later,) = fact(wh, "campaign_contacts_before", date(2024, 7, 3))
    assert (contact["responded_on"], contact["is_control"]) == (None, False)
    assert later["responded_on"] == date(2024, 7, 2)


def test_large_amounts_in_a_small_currency_do_not_overflow() -> None:
    rates = [{"currency": "IRR", "to_currency": "EUR", "occurred_at": "2024-01-01", "rate": "0.00002"}]
    products = [
        {
            "source_id": "P1",
            "unit_cost": "90000000000",
            "unit_price": "99000000000",
            "currency": "IRR",
            "created_at": "2023-01-01",
        }
    ]
    lines = [line("1", unit_price="90000000000", quantity=1000, currency="IRR", product_source_id="P1")]
    with build.warehouse(order_lines=lines, products=products, exchange_rates=rates) as wh:
        (order,) = fact(wh, "orders_before")
    assert order["net_amount"] == money("1800000000.0000")
    assert order["cost_amount"] == money("1800000000.0000")


def test_returns_and_discount_of_an_order_of_two_customers_count_once() -> None:
    head = {
        "source_id": "1",
        "customer_source_id": "A",
        "occurred_at": "2024-03-01",
        "discount_amount": 5,
        "currency": "EUR",
    }
    back = {
        "source_id": "R",
        "order_source_id": "1",
        "occurred_at": "2024-04-01",
        "quantity": 1,
        "amount": 50,
        "currency": "EUR",
    }
    lines = [line("1", unit_price="100", quantity=2), line("1", customer_source_id="B", unit_price="100")]
    with build.warehouse(orders=[head], order_lines=lines, returns=[back]) as wh:
        orders = {row["customer_id"]: row for row in fact(wh, "orders_before")}
    assert orders["default:A"]["net_amount"] == money("145.0000")
    assert orders["default:B"]["net_amount"] == money("100.0000")
    assert orders["default:B"]["is_purchase"]
    assert orders["default:A"]["net_quantity"] == money("1.0000")


def test_what_came_back_costs_nothing() -> None:
    product = {"source_id": "P1", "unit_cost": "60", "currency": "EUR", "created_at": "2023-01-01"}
    back = {"source_id": "R", "order_source_id": "1", "occurred_at": "2024-04-01", "currency": "EUR"}
    lines = [line("1", unit_price="100", quantity=2, product_source_id="P1")]
    goods = {**back, "quantity": 1, "amount": 100, "product_source_id": "P1"}
    money_only = {**back, "amount": 100}
    for returned, margin in ((goods, "40.0000"), (money_only, "-20.0000")):
        with build.warehouse(products=[product], order_lines=lines, returns=[returned]) as wh:
            (day,) = fact(wh, "order_days_before")
        assert day["net_margin"] == money(margin)


def test_a_wholly_returned_order_without_lines_is_no_purchase() -> None:
    head = {
        "source_id": "1",
        "customer_source_id": "A",
        "occurred_at": "2024-03-01",
        "total_amount": 50,
        "currency": "EUR",
    }
    back = {
        "source_id": "R",
        "order_source_id": "1",
        "occurred_at": "2024-04-01",
        "amount": 50,
        "currency": "EUR",
    }
    with build.warehouse(orders=[head], returns=[back]) as wh:
        assert [row["is_purchase"] for row in fact(wh, "orders_before")] == [False]
        assert [row["is_purchase"] for row in fact(wh, "orders_before", date(2024, 4, 1))] == [True]


def test_money_back_is_worth_what_it_was_on_the_day_of_the_order() -> None:
    head = {"source_id": "1", "customer_source_id": "A", "occurred_at": "2024-02-01", "currency": "USD"}
    back = {
        "source_id": "R",
        "order_source_id": "1",
        "occurred_at": "2024-04-01",
        "quantity": 1,
        "amount": 10,
        "currency": "USD",
    }
    lines = [line("1", occurred_at="2024-02-01", currency="USD")]
    with build.warehouse(orders=[head], order_lines=lines, returns=[back], exchange_rates=RATES) as wh:
        (order,) = fact(wh, "orders_before")
    assert order["net_amount"] == money("0.0000")


def test_a_payment_without_a_due_day_is_neither_late_nor_in_time() -> None:
    payment = {
        "source_id": "Z",
        "customer_source_id": "A",
        "occurred_at": "2024-05-01",
        "amount": 10,
        "currency": "EUR",
    }
    with build.warehouse(payments=[payment]) as wh:
        assert fact(wh, "payments_before")[0]["days_late"] is None


def test_a_contract_renewed_later_was_not_renewed_then() -> None:
    contract = {
        "source_id": "K",
        "customer_source_id": "A",
        "started_on": "2023-01-01",
        "ends_on": "2026-12-31",
        "renews": True,
        "amount": 10,
        "currency": "EUR",
        "created_at": "2023-01-01",
        "modified_at": "2024-07-05",
    }
    with build.warehouse(contracts=[contract]) as wh:
        (then,) = fact(wh, "contracts_before")
        (later,) = fact(wh, "contracts_before", date(2024, 8, 1))
    assert (then["ends_on"], then["renews"], then["period_amount"], then["is_active"]) == (
        None,
        None,
        None,
        True,
    )
    assert (later["ends_on"], later["renews"]) == (date(2026, 12, 31), True)


class TestNumberUsedAgain:
    """Order numbers that begin anew: more than 31 days after the last goods of the number, another order."""

    def orders(self, *days_and_quantities: tuple[str, int], **entities: Any) -> list[tuple[Any, ...]]:
        lines = [
            line("1", occurred_at=day, quantity=quantity, unit_price="10")
            for day, quantity in days_and_quantities
        ]
        with build.warehouse(order_lines=lines, **entities) as wh:
            return sorted(
                (str(row["ordered_on"]), row["line_count"], int(row["net_amount"]), row["is_purchase"])
                for row in fact(wh, "orders_before")
            )

    def test_is_two_orders_of_their_own_days(self) -> None:
        assert self.orders(("2023-01-01", 1), ("2023-02-02", 2)) == [
            ("2023-01-01", 1, 10, True),
            ("2023-02-02", 1, 20, True),
        ]

    def test_within_31_days_is_one_order_delivered_in_parts(self) -> None:
        parts = (("2023-01-01", 1), ("2023-02-01", 2), ("2023-03-01", 3))
        assert self.orders(*parts) == [("2023-01-01", 3, 60, True)]

    def test_what_came_back_later_lowers_the_order_before_it(self) -> None:
        assert self.orders(("2023-01-01", 5), ("2023-03-01", -2), ("2023-06-01", 4), ("2023-09-01", -1)) == [
            ("2023-01-01", 2, 30, True),
            ("2023-06-01", 2, 30, True),
        ]

    def test_an_order_with_a_head_stays_one_however_late_its_parts(self) -> None:
        head = {"source_id": "1", "customer_source_id": "C1", "occurred_at": "2023-01-01", "currency": "EUR"}
        parts = (("2023-01-01", 1), ("2023-05-01", 2))
        assert self.orders(*parts, orders=[head]) == [("2023-01-01", 2, 30, True)]

    def test_a_linked_return_falls_to_the_order_begun_before_it(self) -> None:
        def back(day: str) -> dict[str, Any]:
            return {
                "source_id": "R",
                "order_source_id": "1",
                "occurred_at": day,
                "quantity": 1,
                "amount": 10,
                "currency": "EUR",
            }

        goods = (("2023-01-01", 3), ("2023-06-01", 4))
        assert [row[2] for row in self.orders(*goods, returns=[back("2023-02-01")])] == [20, 40]
        assert [row[2] for row in self.orders(*goods, returns=[back("2023-06-01")])] == [30, 30]


def test_the_previous_purchase_day_passes_over_days_on_which_goods_only_came_back() -> None:
    days = ("2024-01-05", "2024-02-01", "2024-03-01")
    lines = [line(str(number), occurred_at=day) for number, day in enumerate(days)]
    lines += [line(f"-{day}", occurred_at=day, quantity=-1) for day in ("2024-01-01", "2024-02-10")]
    with build.warehouse(order_lines=lines) as wh:
        rows = fact(wh, "order_days_before", known_at=build.RECORDED_AT)
        also_without = fact(wh, "order_days_before")
    found = sorted((str(row["ordered_on"]), str(row["previous_ordered_on"])) for row in rows)
    assert rows == also_without
    assert [before for _, before in found] == ["None", "None", "2024-01-05", "2024-02-01", "2024-02-01"]
