"""What is known depends on when deliveries were received, not on the order in which they were loaded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crm_analytics.entities.removals import remove_missing
from crm_analytics.entities.storing import Delivery
from crm_analytics.entities.taking_back import tell_without
from crm_analytics.entities.versions import Staging, StoredDelivery
from crm_analytics.schema import entity
from crm_analytics.warehouse import Warehouse

DAYS = [datetime(2024, 5, day, tzinfo=UTC) for day in range(1, 9)]
BOUNDED = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SYSTEMS = (f"system {number}" for number in itertools.count())
# After all that is looked at.
WITHDRAWN_AT = datetime(2024, 6, 1, tzinfo=UTC)
LOADS = itertools.count(1)
# Of three files: the first comes late, and then the one between.
LATE = [(2, 0, 1)]
# Days on which is looked at what was known.
LOOKED_AT = [DAYS[day] for day in (0, 3)]

Record = dict[str, Any]
# Day of receipt, records, whether they are all there are.
File = tuple[int, list[Record], bool]


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as warehouse:
        yield warehouse


def store(wh: Warehouse, name: str, system: str, file: File, repeats: Any = "merge") -> StoredDelivery:
    day, records, is_snapshot = file
    load_id = next(LOADS)
    names = dict.fromkeys(itertools.chain.from_iterable(records))
    rows = pa.table(
        {column: [record.get(column) for record in records] for column in names}
        | {"record_number": list(range(1, len(records) + 1))}
    )
    how: dict[str, Any] = {"load_id": load_id, "source_system": system, "received_at": DAYS[day]}
    with wh.transaction(), Staging(wh, **how, repeats=repeats) as staging:
        staging.append(name, rows)
        staging.store(covers_all=[name] if is_snapshot else [])
        if is_snapshot:
            remove_missing(wh, entity(name), Delivery(**how, repeats=repeats), told_by=[load_id])
            wh.execute(
                "update ops.deliveries set snapshot_loads = [load_id] where load_id = $load_id",
                load_id=load_id,
            )
        return staging.finish()


def customers(wh: Warehouse, system: str) -> list[Any]:
    """Return what is known now, and what was on some days, as of then and as it was known then."""
    told = (
        "select source_id, phone, valid_from from entities.customers where source_system = $system order by 1"
    )
    states = [wh.rows(told, system=system)]
    for day in LOOKED_AT:
        at = (
            "select source_id, phone from entities.customers_at($day{}) where source_system = $system "
            "and is_held order by 1"
        )
        states.append(wh.rows(at.format(""), day=day.date(), system=system))
        states.append(wh.rows(at.format(", _known_at := $day"), day=day, system=system))
    return states


def lines(wh: Warehouse, system: str) -> list[Any]:
    """Return the lines that count now, and those that did on some days."""
    columns = "order_source_id, customer_source_id, cast(quantity as bigint)"
    where = "where source_system = $system order by all"
    states = [wh.rows(f"select {columns} from entities.order_lines {where}", system=system)]
    known = f"select {columns} from entities.order_lines_known(_known_at := $day) {where}"
    states += [wh.rows(known, day=day, system=system) for day in DAYS]
    return states


def customer(source_id: str, phone: str, created: int | None = None, modified: int | None = None) -> Record:
    return {
        "source_id": source_id,
        "phone": phone,
        "created_at": None if created is None else DAYS[created],
        "modified_at": None if modified is None else DAYS[modified],
    }


def line(quantity: int, customer: str | None = "C1", order: str = "O1", day: int = 0) -> Record:
    return {
        "order_source_id": order,
        "customer_source_id": customer,
        "product_source_id": "P1",
        "occurred_at": DAYS[0] + timedelta(days=day),
        "quantity": Decimal(quantity),
    }


def in_any_order(
    wh: Warehouse, name: str, files: Sequence[File], orders: Any, repeats: Any = "merge"
) -> None:
    """Load files in several orders, and compare what is known afterwards with the order of receipt."""
    look = customers if name == "customers" else lines
    results = []
    for order in [range(len(files)), *orders]:
        system = next(SYSTEMS)
        for number in order:
            store(wh, name, system, files[number], repeats)
        results.append(look(wh, system))
    for result in results[1:]:
        assert result == results[0]


def test_a_state_confirmed_before_a_late_delivery_came_is_still_the_last(wh: Warehouse) -> None:
    files: list[File] = [
        (day, [customer("C1", phone)], False) for day, phone in ((0, "A"), (2, "B"), (4, "A"))
    ]
    in_any_order(wh, "customers", files, LATE)


def test_a_snapshot_that_still_told_a_row_stands_against_a_late_one_that_did_not(wh: Warehouse) -> None:
    full, less = [customer("C1", "A"), customer("C2", "A")], [customer("C2", "A")]
    in_any_order(wh, "customers", [(0, full, True), (2, less, True), (4, full, True)], LATE)
    in_any_order(wh, "customers", [(0, full, True), (2, less, True), (4, less, True)], LATE)
    in_any_order(wh, "customers", [(0, full, False), (2, less, True), (4, full, False)], LATE)


def test_an_edited_line_that_changes_back_is_edited_in_any_order(wh: Warehouse) -> None:
    files: list[File] = [(day, [line(quantity)], False) for day, quantity in ((0, 1), (2, 5), (4, 1))]
    in_any_order(wh, "order_lines", files, LATE)


def test_what_a_late_delivery_told_is_counted_once_it_is_placed(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    store(wh, "customers", system, (4, [customer("C1", "B")], False))
    late = store(wh, "customers", system, (1, [customer("C1", "A"), customer("C2", "A")], False))
    assert (late.records, late.entities["customers"].loaded, late.entities["customers"].merged) == (1, 1, 1)


CUSTOMERS = st.lists(
    st.builds(
        customer,
        st.sampled_from(["C1", "C2"]),
        st.sampled_from(["A", "B"]),
        st.sampled_from([None, 0, 3]),
        st.sampled_from([None, None, 1, 4]),
    ),
    min_size=1,
    max_size=2,
)
LINES = st.lists(
    st.builds(line, st.integers(1, 2), st.sampled_from(["C1", "C2"]), day=st.sampled_from([0, 1, 40])),
    min_size=1,
    max_size=3,
    unique_by=repr,
)


@st.composite
def filings(draw: st.DrawFn, records: st.SearchStrategy[list[Record]], snapshots: bool) -> Any:
    """Draw three or four files of different days, and an order to load them in."""
    days = draw(st.lists(st.integers(0, 7), min_size=3, max_size=4, unique=True).map(sorted))
    told = [(day, draw(records), draw(st.booleans()) if snapshots else False) for day in days]
    return told, draw(st.permutations(range(len(told))))


@BOUNDED
@given(drawn=filings(CUSTOMERS, snapshots=True))
def test_customers_and_snapshots_may_be_loaded_in_any_order(wh: Warehouse, drawn: Any) -> None:
    files, order = drawn
    in_any_order(wh, "customers", files, [order])


@BOUNDED
@given(drawn=filings(LINES, snapshots=True), repeats=st.sampled_from(["merge", "keep"]))
def test_lines_without_an_id_may_be_loaded_in_any_order(wh: Warehouse, drawn: Any, repeats: str) -> None:
    files, order = drawn
    in_any_order(wh, "order_lines", files, [order], repeats)


@BOUNDED
@given(first=LINES, second=LINES, data=st.data())
def test_lines_may_be_split_into_files_permuted_and_loaded_twice(
    wh: Warehouse, first: list[Record], second: list[Record], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(second)))
    mixed = data.draw(st.permutations(second))
    told: list[list[File]] = [
        [(0, first, False), (2, second, False)],
        [
            (0, data.draw(st.permutations(first)), False),
            *((2, part, False) for part in (mixed[:cut], mixed[cut:]) if part),
            (3, second, False),
        ],
    ]
    results = []
    for files in told:
        system = next(SYSTEMS)
        for file in files:
            store(wh, "order_lines", system, file)
        results.append(lines(wh, system)[0])
    for result in results[1:]:
        assert result == results[0]


def test_customers_that_share_an_order_number_keep_their_lines(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    first, second = [line(1, "C1"), line(1, "C2")], [line(2, "C3"), line(1, "C1")]
    store(wh, "order_lines", system, (0, first, False))
    told = store(wh, "order_lines", system, (2, second, False))
    assert (told.records, told.lines.corrections) == (1, 0)
    assert [row[1] for row in lines(wh, system)[0]] == ["C1", "C2", "C3"]


def test_the_only_customer_of_an_order_is_corrected_and_counted(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    store(wh, "order_lines", system, (0, [line(1, "C1")], False))
    told = store(wh, "order_lines", system, (2, [line(1, "C2")], False))
    assert (told.records, told.lines.corrections) == (1, 1)
    assert lines(wh, system)[0] == [("O1", "C2", 1)]


def test_parts_of_one_moment_are_no_corrections_of_one_another(wh: Warehouse) -> None:
    system = next(SYSTEMS)
    for customer_id in ("C1", "C2", "C3"):
        told = store(wh, "order_lines", system, (2, [line(1, customer_id)], False))
        assert (told.records, told.lines.corrections) == (1, 0)
    assert [row[1] for row in lines(wh, system)[0]] == ["C1", "C2", "C3"]


def test_a_number_that_begins_anew_and_an_edit_are_told_in_any_order(wh: Warehouse) -> None:
    files: list[File] = [(day, [line(day + 1, day=40 * day)], False) for day in (0, 1)]
    files.append((2, [line(5, day=45)], False))
    for order, expected in (((0, 1, 2), [(0, 0), (1, 0), (0, 1)]), ((2, 1, 0), [(0, 0), (0, 1), (1, 0)])):
        system = next(SYSTEMS)
        told = [store(wh, "order_lines", system, files[number]).lines for number in order]
        assert lines(wh, system)[0] == [("O1", "C1", 1), ("O1", "C1", 5)]
        assert [(one.used_again, one.edits) for one in told] == expected


@st.composite
def three_loads(draw: st.DrawFn, records: st.SearchStrategy[list[Record]]) -> Any:
    """Draw three files of any days, in the order of their loading, and which of them is withdrawn."""
    told = [(draw(st.integers(0, 3)), draw(records), draw(st.booleans())) for _ in range(3)]
    return told, draw(st.integers(0, 2))


def as_if_never_loaded(wh: Warehouse, name: str, drawn: Any, repeats: Any = "merge") -> None:
    """Withdraw one of three loads, and compare what is known with what it would be without that load."""
    files, taken_back = drawn
    standing, alone = next(SYSTEMS), next(SYSTEMS)
    loads = []
    for file in files:
        store(wh, name, standing, file, repeats)
        loads.append(wh.value("select max(load_id) from ops.deliveries"))
    for number, file in enumerate(files):
        if number != taken_back:
            store(wh, name, alone, file, repeats)
    look = customers if name == "customers" else lines
    with wh.transaction():
        wh.execute(
            "insert into ops.withdrawals values ($load_id, $at, $load_id, '')",
            load_id=loads[taken_back],
            at=WITHDRAWN_AT,
        )
        tell_without(wh, [loads[taken_back]])
    assert look(wh, standing)[0] == look(wh, alone)[0]


ANY_LOAD = settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])


@ANY_LOAD
@given(drawn=three_loads(CUSTOMERS))
def test_any_load_of_customers_is_taken_back_as_if_it_had_never_been_loaded(
    wh: Warehouse, drawn: Any
) -> None:
    as_if_never_loaded(wh, "customers", drawn)


@ANY_LOAD
@given(drawn=three_loads(LINES), repeats=st.sampled_from(["merge", "keep"]))
def test_any_load_of_lines_is_taken_back_as_if_it_had_never_been_loaded(
    wh: Warehouse, drawn: Any, repeats: str
) -> None:
    as_if_never_loaded(wh, "order_lines", drawn, repeats)


def test_a_line_that_a_withdrawn_load_told_before_its_edit_was_known_once(wh: Warehouse) -> None:
    system, edited = next(SYSTEMS), [line(2)]
    store(wh, "order_lines", system, (0, [line(1)], False))
    withdrawn = wh.value("select max(load_id) from ops.deliveries")
    store(wh, "order_lines", system, (2, edited, False))
    wh.execute("insert into ops.withdrawals values ($id, $at, $id, '')", id=withdrawn, at=WITHDRAWN_AT)
    tell_without(wh, [withdrawn])
    now, *then = lines(wh, system)
    assert now == [("O1", "C1", 2)]
    assert [rows for rows in then if len(rows) > 1] == []
