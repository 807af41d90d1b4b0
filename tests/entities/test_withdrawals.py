"""A withdrawn load leaves what there would be without it, and what was known before stays known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from crm_analytics.entities import checks, store_versions
from crm_analytics.warehouse import Warehouse, all_sql_files

JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3))
FACTS = [file for file in all_sql_files() if file.kind == "facts"]

IDS = st.sampled_from(["A", "B", "C"])
WORDS = st.sampled_from(["x", "y", None])
DAYS = st.sampled_from([datetime(2023, 5, day, tzinfo=UTC) for day in (1, 2)])
CUSTOMERS = st.fixed_dictionaries(
    {
        "source_id": IDS,
        "country": WORDS,
        "modified_at": st.one_of(st.none(), DAYS),
        "is_deleted": st.booleans(),
    }
)
ORDERS = st.fixed_dictionaries(
    {"source_id": IDS, "customer_source_id": IDS, "occurred_at": DAYS, "total_amount": st.integers(1, 3)}
)
LINES = st.fixed_dictionaries(
    {
        "order_source_id": IDS,
        "line_source_id": st.one_of(st.none(), IDS),
        "customer_source_id": IDS,
        "occurred_at": DAYS,
        "product_source_id": WORDS,
        "quantity": st.integers(1, 2),
        "amount": st.integers(1, 3),
    }
)
DELIVERY = st.fixed_dictionaries(
    {
        "customers": st.lists(CUSTOMERS, max_size=4),
        "orders": st.lists(ORDERS, max_size=4),
        "order_lines": st.lists(LINES, max_size=5),
    }
)
Delivery = dict[str, list[dict[str, Any]]]


def deliver(wh: Warehouse, load_id: int, received_at: datetime, delivery: Delivery, repeats: Any) -> None:
    for name, records in delivery.items():
        if records:
            staged = pa.Table.from_pylist([one | {"record_number": n} for n, one in enumerate(records, 1)])
            how: Any = {"load_id": load_id, "source_system": "shop", "received_at": received_at}
            store_versions(wh, name, staged, repeats=repeats, **how)


def withdraw(wh: Warehouse, load_id: int, at: datetime) -> None:
    wh.execute("insert into ops.withdrawals values ($id, $at, $id, '')", id=load_id, at=at)


def facts(wh: Warehouse, known_at: datetime) -> dict[str, list[str]]:
    """Every fact as of 2025, with known_at where it takes one; rows in order."""
    found = {}
    for file in FACTS:
        given: dict[str, Any] = {name: date(2025, 1, 1) for name in file.parameters if name != "known_at"}
        others = {
            "from_on": date(2020, 1, 1),
            "channel": "email",
            "segmentation": "rfm",
            "is_for_sending": True,
        }
        given |= {name: value for name, value in others.items() if name in given}
        places = ", ".join("$" + name for name in given)
        if "known_at" in file.parameters:
            places += ", _known_at := $known_at"
        asked = given | ({"known_at": known_at} if "known_at" in file.parameters else {})
        rows = wh.arrow(f"select * from facts.{file.path.stem}({places})", **asked).to_pylist()
        found[file.path.stem] = sorted(repr(row) for row in rows)
    return found


def states(wh: Warehouse, known_at: datetime | None = None) -> Sequence[Any]:
    """What the views of the entities hold, or what their macros say was known."""
    at = "$known_at"
    asked: dict[str, Any] = {"known_at": known_at} if known_at else {}
    sources = {
        "entities.customers": f"entities.customers_at(date '2025-01-01', _known_at := {at})",
        "entities.orders": f"entities.orders_known(_known_at := {at})",
        "entities.order_lines": f"entities.order_lines_known(_known_at := {at})",
    }
    told = sources.values() if known_at else sources
    return [wh.rows(f"select * exclude (is_revision) from {one} order by all", **asked) for one in told]


@pytest.fixture(scope="module")
def two_warehouses() -> Iterator[tuple[Warehouse, Warehouse]]:
    with Warehouse.open(reporting_currency="EUR") as wh, Warehouse.open(reporting_currency="EUR") as alone:
        yield wh, alone


def emptied(wh: Warehouse) -> Warehouse:
    wh.execute("delete from ops.withdrawals")
    for name in ("customers", "orders", "order_lines"):
        wh.execute(f"delete from entities.{name}_versions")
    return wh


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(first=DELIVERY, second=DELIVERY, third=DELIVERY, repeats=st.sampled_from(["merge", "keep"]))
def test_a_load_and_its_withdrawal_leave_the_entities_as_if_it_had_not_been(
    two_warehouses: tuple[Warehouse, Warehouse],
    first: Delivery,
    second: Delivery,
    third: Delivery,
    repeats: str,
) -> None:
    wh, alone = map(emptied, two_warehouses)
    for one in (wh, alone):
        deliver(one, 1, JANUARY, first, repeats)
    deliver(wh, 2, FEBRUARY, second, repeats)
    between = states(wh, FEBRUARY)
    withdraw(wh, 2, MARCH)
    assert states(wh) == states(alone)
    assert states(wh, FEBRUARY) == between, "before the withdrawal it is known"
    assert states(wh, MARCH) == states(alone, MARCH)
    for one in (wh, alone):
        deliver(one, 3, MARCH, third, repeats)
    assert states(wh) == states(alone), "what comes afterwards is compared with what stands"
    assert [one for one in checks.run(wh) if one.check == "rows_counted_twice"] == []


def order(number: str, customer: str, amount: int) -> Delivery:
    head = {
        "source_id": number,
        "customer_source_id": customer,
        "occurred_at": JANUARY,
        "total_amount": amount,
    }
    line = {"order_source_id": number, "product_source_id": "P", "quantity": 1, "amount": amount}
    return {"customers": [{"source_id": customer}], "orders": [head], "order_lines": [line]}


def test_no_fact_sees_a_withdrawn_load(two_warehouses: tuple[Warehouse, Warehouse]) -> None:
    wh, alone = map(emptied, two_warehouses)
    for one in (wh, alone):
        deliver(one, 1, JANUARY, order("1", "A", 5), "merge")
    deliver(wh, 2, FEBRUARY, order("1", "A", 7), "merge")
    deliver(wh, 3, FEBRUARY, order("2", "B", 9), "merge")
    between = facts(wh, FEBRUARY)
    for load_id in (2, 3):
        withdraw(wh, load_id, MARCH)
    assert facts(wh, MARCH) == facts(alone, MARCH) != between
    assert facts(wh, FEBRUARY) == between


def test_a_load_made_again_counts_anew_also_when_it_is_dated_back() -> None:
    again = order("1", "A", 5)
    with Warehouse.open() as wh:
        deliver(wh, 1, JANUARY, again, "merge")
        withdraw(wh, 1, MARCH)
        assert wh.value("select count(*) from entities.orders") == 0
        deliver(wh, 2, JANUARY, again, "merge")
        assert wh.rows("select load_id from entities.orders") == [(2,)]
        at = "select load_id from entities.orders_known(_known_at := $at)"
        assert len(wh.rows(at, at=FEBRUARY)) == 1, "one order, whichever of its two loads tells it"
