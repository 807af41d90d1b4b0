"""Whose is an order number that two loads give to two customers?  Nothing is lost, nothing guessed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from crm_analytics.entities.versions import Staging, StoredDelivery
from crm_analytics.warehouse import Warehouse

DAYS = [datetime(2024, 5, day, tzinfo=UTC) for day in range(1, 9)]
SYSTEMS = (f"system {number}" for number in itertools.count())
LOADS = itertools.count(1)

Record = dict[str, Any]


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as warehouse:
        yield warehouse


def store(
    wh: Warehouse, system: str, day: int, records: list[Record], name: str = "order_lines", **how: Any
) -> StoredDelivery:
    names = dict.fromkeys(itertools.chain.from_iterable(records))
    rows = pa.table(
        {column: [record.get(column) for record in records] for column in names}
        | {"record_number": list(range(1, len(records) + 1))}
    )
    received: dict[str, Any] = {"load_id": next(LOADS), "source_system": system, "received_at": DAYS[day]}
    with wh.transaction(), Staging(wh, **received, **how) as staging:
        staging.append(name, rows)
        staging.store()
        return staging.finish()


def line(customer: str | None, product: str, quantity: int, price: int = 10, *, day: int = 0) -> Record:
    return {
        "order_source_id": "O1",
        "customer_source_id": customer,
        "product_source_id": product,
        "occurred_at": DAYS[0] + timedelta(days=day),
        "quantity": Decimal(quantity),
        "unit_price": Decimal(price),
        "amount": Decimal(quantity * price),
    }


def order(customer: str | None, *quantities: int, day: int = 0) -> list[Record]:
    """Return an order of the products P1, P2 ... at 10, 20 ..."""
    return [
        line(customer, f"P{number}", quantity, 10 * number, day=day)
        for number, quantity in enumerate(quantities, start=1)
    ]


def amounts(wh: Warehouse, system: str) -> dict[str | None, int]:
    return dict(
        wh.rows(
            "select customer_source_id, cast(sum(amount) as bigint) from entities.order_lines "
            "where source_system = $system group by 1 order by 1",
            system=system,
        )
    )


def withdraw(wh: Warehouse, system: str, *, position: int) -> None:
    """Take back the load of a system at a position."""
    loads = wh.rows(
        "select load_id from ops.deliveries where source_system = $system order by load_id", system=system
    )
    wh.execute(
        "insert into ops.withdrawals by name select $taken as load_id, $at as withdrawn_at, "
        "$taken as withdrawn_with, '' as reason",
        at=DAYS[7],
        taken=loads[position][0],
    )


def deliver(
    wh: Warehouse, *deliveries: list[Record], days: tuple[int, ...] = tuple(range(8))
) -> tuple[dict[str | None, int], list[tuple[int, int]]]:
    """Store deliveries, and return what each customer bought, and of each the lines corrected and shared."""
    system = next(SYSTEMS)
    told = [store(wh, system, day, records).lines for day, records in zip(days, deliveries, strict=False)]
    return amounts(wh, system), [(one.corrections, one.shared) for one in told]


def test_two_branches_with_one_equal_line_are_two_orders_and_both_count(wh: Warehouse) -> None:
    found, told = deliver(wh, order("C1", 1, 1), order("C2", 1, 2))
    assert found == {"C1": 30, "C2": 50}
    assert told == [(0, 0), (0, 2)]


def test_a_correction_means_the_order_that_has_the_very_same_lines(wh: Warehouse) -> None:
    found, told = deliver(wh, order("C1", 3), order("C2", 5), order("C3", 5))
    assert found == {"C1": 30, "C3": 50}
    assert told == [(0, 0), (0, 1), (1, 0)]


def test_an_order_of_the_very_same_lines_and_another_customer_counts_once(wh: Warehouse) -> None:
    assert deliver(wh, order("C1", 1, 1, 1), order("C2", 1, 1, 1)) == ({"C2": 60}, [(0, 0), (3, 0)])


def test_another_customer_and_one_edited_quantity_are_another_order_as_a_whole(wh: Warehouse) -> None:
    found, told = deliver(wh, order("C1", 1, 1, 1), order("C2", 1, 2, 1))
    assert found == {"C1": 60, "C2": 80}
    assert told == [(0, 0), (0, 3)]


def test_a_part_of_an_order_under_another_customer_moves_nothing(wh: Warehouse) -> None:
    full, cut = order("C2", 1, 1, 1), order("C2", 1, 1)
    assert deliver(wh, order("C1", 1, 1, 1), cut) == ({"C1": 60, "C2": 30}, [(0, 0), (0, 2)])
    found, told = deliver(wh, order("C1", 1, 1, 1), cut, full)
    assert found == {"C1": 60, "C2": 60}, "an order that C2 is known to have corrects nothing"
    assert told[2] == (0, 1)


def test_more_lines_than_the_known_order_has_are_another_order(wh: Warehouse) -> None:
    assert deliver(wh, order("C1", 1), order("C2", 1, 1)) == ({"C1": 10, "C2": 30}, [(0, 0), (0, 1)])


def test_a_line_that_named_no_customer_gets_one_and_other_numbers_at_once(wh: Warehouse) -> None:
    found, told = deliver(wh, order(None, 1, 1), order("C2", 1, 3))
    assert (found, told[1]) == ({"C2": 70}, (2, 0))
    found, _ = deliver(wh, order("C1", 1), order(None, 1, day=60), order("C2", 3, day=60))
    assert found == {"C1": 10, "C2": 30}, "a number of two months ago is another order"


def test_of_two_orders_with_the_same_lines_none_is_guessed_to_be_corrected(wh: Warehouse) -> None:
    found, told = deliver(wh, [*order("C1", 1), *order("C2", 1)], order("C3", 1))
    assert (found, told[1]) == ({"C1": 10, "C2": 10, "C3": 10}, (0, 1))
    found, told = deliver(wh, order("C1", 1), [*order("C2", 1), *order("C3", 1)])
    assert (found, told[1]) == ({"C1": 10, "C2": 10, "C3": 10}, (0, 2))


def test_a_delivery_that_repeats_an_order_does_not_correct_it(wh: Warehouse) -> None:
    found, told = deliver(wh, order("C1", 1, 1), [*order("C1", 1, 1), *order("C2", 1, 1)])
    assert (found, told[1]) == ({"C1": 30, "C2": 30}, (0, 2))


ONE, OTHER = order("C1", 1), order("C2", 1)


@pytest.mark.parametrize(
    ("deliveries", "days", "expected"),
    [
        ((ONE, [*ONE, *OTHER]), (0, 1), [0, 1]),
        ((ONE, [*OTHER, *ONE]), (0, 1), [0, 1]),
        ((OTHER, [*ONE, *OTHER]), (0, 1), [0, 1]),
        (([*ONE, *OTHER], ONE), (1, 0), [0, 1]),
        ((ONE, ONE, OTHER), (0, 1, 1), [0, 0, 1]),
        ((ONE, OTHER, ONE), (0, 1, 1), [0, 0, 1]),
        ((ONE, OTHER, [*ONE, *OTHER]), (0, 1, 2), [0, 0, 1]),
        ((ONE, [*ONE, *OTHER], [*ONE, *OTHER]), (0, 1, 2), [0, 1, 0]),
        ((ONE, [*order("C1", 2), *OTHER]), (0, 1), [0, 1]),
        (([*ONE, *OTHER], [*ONE, *OTHER]), (0, 1), [0, 0]),
    ],
)
def test_a_known_line_of_another_customer_is_told_however_the_deliveries_are_cut(
    wh: Warehouse, deliveries: tuple[list[Record], ...], days: tuple[int, ...], expected: list[int]
) -> None:
    found, told = deliver(wh, *deliveries, days=days)
    assert set(found) == {"C1", "C2"}, "both count"
    assert [shared for _, shared in told] == expected


def test_a_number_of_last_year_does_not_hide_a_correction_of_this_year(wh: Warehouse) -> None:
    found, told = deliver(wh, order("C1", 1), order("C2", 1, day=400), order("C3", 1, day=400))
    assert (found, told[2]) == ({"C1": 10, "C3": 10}, (1, 0))


@pytest.mark.parametrize("sequence", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_corrections_come_out_alike_in_any_order_of_the_loads(
    wh: Warehouse, sequence: tuple[int, ...]
) -> None:
    files = [order("C1", 3, 1), order("C2", 5, 1), order("C3", 5, 1)]
    found, _ = deliver(wh, *(files[number] for number in sequence), days=sequence)
    assert found == {"C1": 50, "C3": 70}


@pytest.mark.parametrize("parts", [((0, 1), (2,)), ((2,), (1, 0)), ((1,), (0,), (2,))])
def test_a_correction_may_come_in_several_files_of_one_moment(
    wh: Warehouse, parts: tuple[tuple[int, ...], ...]
) -> None:
    corrected = order("C2", 1, 1, 1)
    files = [[corrected[number] for number in part] for part in parts]
    found, told = deliver(wh, order("C1", 1, 1, 1), *files, days=(0, *[2] * len(files)))
    assert found == {"C2": 60}
    assert told[-1] == (3, 0), "the last part tells of the whole order"


def test_a_part_that_was_taken_for_a_correction_is_none_once_the_order_is_whole(wh: Warehouse) -> None:
    other = order("C2", 1, 1)
    found, told = deliver(wh, order("C1", 1), other[:1], other[1:], days=(0, 2, 2))
    assert found == {"C1": 10, "C2": 30}
    assert told == [(0, 0), (1, 0), (0, 1)]


def test_withdrawing_the_load_between_gives_back_what_it_replaced(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    for day, records in enumerate((order("C1", 3), order("C2", 3), order("C3", 3))):
        store(wh, system, day, records)
    withdraw(wh, system, position=1)
    assert amounts(wh, system) == {"C3": 30}
    store(wh, system, 4, order("C1", 3))
    assert amounts(wh, system) == {"C1": 30}


def test_once_a_cut_delivery_is_taken_back_the_whole_order_is_a_correction(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    store(wh, system, 0, order("C1", 1, 1, 1))
    store(wh, system, 1, order("C2", 1, 1))
    withdraw(wh, system, position=1)
    assert amounts(wh, system) == {"C1": 60}
    assert store(wh, system, 2, order("C2", 1, 1, 1)).lines.corrections == 3
    assert amounts(wh, system) == {"C2": 60}


def head(customer: str | None, amount: int, **other: Any) -> Record:
    return {
        "source_id": "O1",
        "customer_source_id": customer,
        "occurred_at": DAYS[0],
        "total_amount": Decimal(amount),
        **other,
    }


@pytest.mark.parametrize(
    ("later", "told"),
    [
        (head("C2", 100), (1, 1, 0, 0)),
        (head("C2", 40), (1, 1, 0, 0)),
        (head("C1", 40), (0, 0, 1, 1)),
        (head("C1", 100, status="closed", owner_source_id="U1"), (0, 0, 0, 0)),
        (head("C1", 100), (0, 0, 0, 0)),
    ],
    ids=["customer", "customer and amount", "amount", "status", "nothing"],
)
def test_a_head_that_replaces_another_customer_or_amount_is_told_and_an_update_is_not(
    wh: Warehouse, later: Record, told: tuple[int, ...]
) -> None:
    system = next(SYSTEMS)
    store(wh, system, 0, [head("C1", 100)], "orders")
    [replaced] = store(wh, system, 1, [later], "orders").replaced.values()
    counts = (replaced.customers, replaced.customer_record, replaced.amounts, replaced.amount_record)
    assert counts == told


def test_what_a_late_head_says_of_another_customer_is_told_too(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    store(wh, system, 4, [head("C1", 100)], "orders")
    [replaced] = store(wh, system, 1, [head("C2", 40)], "orders").replaced.values()
    assert (replaced.customers, replaced.customer_record) == (1, 0)


def test_a_ticket_that_changes_its_customer_is_a_state_and_not_told(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    tickets = [{"source_id": "T1", "customer_source_id": customer} for customer in ("C1", "C2")]
    store(wh, system, 0, tickets[:1], "tickets")
    [replaced] = store(wh, system, 1, tickets[1:], "tickets").replaced.values()
    assert replaced.customers == 0


def test_two_heads_of_one_moment_that_differ_are_told_whichever_counts(wh: Warehouse) -> None:
    for first, second in (("C1", "C2"), ("C2", "C1")):
        system = next(SYSTEMS)
        store(wh, system, 0, [head(first, 100)], "orders")
        told = store(wh, system, 0, [head(second, 40)], "orders")
        assert told.replaced["orders"].customers + told.contradicted == 1
