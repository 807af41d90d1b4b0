"""Which customer has a record that names none itself, but that a relation or the customer's name relates?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import load, unload
from crm_analytics.facts.one_customer import one_customer
from crm_analytics.normalise.letters import fold_letters
from crm_analytics.warehouse import SqlFile, Warehouse, all_sql_files
from tests import build

AS_OF = date(2024, 7, 1)
DAY = "2024-02-01"


def deal(number: str, **of: Any) -> dict[str, Any]:
    return {"kind": "association", "opportunity_source_id": number, "created_at": DAY, **of}


def of_deals(wh: Warehouse, as_of: date = AS_OF, known_at: datetime | None = None) -> dict[str, str | None]:
    """Customer of every deal."""
    return dict(
        wh.rows(
            "select opportunity_id, customer_id "
            "from facts.opportunities_before($as_of, _known_at := $known_at)",
            as_of=as_of,
            known_at=known_at,
        )
    )


@pytest.fixture(scope="module")
def related() -> Iterator[Warehouse]:
    """Two companies, a person at the second, and records that only relations or names relate to them."""
    described = {"created_at": DAY}
    with build.warehouse(
        customers=[
            {"source_id": "A", "name": "Acme  GmbH", **described},
            {"source_id": "B", "name": "Beta", **described},
            {"source_id": "T1", "name": "Twin", **described},
            {"source_id": "T2", "name": "TWIN ", **described},
            {"source_id": "L", "name": "Late", "created_at": "2024-08-01"},
        ],
        contacts=[
            {"source_id": "P", "customer_source_id": "B", "email": "p@example.com", **described},
            {"source_id": "Q", "email": "q@example.com", **described},
        ],
        opportunities=[{"source_id": f"D{n}", **described} for n in range(1, 9)]
        + [{"source_id": "D0", "customer_source_id": "B", **described}],
        tickets=[{"source_id": "K", **described}],
        tasks=[{"source_id": "W", **described}],
        interactions=[{"source_id": "I", "occurred_at": DAY, "kind": "call"}],
        relations=[
            deal("D0", customer_source_id="A"),
            deal("D1", customer_source_id="A"),
            deal("D1", contact_source_id="P"),
            deal("D2", customer_source_id="A"),
            deal("D2", customer_source_id="B", is_primary=True),
            deal("D3", contact_source_id="P"),
            deal("D4", customer_name="acme gmbh"),
            deal("D5", customer_name="Twin"),
            deal("D6", customer_name="Late"),
            deal("D7", customer_name="Nobody"),
            {"kind": "x", "ticket_source_id": "K", "contact_source_id": "Q"},
            {"kind": "x", "contact_source_id": "Q", "customer_name": "Beta"},
            {"kind": "x", "interaction_source_id": "I", "opportunity_source_id": "D4"},
            {"kind": "x", "task_source_id": "W", "opportunity_source_id": "D0"},
        ],
    ) as wh:
        yield wh


def test_a_relation_tells_the_customer_where_the_deal_names_none(related: Warehouse) -> None:
    found = of_deals(related)
    assert found["default:D0"] == "default:B", "what the deal itself says holds"
    assert found["default:D1"] == "default:A", "the company counts before the person"
    assert found["default:D2"] == "default:B", "of several companies the primary one"
    assert found["default:D3"] == "default:B", "a person's company"
    assert found["default:D8"] is None


def test_a_name_tells_the_customer_where_one_of_the_system_alone_has_it(related: Warehouse) -> None:
    found = of_deals(related)
    assert found["default:D4"] == "default:A", "case and blanks do not matter"
    assert found["default:D5"] is None, "two have the name"
    assert found["default:D6"] is None, "the customer is not there yet"
    assert found["default:D7"] is None
    assert of_deals(related, date(2024, 9, 1))["default:D6"] == "default:L"


@pytest.mark.parametrize(
    ("fact", "customer"),
    [
        ("tickets_before", "default:B"),  # of a person that a name relates
        ("interactions_before", "default:A"),  # of a deal that a name relates
        ("tasks_before", "default:B"),  # of a deal that names its customer
    ],
)
def test_every_record_of_a_customer_can_be_related(related: Warehouse, fact: str, customer: str) -> None:
    assert related.rows(f"select customer_id from facts.{fact}($as_of)", as_of=AS_OF) == [(customer,)]


def test_a_person_belongs_to_the_company_that_a_relation_tells(related: Warehouse) -> None:
    assert related.rows(
        "select contact_id, customer_id from facts.contacts_before($as_of) order by all", as_of=AS_OF
    ) == [("default:P", "default:B"), ("default:Q", "default:B")]
    statement = next(one for one in all_sql_files() if one.path.stem == "contact_points")
    nothing = dict.fromkeys(("email_like", "email_pattern", "phone_like", "phone_pattern"))
    points = related.rows(statement, is_all=True, for_customers=True, **nothing)
    assert [(row[3], row[4]) for row in points] == [("B", "p@example.com"), ("B", "q@example.com")]


@pytest.mark.parametrize("source_id", ["A", "B"])
def test_one_customer_has_the_same_rows_as_everybody_together(related: Warehouse, source_id: str) -> None:
    customer_id = f"default:{source_id}"
    facts = {one.path.stem: one for one in all_sql_files() if one.kind == "facts"}
    with one_customer(related, [("default", source_id)], customer_id, as_of=AS_OF) as told:
        found = {
            name: _own(related.rows(facts[name], as_of=AS_OF, known_at=None), facts[name], customer_id)
            for name in told
        }
    assert {"opportunities_before", "interactions_before" if source_id == "A" else "tickets_before"} <= told
    for name, rows in found.items():
        if "customer_id" in facts[name].columns:
            whole = related.rows(f"select * from facts.{name}($as_of)", as_of=AS_OF)
            assert rows == _own(whole, facts[name], customer_id), name


def _own(rows: list[tuple[Any, ...]], fact: SqlFile, customer_id: str) -> list[str]:
    place = list(fact.columns).index("customer_id") if "customer_id" in fact.columns else 0
    return sorted(repr(row) for row in rows if row[place] == customer_id)


def test_a_relation_told_later_does_not_displace_an_earlier_one_but_stands_in_for_none() -> None:
    later = {"created_at": "2024-08-01"}
    with build.warehouse(
        opportunities=[{"source_id": "D1", "created_at": DAY}, {"source_id": "D2", "created_at": DAY}],
        relations=[
            deal("D1", customer_source_id="A"),
            deal("D1", customer_source_id="B", is_primary=True) | later,
            deal("D2", customer_source_id="B") | later,
            deal("D2", customer_source_id="C", is_primary=True) | {"created_at": "2024-08-02"},
        ],
    ) as wh:
        assert of_deals(wh) == {"default:D1": "default:A", "default:D2": "default:C"}
        assert of_deals(wh, date(2024, 9, 1)) == {"default:D1": "default:B", "default:D2": "default:C"}


def test_a_relation_or_namesake_learned_later_was_not_known_then() -> None:
    then = datetime(2024, 3, 1, tzinfo=UTC)
    with build.warehouse() as wh:
        build.add(wh, "customers", [{"source_id": "A", "name": "Acme", "created_at": DAY}], recorded_at=then)
        build.add(
            wh,
            "opportunities",
            [{"source_id": "D1", "created_at": DAY}, {"source_id": "D2", "created_at": DAY}],
            recorded_at=then,
        )
        build.add(wh, "relations", [deal("D1", customer_name="Acme")], recorded_at=then)
        build.add(wh, "customers", [{"source_id": "B", "name": "Acme", "created_at": DAY}])
        build.add(wh, "relations", [deal("D2", customer_source_id="A")])
        assert of_deals(wh, known_at=then) == {"default:D1": "default:A", "default:D2": None}
        assert of_deals(wh) == {"default:D1": None, "default:D2": "default:A"}


def test_a_relation_that_is_gone_or_withdrawn_relates_nothing() -> None:
    with build.warehouse(
        opportunities=[{"source_id": "D1", "created_at": DAY}, {"source_id": "D2", "created_at": DAY}],
        relations=[deal("D1", customer_source_id="A"), deal("D2", customer_source_id="A")],
    ) as wh:
        wh.execute(
            "update entities.relations_versions set is_deleted = true where opportunity_source_id = 'D1'"
        )
        assert of_deals(wh) == {"default:D1": None, "default:D2": "default:A"}
        wh.execute("update entities.relations_versions set load_id = 7 where opportunity_source_id = 'D2'")
        wh.execute(
            "insert into ops.withdrawals by name "
            "select 7 as load_id, timestamptz '2030-02-01 00:00:00+00' as withdrawn_at, 'test' as reason, "
            "7 as withdrawn_with"
        )
        assert of_deals(wh) == {"default:D1": None, "default:D2": None}


def customer(number: str, name: str, since: str | None = None) -> dict[str, Any]:
    return {"source_id": number, "name": name, "created_at": DAY, "modified_at": since}


def test_a_name_means_whoever_had_it_when_it_was_told() -> None:
    """A deal of before a name passed on stays where it was; one of after is the new bearer's."""
    with build.warehouse(customers=[customer("A", "Acme"), customer("B", "Beta")]) as wh:
        for number, month in (("D1", 3), ("D2", 5), ("D3", 7)):
            told = datetime(2024, month, 1, tzinfo=UTC)
            build.add(wh, "opportunities", [{"source_id": number, "created_at": DAY}])
            build.add(wh, "relations", [deal(number, customer_name="Acme")], recorded_at=told)
        build.add(wh, "customers", [customer("A", "Acme Holding", "2024-04-01")])
        build.add(wh, "customers", [customer("B", "Acme", "2024-06-01")])
        expected = {"default:D1": "default:A", "default:D2": None, "default:D3": "default:B"}
        assert of_deals(wh) == expected
        assert of_deals(wh, date(2024, 5, 2)) == expected | {"default:D2": "default:A"}, "nobody else had it"
        wh.execute("update entities.customers_versions set is_deleted = true where name = 'Acme Holding'")
        assert of_deals(wh) == expected, "nothing is decided by who is left"


def test_a_name_that_two_had_when_it_was_told_stays_open() -> None:
    told = datetime(2024, 3, 1, tzinfo=UTC)
    with build.warehouse(
        customers=[customer("A", "Twin"), customer("B", "Twin")],
        opportunities=[{"source_id": "D1", "created_at": DAY}],
    ) as wh:
        build.add(wh, "relations", [deal("D1", customer_name="Twin")], recorded_at=told)
        build.add(wh, "customers", [customer("B", "Twin", "2024-04-01")])
        wh.execute("update entities.customers_versions set is_deleted = true where valid_from > '2024-03-15'")
        assert wh.rows("select source_id from entities.customers") == [("A",)]
        assert of_deals(wh) == {"default:D1": None}


@pytest.mark.parametrize(
    ("called", "told"),
    [
        ("Tab Co", "tab\tco"),
        ("Tab Co", " TAB\u00a0\u2003Co "),
        ("Straße AG", "STRASSE ag"),
        ("کیان تجارت ۱۲", "كيان  تجارت 12"),
        ("می\u200cخواهم", "میخواهم"),
        ("Café", "CAFE\u0301"),
    ],
)
def test_names_are_compared_folded(called: str, told: str) -> None:
    assert fold_letters(called) == fold_letters(told)
    with build.warehouse(
        customers=[customer("A", called)],
        opportunities=[{"source_id": "D1", "created_at": DAY}],
        relations=[deal("D1", customer_name=told)],
    ) as wh:
        assert of_deals(wh) == {"default:D1": "default:A"}


def test_a_relation_that_is_told_again_is_the_last_told(tmp_path: Path) -> None:
    """A table of pairs without marks of deletion says A, then B, then A: it is A, and was B in between."""
    pairs = "company_id,deal_id,type_id,category\n{},5000000001,5,HUBSPOT_DEFINED\n"
    with Warehouse.open(reporting_currency="USD") as wh:
        deals = tmp_path / "deal.csv"
        deals.write_text(
            "deal_id,is_deleted,property_dealname,property_createdate\n"
            "5000000001,false,Mill,2024-01-01 10:00:00\n"
        )
        load(wh, deals, received_at="2024-01-02")
        days = {"2024-02-01": "7001", "2024-02-02": "7002", "2024-02-03": "7001"}
        for day, company in days.items():
            (tmp_path / "deal_company.csv").write_text(pairs.format(company))
            load(wh, tmp_path / "deal_company.csv", received_at=day)
        for day, company in days.items():
            after = date.fromisoformat(day) + timedelta(days=1)
            assert of_deals(wh, after) == {"hubspot:5000000001": f"hubspot:{company}"}
        known = datetime(2024, 2, 2, 12, tzinfo=UTC)
        assert of_deals(wh, known_at=known) == {"hubspot:5000000001": "hubspot:7002"}
        unload(wh, 4)
        assert of_deals(wh) == {"hubspot:5000000001": "hubspot:7002"}


def test_a_name_is_looked_for_in_its_own_system_alone() -> None:
    with build.warehouse(
        opportunities=[{"source_id": "D1", "created_at": DAY}],
        relations=[deal("D1", customer_name="Acme")],
    ) as wh:
        named = [{"source_id": "A", "name": "Acme", "created_at": DAY}]
        build.add(wh, "customers", named, source_system="other")
        assert of_deals(wh) == {"default:D1": None}
        build.add(wh, "customers", named)
        assert of_deals(wh) == {"default:D1": "default:A"}
