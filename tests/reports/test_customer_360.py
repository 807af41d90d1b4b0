"""Is the view of one customer what the data say, safe to show, and the same in the published copy?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import crm_analytics as crm
from crm_analytics.cli import main
from crm_analytics.errors import UsageError
from crm_analytics.facts.one_customer import FACTS, one_customer
from crm_analytics.reports.customer_360 import lay_out
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.lookup import KEY_FILE
from crm_analytics.warehouse.privacy_tags import privacy_tags, untagged
from crm_analytics.warehouse.publish import open_published, publish
from crm_analytics.warehouse.sql_file import PACKAGE
from tests import build

AS_OF = date(2025, 1, 1)
SAMPLE = Path(__file__).parent.parent.parent / "data" / "sample"
EVIL = "<script>alert(1)</script>\x1b[2J{{ 7*7 }}\u202e&\"'"


def sample(name: str, day: str, customer: str = "C000004") -> pd.DataFrame:
    """Rows of one customer before AS_OF in a file of the sample company."""
    rows = pd.read_csv(SAMPLE / f"{name}.csv", dtype=str)
    rows = rows[rows["customer_source_id"] == customer]
    return rows[rows[day] < AS_OF.isoformat()]


@pytest.fixture(scope="module")
def known(company: Warehouse) -> crm.reports.Customer:
    return crm.customer(company, "C000004", as_of=AS_OF)


def test_the_sections_of_a_customer_are_what_the_exports_say(known: Any) -> None:
    orders = sample("shop_orders", "occurred_at")
    assert known.customer_id == "default:C000004"
    assert {row["order_id"] for row in known.orders.last} == {f"default:{one}" for one in orders["source_id"]}
    lines = pd.read_csv(SAMPLE / "shop_order_lines.csv", dtype=str)
    lines = lines[lines["order_source_id"].isin(orders["source_id"])]
    net = sum(
        Decimal(line.quantity) * Decimal(line.unit_price)
        - Decimal(line.discount_amount if isinstance(line.discount_amount, str) else 0)
        for line in lines.itertuples()
    )
    assert (known.orders.purchase_count, known.orders.net_amount) == (len(orders), net)
    assert known.orders.last_on == date.fromisoformat(orders["occurred_at"].max()[:10])
    tickets = sample("helpdesk_tickets", "created_at")
    assert [row["ticket_id"] for row in known.tickets] == [
        f"default:{one}" for one in tickets["source_id"][::-1]
    ]
    assert [row["subject"] for row in known.tickets] == [*tickets["subject"][::-1]]
    history = pd.read_csv(SAMPLE / "helpdesk_ticket_statuses.csv", dtype=str)
    history = history[history["occurred_at"] < AS_OF.isoformat()].sort_values("occurred_at")
    last = history.groupby("ticket_source_id")["status"].last()
    assert [row["status"] for row in known.tickets] == [*last[tickets["source_id"][::-1]]]
    members = sample("mail_campaign_members", "occurred_at")
    assert [row["campaign_id"] for row in known.campaign_contacts] == [
        f"default:{one}" for one in members.sort_values("occurred_at")["campaign_source_id"][::-1]
    ]
    deals = sample("crm_opportunities", "created_at")
    ended = deals[deals["closed_on"] < AS_OF.isoformat()]["stage_kind"]
    assert known.deals.won_count == (ended == "won").sum()
    assert known.deals.lost_count == (ended == "lost").sum()
    assert known.deals.open_count == len(deals) - len(ended)
    consents = sample("consents", "occurred_at")
    assert [(row["channel"], row["is_granted"]) for row in known.consents] == [
        (one.channel, one.is_granted == "true") for one in consents.itertuples()
    ]


def test_every_field_names_the_record_that_told_it(known: Any) -> None:
    told = pd.read_csv(SAMPLE / "shop_customers.csv", dtype=str).set_index("source_id").loc["C000004"]
    fields = {field.name: field for field in known.identity.fields}
    for name in ("name", "email", "street", "city", "postcode", "country"):
        assert (fields[name].value, fields[name].told_by) == (told[name], "default:C000004")


def test_the_timeline_holds_everything_in_order_with_its_source(known: Any) -> None:
    days = [event.happened_on for event in known.timeline]
    assert days == sorted(days)
    assert max(days) < AS_OF
    told = [(event.kind, event.happened_on.isoformat()) for event in known.timeline]
    calls = sample("calls", "occurred_at")
    mails = sample("mail_events", "occurred_at")
    contacts = sorted([*calls["occurred_at"].str[:10], *mails["occurred_at"].str[:10]])
    assert [day for kind, day in told if kind == "contact"] == contacts
    payments = sample("shop_payments", "occurred_at")
    assert sorted(day for kind, day in told if kind == "payment asked") == sorted(
        payments["occurred_at"].str[:10]
    )
    sources = [(event.kind, event.source) for event in known.timeline]
    assert len(set(sources)) == len(sources)
    ids = {name for _, name in (source.split(" ", 1) for _, source in sources)}
    assert {f"default:{one}" for one in calls["source_id"]} <= ids
    assert "campaign_contacts default:XMAS-2022" in [source for _, source in sources]
    named = {event.what for event in known.timeline}
    deals, tickets = sample("crm_opportunities", "created_at"), sample("helpdesk_tickets", "created_at")
    assert {*deals["name"]} <= named
    assert {f"{one.kind} {one.category}: {one.subject}" for one in tickets.itertuples()} <= named


def test_facts_of_one_customer_are_those_of_the_whole_company(company: Warehouse) -> None:
    asked = ["C000004", "C000015", "C000008"]
    whole = {fact: company.arrow(fact_file(fact), as_of=AS_OF).to_pylist() for fact in FACTS}
    for source_id in asked:
        customer_id = f"default:{source_id}"
        with one_customer(company, [("default", source_id)], customer_id, as_of=AS_OF) as told:
            for fact in FACTS:
                wanted = [row for row in whole[fact] if row["customer_id"] == customer_id]
                found = company.arrow(fact_file(fact), as_of=AS_OF).to_pylist() if fact in told else []
                found = [row for row in found if row["customer_id"] == customer_id]
                assert sorted(map(repr, found)) == sorted(map(repr, wanted)), (source_id, fact)
    left = company.rows(
        "select table_name from duckdb_tables() where temporary and table_name like 'one_cust%'"
    )
    assert left == []


def fact_file(fact: str) -> SqlFile:
    return SqlFile.load(PACKAGE / "facts" / f"{fact}.sql")


@pytest.mark.parametrize(
    "asked",
    ["default:C000001", "C000001", " Lenekessacker@Example.net ", "+49 (30) 231-25037", "0049 30 23125037"],
)
def test_a_customer_is_found_by_id_address_and_number(company: Warehouse, asked: str) -> None:
    assert crm.customer(company, asked, as_of=AS_OF).customer_id == "default:C000001"


def test_an_unknown_id_is_told_the_nearest_and_nothing_personal(company: Warehouse) -> None:
    with pytest.raises(UsageError, match=r"no customer 'C00004'. Nearest: default:C000004, default:"):
        crm.customer(company, "C00004")
    with pytest.raises(UsageError, match="No customer has this e-mail address") as refused:
        crm.customer(company, "lenekessackar@example.net")
    assert "kessack" not in str(refused.value)
    with pytest.raises(UsageError, match="Name a customer by customer_id"):
        crm.customer(company, "  ")


@pytest.fixture
def family() -> Iterator[Warehouse]:
    """Two who share an address, one whose id is an e-mail address, a shared order, a hostile name."""
    customers = [
        {
            "source_id": "1",
            "name": EVIL,
            "email": "home@example.org",
            "phone": "030 23125037",
            "country": "DE",
            "modified_at": "2025-02-01",
        },
        {"source_id": "2", "name": "Second Person", "email": "HOME@example.org", "modified_at": "2025-01-01"},
        {"source_id": "ada@example.com", "name": "Ada Canary", "email": "ada@example.com"},
    ]
    lines = [
        {"order_source_id": "O1", "customer_source_id": "1", "unit_price": "10", "quantity": "1"},
        {"order_source_id": "O1", "customer_source_id": "2", "unit_price": "99", "quantity": "3"},
        {
            "order_source_id": "O2",
            "customer_source_id": "ada@example.com",
            "unit_price": "7",
            "quantity": "1",
        },
    ]
    same = {"product_source_id": EVIL, "occurred_at": "2025-03-01", "currency": "EUR"}
    returns = [
        {
            "source_id": "R1",
            "order_source_id": "O1",
            "occurred_at": "2025-03-09",
            "quantity": "1",
            "amount": "99",
        }
    ]
    of_ada = {"customer_source_id": "ada@example.com", "created_at": "2025-03-01"}
    with build.warehouse(
        customers=customers,
        order_lines=[line | same for line in lines],
        returns=[one | {"currency": "EUR"} for one in returns],
        tickets=[{"source_id": "T1", "subject": "Canary calls again", "status": "New"} | of_ada],
        opportunities=[{"source_id": "D1", "name": "Canary: machines", "stage_kind": "open"} | of_ada],
    ) as wh:
        yield wh


def test_an_address_of_several_customers_says_so_with_their_ids(family: Warehouse) -> None:
    with pytest.raises(UsageError, match=r"belongs to 2 customers: default:1, default:2\. Ask for one"):
        crm.customer(family, "home@example.org", as_of=date(2025, 7, 1))


def test_a_return_falls_to_the_customer_of_a_shared_order_who_bought_most(family: Warehouse) -> None:
    """Which needs the lines of the others, and shows none of them."""
    first, second = (crm.customer(family, one, as_of=date(2025, 7, 1)).orders for one in ("1", "2"))
    assert (first.net_amount, first.returned_amount) == (Decimal(10), Decimal(0))
    assert (second.net_amount, second.returned_amount) == (Decimal(198), Decimal(99))


def test_values_from_outside_act_neither_on_a_terminal_nor_in_a_browser(family: Warehouse) -> None:
    one = crm.customer(family, "1", as_of=date(2025, 7, 1))
    text, html = str(one), one._repr_html_()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b[2J" in text
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "{{ 7*7 }}" in html
    assert one.to_dict()["identity"]["fields"][0]["value"] == EVIL


def test_merged_records_are_one_customer_whichever_is_asked_for(family: Warehouse) -> None:
    crm.merge(family, "default:1", "default:2", reason="one household, says the owner")
    found = [crm.customer(family, one, as_of=date(2025, 7, 1)) for one in ("1", "2", "home@example.org")]
    assert {one.customer_id for one in found} == {"default:1"}
    assert [row["record_id"] for row in found[0].identity.records] == ["default:1", "default:2"]
    assert found[0].orders.purchase_count == 1
    assert found[0].orders.net_amount == Decimal(208)


def test_the_published_copy_answers_alike_without_anything_personal(
    family: Warehouse, tmp_path: Path
) -> None:
    day = date(2025, 7, 1)
    family.execute(
        "create table scores.probe as select cast($day as date) as as_of, 'x' as customer_id", day=day
    )
    tables = {"scores.probe": ("customer_id",)}
    publish(
        family,
        tmp_path,
        "run-1",
        tables,
        as_of=day,
        made_from={},
        lay_out=lambda wh, copy: lay_out(wh, copy, as_of=day),
    )
    whole = crm.customer(family, "2", as_of=day)
    with open_published(tmp_path) as copy:
        seen = crm.customer(copy, "2", as_of=day)
        assert (seen.orders, seen.timeline, seen.consents) == (whole.orders, whole.timeline, whole.consents)
        assert {field.name for field in seen.identity.fields} <= {"type", "country"}
        assert [one for one in untagged(copy) if not one.startswith("scores.probe.")] == []
        for table, tags in privacy_tags().items():
            if tags.erase == "run":
                assert set(tags.columns) == set(copy.frame(f"select * from {table} limit 0").columns), table
                for column in (name for name, tag in tags.columns.items() if tag == "pii"):
                    assert copy.value(f"select count(*) from {table} where {column} is not null") == 0, column
        ada = crm.customer(copy, "Ada@example.com", as_of=day)
        assert "@" not in ada.customer_id
        assert ada.orders.net_amount == Decimal(7)
        assert [(row["ticket_id"], row["subject"]) for row in ada.tickets] == [("default:T1", None)]
        assert [(row["opportunity_id"], row["name"]) for row in ada.deals.open] == [("default:D1", None)]
        assert crm.customer(copy, "default:ada@example.com", as_of=day) == ada
        assert crm.customer(copy, ada.customer_id, as_of=day) == ada
        assert crm.customer(copy, "+49 30 23125037", as_of=day).customer_id == "default:1"
        assert crm.customer(copy, "(030) 23125037", as_of=day).customer_id == "default:1"
        with pytest.raises(UsageError, match="belongs to 2 customers"):
            crm.customer(copy, "home@example.org", as_of=day)
        earlier = crm.customer(copy, "2", as_of=date(2025, 3, 5))
        assert earlier.orders.net_amount == Decimal(297)
        (tmp_path / KEY_FILE).unlink()
        assert crm.customer(copy, "2", as_of=day) == seen
        with pytest.raises(UsageError, match=r"lookup\.key of the published folder"):
            crm.customer(copy, "ada@example.com", as_of=day)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Canary" not in everything
    assert b"ada@" not in everything


def test_without_a_day_the_view_is_of_the_day_after_the_last_load(family: Warehouse) -> None:
    with Warehouse.open() as empty, pytest.raises(UsageError, match="no customer 'C1'"):
        crm.customer(empty, "C1")
    last = family.value("select cast(max(received_at) as date) from ops.loads")
    if last is None:
        with pytest.raises(UsageError, match="Nothing was loaded yet"):
            crm.customer(family, "1")


def test_the_night_gives_scores_with_reasons_and_the_state_of_life(family: Warehouse) -> None:
    nights = pd.DataFrame(
        {
            "as_of": [date(2025, 6, 1), date(2025, 7, 1)],
            "customer_id": "default:1",
            "lifecycle_state": ["new", "at_risk"],
            "since_on": [date(2025, 3, 1), date(2025, 6, 10)],
            "usual_gap_days": 50.0,
        }
    )
    family.append("scores.lifecycle", nights)
    scores = pd.DataFrame(
        {
            "as_of": [date(2025, 7, 1)],
            "customer_id": "default:1",
            "source_system": "default",
            "source_id": "1",
            "is_excluded": False,
            "has_opted_out": False,
            "order_count": 1,
            "value_status": "ok",
            "churn_status": "ok",
            "churn_probability": 0.75,
            "risk_band": "high",
            "reason_1": "silent for long",
        }
    )
    family.append("scores.customer_scores", scores)
    one = crm.customer(family, "1")
    assert one.as_of == date(2025, 7, 1)
    assert (one.lifecycle.state, one.lifecycle.since_on) == ("at_risk", date(2025, 6, 10))
    assert [row["lifecycle_state"] for row in one.lifecycle.transitions] == ["new", "at_risk"]
    assert one.scores["reason_1"] == "silent for long"
    assert "because (1)" in str(one)


def test_the_command_prints_sections_and_json(
    company_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crm.duckdb").write_bytes(company_file.read_bytes())
    (tmp_path / "crm.toml").write_text('[warehouse]\npath = "crm.duckdb"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["customer", "C000004", "--as-of", "2025-01-01"]) == 0
    assert "Orders, newest first: 2 purchases" in capsys.readouterr().out
    assert main(["customer", "C000004", "--as-of", "2025-01-01", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["orders"]["purchase_count"] == 2
    assert main(["customer", "nobody"]) == 2
    assert "There is no customer 'nobody'" in capsys.readouterr().err


def test_what_has_no_rate_is_shown_as_written_and_in_no_sum() -> None:
    day = {"occurred_at": "2024-05-01", "customer_source_id": "A", "status": "confirmed"}
    with build.warehouse(
        customers=[{"source_id": "A", "created_at": "2024-04-01"}],
        orders=[
            {"source_id": "O1", "total_amount": 900, "currency": "IRR"} | day,
            {"source_id": "O2", "total_amount": 7, "currency": "EUR"} | day,
            {"source_id": "O3", "total_amount": 5, "currency": None} | day,
        ],
        opportunities=[
            {"source_id": "P", "customer_source_id": "A", "created_at": "2024-05-01", "amount": 70}
            | {"currency": "IRR"}
        ],
    ) as wh:
        wh.set_reporting_currency("EUR")
        one = crm.customer(wh, "A", as_of=AS_OF)
        early = crm.customer(wh, "A", as_of=date(2024, 1, 1))
    assert (one.orders.purchase_count, one.orders.net_amount) == (1, Decimal(7))
    told = {row["order_id"]: (row["source_amount"], row["currency"]) for row in one.orders.unconverted}
    assert told == {"default:O1": (900, "IRR"), "default:O3": (5, None)}
    assert [event.what for event in one.timeline if event.kind == "order"] == [
        "",
        "900.00 IRR, not converted",
        "5.00, not converted",
    ]
    text = str(one)
    assert "1 and 2 not converted (900.00 IRR, 5.00 of no currency)" in text
    assert "1 (0.00 EUR), of which 1 not converted (70.00 IRR)" in text
    assert "net EUR" in text
    assert "not known yet on that day" in str(early)
    assert "not known yet" not in text
    assert "no night of that day" in text


def test_lines_without_a_rate_show_their_amount_as_written_beside_their_order() -> None:
    line = {"customer_source_id": "A", "product_source_id": "P", "quantity": 2, "occurred_at": "2024-05-01"}
    with build.warehouse(
        order_lines=[
            line | {"order_source_id": "O1", "unit_price": 450, "currency": "IRR"},
            line | {"order_source_id": "O1", "unit_price": 5, "currency": "EUR"},
            line | {"order_source_id": "O2", "unit_price": 7, "currency": "EUR", "occurred_at": "2024-05-02"},
            # a number that is used again is another order
            line | {"order_source_id": "O2", "unit_price": 3, "currency": "USD", "occurred_at": "2024-08-01"},
            line | {"order_source_id": "O3", "unit_price": 3, "currency": "USD", "occurred_at": "2024-09-01"},
            line | {"order_source_id": "O3", "unit_price": 9, "currency": "IRR", "occurred_at": "2024-09-01"},
            line
            | {"order_source_id": "O4", "unit_price": None, "currency": "IRR", "occurred_at": "2024-10-01"},
        ],
    ) as wh:
        one = crm.customer(wh, "A", as_of=AS_OF)
    told = [
        (row["order_id"], row["net_amount"], row["source_amount"], row["currency"]) for row in one.orders.last
    ]
    assert told == [
        ("default:O4", None, None, None),
        ("default:O3", None, None, None),
        ("default:O2", None, Decimal(6), "USD"),
        ("default:O2", Decimal(14), None, None),
        ("default:O1", None, Decimal(900), "IRR"),
    ]
    text = str(one)
    assert "900.00 IRR, not converted" in text
    assert "6.00 USD, not converted" in text
    assert [event.what for event in one.timeline][:3] == [
        "900.00 IRR, not converted",
        "",
        "6.00 USD, not converted",
    ]


def test_one_thing_is_told_in_the_singular_and_long_texts_are_cut() -> None:
    same = {"customer_source_id": "A", "created_at": "2024-05-01"}
    with build.warehouse(
        customers=[{"source_id": "A", "name": "Ann", "created_at": "2024-04-01"}],
        order_lines=[
            {"customer_source_id": "A", "order_source_id": "O2", "unit_price": 5, "currency": "USD"}
        ],
        tickets=[{"source_id": "T", "subject": "x" * 1_000} | same],
    ) as wh:
        one = crm.customer(wh, "A", as_of=date(2024, 4, 2))
        assert "1 purchase, net" in str(one)
        assert "Identity: 1 source record (default:A)" in str(one)
        assert "of 2 events" in str(one)
        assert "without 1 order: no known price or rate" in str(one)
        later = crm.customer(wh, "A", as_of=AS_OF)
    assert f" {'x' * 99}… " in str(later)
    assert "x" * 1_000 in later._repr_html_()
    assert max(map(len, str(later).splitlines())) < 300


ORDER_LINES = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"


def test_the_view_settles_the_one_currency_as_every_question_about_money_does(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ORDER_LINES + "C1,O1,2024-01-05,P1,Cup,1,5,EUR\n")
    (tmp_path / "b.csv").write_text(ORDER_LINES + "C1,O2,2024-01-06,P1,Cup,1,7,USD\n")
    with Warehouse.open() as wh:
        crm.load(wh, tmp_path / "a.csv", received_at="2024-02-01")
        one = crm.customer(wh, "C1", as_of=date(2024, 3, 1))
        assert (one.currency, one.orders.net_amount, one.orders.unpriced_count) == ("EUR", Decimal(5), 0)
    with Warehouse.open() as wh:
        crm.load(wh, tmp_path, received_at="2024-02-01")
        one = crm.customer(wh, "C1", as_of=date(2024, 3, 1))
        assert (one.currency, one.orders.net_amount, one.orders.unpriced_count) == (None, None, 2)
        told = "–, without 2 orders: no reporting currency is set (crm.toml)"
        assert told in str(one)
