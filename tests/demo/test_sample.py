"""Is the sample what its README says?  Same bytes on every run, whole, invented, the planted truths in it."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from crm_analytics.demo import dirt, planted, write_sample
from crm_analytics.demo.catalogue import PLANS, PRODUCTS
from crm_analytics.demo.clock import AS_OF, FIRST_DAY
from crm_analytics.demo.people import PHONE_RANGES
from crm_analytics.demo.sample import COLUMNS, build
from crm_analytics.errors import UsageError
from crm_analytics.schema import Column, entities
from crm_analytics.vocabulary import WORDS

FOLDER = Path(__file__).parents[2] / "data" / "sample"
ENTITY_OF = {
    "ad_spend.csv": "ad_spend",
    "calls.csv": "interactions",
    "consents.csv": "consents",
    "crm_contacts.csv": "contacts",
    "crm_contracts.csv": "contracts",
    "crm_leads.csv": "leads",
    "crm_opportunities.csv": "opportunities",
    "crm_opportunity_stages.csv": "opportunity_stages",
    "crm_tasks.csv": "tasks",
    "crm_users.csv": "users",
    "exchange_rates.csv": "exchange_rates",
    "helpdesk_feedback.csv": "feedback",
    "helpdesk_ticket_statuses.csv": "ticket_statuses",
    "helpdesk_tickets.csv": "tickets",
    "mail_campaign_members.csv": "campaign_members",
    "mail_campaigns.csv": "campaigns",
    "mail_events.csv": "interactions",
    "shop_customers.csv": "customers",
    "shop_order_lines.csv": "order_lines",
    "shop_orders.csv": "orders",
    "shop_payments.csv": "payments",
    "shop_products.csv": "products",
    "shop_returns.csv": "returns",
}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def tables() -> dict[str, Rows]:
    """Committed files without the records that are broken on purpose."""
    return {file: [row for row in rows if not _is_broken(file, row)] for file, rows in _read_all().items()}


@pytest.fixture(scope="module")
def purchases(tables: dict[str, Rows]) -> dict[str, list[tuple[date, set[str]]]]:
    """Customer -> (day, products) of every purchase, shop and till."""
    products = defaultdict(set)
    for line in tables["shop_order_lines.csv"]:
        products[line["order_source_id"]].add(line["product_source_id"])
    days = {}
    for order in tables["shop_orders.csv"]:
        if order["status"] == "confirmed":
            days[order["source_id"]] = (order["customer_source_id"], _day(order["occurred_at"]))
    for line in tables["pos_transactions.csv"]:
        if int(line["quantity"]) > 0:
            days[line["order_id"]] = (line["customer_id"], _day(line["order_date"]))
            products[line["order_id"]].add(line["product_id"])
    found: dict[str, list[tuple[date, set[str]]]] = defaultdict(list)
    for order_id, (customer_id, day) in days.items():
        found[customer_id].append((day, products[order_id]))
    return dict(found)


def test_a_fresh_run_writes_the_committed_bytes(tmp_path: Path) -> None:
    fresh = {path.name: _sha256(path) for path in write_sample(tmp_path)}
    committed = {path.name: _sha256(path) for path in sorted(FOLDER.glob("*.csv"))}
    assert fresh == committed


def test_another_seed_gives_another_company_of_the_same_files(tmp_path: Path) -> None:
    paths = write_sample(tmp_path, seed=8)
    assert [path.name for path in paths] == sorted(COLUMNS)
    assert _sha256(tmp_path / "shop_orders.csv") != _sha256(FOLDER / "shop_orders.csv")


def test_it_is_small_and_holds_two_thousand_customers_over_three_years(tables: dict[str, Rows]) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5_000_000
    assert 1_950 <= len(tables["shop_customers.csv"]) <= 2_050
    days = [_day(order["occurred_at"]) for order in tables["shop_orders.csv"]]
    assert min(days) <= FIRST_DAY + timedelta(days=3)
    assert AS_OF - timedelta(days=3) <= max(days) < AS_OF
    organisations = sum(row["type"] == "organisation" for row in tables["shop_customers.csv"])
    assert 0.12 < organisations / len(tables["shop_customers.csv"]) < 0.18


def test_readme_names_every_file_with_its_number_of_records() -> None:
    told = dict(
        re.findall(r"^\| `(\w+\.csv)` \|.*\| ([\d,]+) \|$", (FOLDER / "README.md").read_text("utf-8"), re.M)
    )
    assert told == {file: f"{len(rows):,}" for file, rows in _read_all().items()}


@pytest.mark.parametrize("file", sorted(ENTITY_OF))
def test_header_fits_one_entity_only(file: str) -> None:
    header = set(COLUMNS[file])
    fits = [
        name
        for name, entity in entities().items()
        if header <= set(entity.column_names) and {c.name for c in entity.columns if c.required} <= header
    ]
    assert fits == [ENTITY_OF[file]]


@pytest.mark.parametrize("file", sorted(ENTITY_OF))
def test_only_the_records_broken_on_purpose_break_the_schema(file: str) -> None:
    entity = entities()[ENTITY_OF[file]]
    rows = _read_all()[file]
    bad = [
        row
        for row in rows
        if not all(_is_readable(entity.column(name), value) for name, value in row.items())
    ]
    assert bad == [row for row in rows if _is_broken(file, row)]
    assert len(bad) == dirt.BROKEN_COUNT.get(file, 0)


def test_a_dozen_records_are_broken_and_thirty_till_lines_came_twice(tables: dict[str, Rows]) -> None:
    assert sum(dirt.BROKEN_COUNT.values()) == 12
    seen = Counter(tuple(row.values()) for row in tables["pos_transactions.csv"])
    assert Counter(seen.values()) == {1: len(seen) - dirt.REPEATED_COUNT, 2: dirt.REPEATED_COUNT}


def test_keys_are_unique(tables: dict[str, Rows]) -> None:
    for file, name in ENTITY_OF.items():
        keys = Counter(tuple(row.get(column, "") for column in entities()[name].key) for row in tables[file])
        assert {key: count for key, count in keys.items() if count > 1} == {}, file


def test_every_reference_leads_somewhere(tables: dict[str, Rows]) -> None:
    known = defaultdict(set)
    for file, name in ENTITY_OF.items():
        known[name] |= {row["source_id"] for row in tables[file] if "source_id" in row}
    for file, name in ENTITY_OF.items():
        for column in entities()[name].columns:
            if column.refers is not None and column.name in COLUMNS[file]:
                asked = {row[column.name] for row in tables[file]} - {""}
                if column.refers == "orders":
                    asked = {order for order in asked if not order.startswith("T")}
                assert asked <= known[column.refers], f"{file}.{column.name}"
    receipts = {row["order_id"] for row in tables["pos_transactions.csv"]}
    for file in ("helpdesk_tickets.csv", "helpdesk_feedback.csv"):
        assert {
            row["order_source_id"] for row in tables[file] if row["order_source_id"].startswith("T")
        } <= receipts
    for row in tables["pos_transactions.csv"]:
        assert row["customer_id"] in known["customers"]
        assert PRODUCTS[row["product_id"]].name == row["product"]


def test_nothing_happened_on_or_after_as_of_or_at_night(tables: dict[str, Rows]) -> None:
    for file, rows in tables.items():
        moments = [
            value
            for row in rows
            for column, value in row.items()
            if value and column.endswith(("_at", "paid_on", "closed_on", "cancelled_on", "order_date"))
        ]
        assert all(_day(moment) < AS_OF for moment in moments), file
        assert not [moment for moment in moments if re.search(r" 0[0-5]:", moment)], file


def test_nobody_orders_before_being_registered(tables: dict[str, Rows]) -> None:
    registered = {row["source_id"]: row["created_at"] for row in tables["shop_customers.csv"]}
    early = [
        order["source_id"]
        for order in tables["shop_orders.csv"]
        if order["occurred_at"] < registered[order["customer_source_id"]]
    ]
    assert early == []


def test_order_totals_are_the_sum_of_their_lines(tables: dict[str, Rows]) -> None:
    totals: dict[str, int] = defaultdict(int)
    for line in tables["shop_order_lines.csv"]:
        discount = _cents(line["discount_amount"] or "0.00")
        totals[line["order_source_id"]] += int(line["quantity"]) * _cents(line["unit_price"]) - discount
    for order in tables["shop_orders.csv"]:
        told = _cents(order["total_amount"]) - _cents(order["shipping_amount"])
        assert told == totals[order["source_id"]], order["source_id"]


def test_every_address_lies_in_a_domain_for_examples(tables: dict[str, Rows]) -> None:
    for file, rows in tables.items():
        for row in rows:
            if row.get("email"):
                assert re.fullmatch(
                    r"[\w.+-]+@([a-z0-9-]+\.)*example\.(com|org|net)", row["email"].lower()
                ), file


def test_every_phone_number_lies_in_a_range_for_films(tables: dict[str, Rows]) -> None:
    endings = [
        (area + start, digits) for numbers in PHONE_RANGES.values() for _, area, start, digits in numbers
    ]
    pattern = re.compile("|".join(f"{start}[0-9]{{{digits}}}$" for start, digits in endings))
    for file, rows in tables.items():
        for row in rows:
            if row.get("phone"):
                digits = re.sub(r"\D", "", row["phone"].replace("(0)", ""))
                assert pattern.search(digits), f"{file}: {row['phone']}"


def test_two_percent_are_registered_twice_and_nobody_else_shares_an_address(tables: dict[str, Rows]) -> None:
    twice = {c.second_id: c.customer_id for c in build().customers if c.second_id}
    assert 0.015 < len(twice) / len(tables["shop_customers.csv"]) < 0.025
    owner = {}
    for row in tables["shop_customers.csv"]:
        email = row["email"].lower().replace("+shop", "")
        person = twice.get(row["source_id"], row["source_id"])
        assert not email or owner.setdefault(email, person) == person, row["source_id"]


def test_planted_slow_complaints_make_customers_stop(
    tables: dict[str, Rows], purchases: dict[str, list[tuple[date, set[str]]]]
) -> None:
    stopped: dict[bool, list[bool]] = {True: [], False: []}
    for customer_id, opened_on, is_slow in _complaints(tables):
        since = opened_on + timedelta(days=planted.SLOW_COMPLAINT_DAYS)
        until = since + timedelta(days=90)
        if until <= AS_OF:
            stopped[is_slow].append(
                not any(since <= day < until for day, _ in purchases.get(customer_id, []))
            )
    slow, fast = (sum(stopped[which]) / len(stopped[which]) for which in (True, False))
    assert slow > 0.9
    assert fast < 0.6


def test_slow_complaints_meet_twelve_percent_and_every_half_year(tables: dict[str, Rows]) -> None:
    slow = [(customer_id, opened_on) for customer_id, opened_on, is_slow in _complaints(tables) if is_slow]
    met = len({customer_id for customer_id, _ in slow}) / len(tables["shop_customers.csv"])
    assert met == pytest.approx(planted.SLOW_COMPLAINT_SHARE, abs=0.02)
    opened = Counter((opened_on - FIRST_DAY).days // 183 for _, opened_on in slow)
    assert all(opened[half_year] >= 15 for half_year in range(6)), opened


def test_planted_affinity_leads_from_espresso_machine_to_grinder(
    purchases: dict[str, list[tuple[date, set[str]]]],
) -> None:
    window = timedelta(days=planted.AFFINITY_DAYS)
    followed, others = [], []
    for made in purchases.values():
        first = min((day for day, products in made if planted.AFFINITY_FROM in products), default=None)
        bought = [day for day, products in made if planted.AFFINITY_TO in products]
        if first is None:
            others.append(bool(bought))
        elif first + window <= AS_OF:
            followed.append(any(first <= day <= first + window for day in bought))
    assert len(followed) > 200
    assert sum(followed) / len(followed) == pytest.approx(planted.AFFINITY_PROBABILITY, abs=0.1)
    assert sum(others) / len(others) < 0.04


@pytest.mark.parametrize(
    ("campaign", "effect"), [(planted.EFFECT_CAMPAIGN, planted.EFFECT_RATE), (planted.NULL_CAMPAIGN, 0.0)]
)
def test_planted_campaign_effect_stands_out_against_the_held_out_group(
    campaign: str,
    effect: float,
    tables: dict[str, Rows],
    purchases: dict[str, list[tuple[date, set[str]]]],
) -> None:
    bought: dict[str, list[bool]] = {"true": [], "false": []}
    for member in tables["mail_campaign_members.csv"]:
        if member["campaign_source_id"] == campaign:
            sent = _day(member["occurred_at"])
            until = sent + timedelta(days=planted.EFFECT_DAYS)
            made = purchases.get(member["customer_source_id"], [])
            bought[member["is_control"]].append(any(sent <= day < until for day, _ in made))
    treated, control = (sum(bought[which]) / len(bought[which]) for which in ("false", "true"))
    assert len(bought["true"]) > 300
    assert treated - control == pytest.approx(effect, abs=0.015)


def test_plans_are_sold_as_contracts_and_not_as_order_lines(tables: dict[str, Rows]) -> None:
    assert {row["product_source_id"] for row in tables["crm_contracts.csv"]} == set(PLANS)
    assert not {row["product_source_id"] for row in tables["shop_order_lines.csv"]} & set(PLANS)


def test_main_asks_for_the_folder() -> None:
    from crm_analytics.demo.sample import main

    with pytest.raises(UsageError, match="Name the folder"):
        main([])


@cache
def _read_all() -> dict[str, Rows]:
    tables = {}
    for path in sorted(FOLDER.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            tables[path.name] = list(csv.DictReader(file))
    return tables


def _complaints(tables: dict[str, Rows]) -> list[tuple[str, date, bool]]:
    """Customer, day of opening and slowness of every complaint; an unresolved one lasts until as_of."""
    return [
        (
            ticket["customer_source_id"],
            _day(ticket["created_at"]),
            datetime.fromisoformat(ticket["resolved_at"] or AS_OF.isoformat())
            - datetime.fromisoformat(ticket["created_at"])
            > timedelta(days=planted.SLOW_COMPLAINT_DAYS),
        )
        for ticket in tables["helpdesk_tickets.csv"]
        if ticket["kind"] == "complaint"
    ]


def _is_broken(file: str, row: dict[str, str]) -> bool:
    given = {column: value for column, value in row.items() if value}
    return given in [
        {column: value for column, value in record.items() if value} for record in dirt.BROKEN.get(file, ())
    ]


def _is_readable(column: Column, value: str) -> bool:
    if not value:
        return not column.required
    if column.words is not None:
        return value in WORDS[column.words]
    try:
        if column.type in ("DATE", "TIMESTAMP"):
            datetime.fromisoformat(value)
        elif column.type in ("MONEY", "AMOUNT", "QUANTITY", "BIGINT") or column.type.startswith("DECIMAL"):
            float(value)
    except ValueError:
        return False
    return column.type != "BOOLEAN" or value in ("true", "false")


def _day(moment: str) -> date:
    return date.fromisoformat(moment[:10])


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
