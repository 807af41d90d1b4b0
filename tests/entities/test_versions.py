"""Do deliveries become versions so that nothing is overwritten and nothing counted twice?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_analytics.entities import Stored, store_versions
from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse

FIRST = datetime(2024, 5, 1, tzinfo=UTC)
LATER = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as warehouse:
        yield warehouse


def store(
    wh: Warehouse,
    entity: str,
    records: list[dict[str, Any]],
    *,
    received_at: datetime = FIRST,
    repeats: Any = "merge",
    source_system: str = "shop",
) -> Stored:
    load_id = wh.value(f"select coalesce(max(load_id), 0) + 1 from entities.{entity}_versions")
    names = list(dict.fromkeys(itertools.chain.from_iterable(records)))
    staged = pa.table(
        {name: [record.get(name) for record in records] for name in names if name != "record_number"}
        | {"record_number": [r.get("record_number", n) for n, r in enumerate(records, 1)]}
    )
    stored = store_versions(
        wh,
        entity,
        staged,
        load_id=load_id,
        source_system=source_system,
        received_at=received_at,
        repeats=repeats,
    )
    current = wh.value(f"select count(*) from entities.{entity} where load_id = $load_id", load_id=load_id)
    assert stored.loaded == current, "rows_loaded must be the current rows of the load"
    assert stored.loaded + stored.merged == len(records)
    return stored


def line(
    order: str = "O1", product: str = "P1", quantity: int = 1, customer: str | None = "C1"
) -> dict[str, Any]:
    return {
        "order_source_id": order,
        "customer_source_id": customer,
        "product_source_id": product,
        "quantity": Decimal(quantity),
    }


def quantities(wh: Warehouse) -> list[tuple[str, int]]:
    return wh.rows("select order_source_id, cast(quantity as bigint) from entities.order_lines order by all")


def test_record_that_says_nothing_new_is_merged(wh: Warehouse) -> None:
    assert store(wh, "customers", [{"source_id": "C1", "name": "Ada"}]) == Stored(1, 0)
    assert store(wh, "customers", [{"source_id": "C1", "name": "Ada"}], received_at=LATER) == Stored(0, 1)
    assert wh.value("select count(*) from entities.customers_versions") == 1


def test_missing_and_empty_text_are_different_contents(wh: Warehouse) -> None:
    store(wh, "customers", [{"source_id": "C1", "name": ""}])
    assert store(wh, "customers", [{"source_id": "C1", "name": None}], received_at=LATER) == Stored(1, 0)


def test_fields_that_hold_separators_are_not_confused(wh: Warehouse) -> None:
    records = [
        {"campaign_source_id": "A", "customer_source_id": "1\x1f1:2", "lead_source_id": None},
        {"campaign_source_id": "A", "customer_source_id": "1", "lead_source_id": "2"},
        {"campaign_source_id": "A", "customer_source_id": None, "lead_source_id": "-"},
    ]
    for record in records:
        record["occurred_at"] = FIRST
    assert store(wh, "campaign_members", records) == Stored(3, 0)


def test_last_record_of_a_customer_in_one_file_wins_and_the_earlier_stay_in_history(wh: Warehouse) -> None:
    records = [
        {"source_id": "C1", "phone": "1", "created_at": datetime(2021, 1, 1, tzinfo=UTC)},
        {"source_id": "C1", "phone": "2", "created_at": datetime(2020, 1, 1, tzinfo=UTC)},
    ]
    assert store(wh, "customers", records) == Stored(1, 1)
    assert wh.rows("select phone from entities.customers") == [("2",)]
    assert wh.rows("select phone, is_revision from entities.customers_versions order by record_number") == [
        ("1", False),
        ("2", True),
    ]


def test_file_that_tells_a_known_history_again_changes_nothing(wh: Warehouse) -> None:
    history = [{"source_id": "C1", "phone": phone} for phone in ("1", "2", "1")]
    store(wh, "customers", history)
    before = wh.rows("select * from entities.customers_versions order by all")
    assert store(wh, "customers", history, received_at=LATER) == Stored(0, 3)
    assert wh.rows("select * from entities.customers_versions order by all") == before


def test_state_that_changes_back_is_a_new_version(wh: Warehouse) -> None:
    store(wh, "customers", [{"source_id": "C1", "phone": "1"}])
    store(wh, "customers", [{"source_id": "C1", "phone": "2"}], received_at=LATER)
    third = datetime(2024, 7, 1, tzinfo=UTC)
    assert store(wh, "customers", [{"source_id": "C1", "phone": "1"}], received_at=third) == Stored(1, 0)


def test_state_holds_from_the_time_the_source_gives(wh: Warehouse) -> None:
    created, modified = datetime(2020, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
    first = {"source_id": "C1", "phone": "1", "created_at": created}
    store(wh, "customers", [first, {"source_id": "C2"}])
    store(wh, "customers", [first | {"phone": "2"}], received_at=LATER)
    store(wh, "customers", [first | {"phone": "3", "modified_at": modified}], received_at=LATER)
    assert wh.rows(
        "select source_id, phone, valid_from from entities.customers_versions order by source_id, phone"
    ) == [("C1", "1", created), ("C1", "2", LATER), ("C1", "3", modified), ("C2", None, FIRST)]


def test_state_older_than_the_known_one_does_not_become_current(wh: Warehouse) -> None:
    new = {"source_id": "C1", "phone": "new", "modified_at": datetime(2024, 4, 1, tzinfo=UTC)}
    old = {"source_id": "C1", "phone": "old", "modified_at": datetime(2024, 3, 1, tzinfo=UTC)}
    store(wh, "customers", [new])
    assert store(wh, "customers", [old], received_at=LATER) == Stored(0, 1)
    assert store(wh, "customers", [new], received_at=LATER) == Stored(0, 1)
    assert wh.rows("select phone from entities.customers") == [("new",)]
    assert wh.value("select count(*) from entities.customers_versions") == 2


def test_event_falls_on_the_business_day() -> None:
    with Warehouse.open(timezone="Europe/Berlin") as wh:
        store(wh, "orders", [{"source_id": "1", "occurred_at": datetime(2024, 4, 1, 22, 30, tzinfo=UTC)}])
        assert str(wh.value("select occurred_on from entities.orders")) == "2024-04-02"


def test_row_that_is_gone_leaves_the_current_view_but_not_the_versions(wh: Warehouse) -> None:
    store(wh, "customers", [{"source_id": "C1"}])
    gone = pa.table({"record_number": [1], "source_id": ["C1"], "is_deleted": [True]})
    store_versions(wh, "customers", gone, load_id=2, source_system="shop", received_at=LATER)
    assert wh.value("select count(*) from entities.customers") == 0
    assert wh.value("select count(*) from entities.customers_versions") == 2


def test_ids_of_two_systems_are_two_rows(wh: Warehouse) -> None:
    store(wh, "customers", [{"source_id": "C1"}])
    assert store(wh, "customers", [{"source_id": "C1"}], source_system="crm") == Stored(1, 0)


def test_equal_lines_are_one_fact_when_merged_and_several_when_kept(wh: Warehouse) -> None:
    assert store(wh, "order_lines", [line(), line(), line()]) == Stored(1, 2)
    assert store(wh, "order_lines", [line(), line(), line()], repeats="keep") == Stored(2, 1)
    assert store(wh, "order_lines", [line(), line()], repeats="keep") == Stored(0, 2)


def test_edited_line_is_a_new_version_counted_once(wh: Warehouse) -> None:
    store(wh, "order_lines", [line(quantity=1), line(product="P2")])
    assert store(wh, "order_lines", [line(quantity=5), line(product="P2")], received_at=LATER) == Stored(1, 1)
    assert quantities(wh) == [("O1", 1), ("O1", 5)]
    assert wh.value("select count(distinct row_id) from entities.order_lines_versions") == 2
    assert wh.rows(
        "select cast(quantity as bigint) from entities.order_lines_known(_known_at := $at) order by all",
        at=FIRST,
    ) == [(1,), (1,)]


def test_second_line_of_a_product_is_no_edit_when_the_first_is_delivered_again(wh: Warehouse) -> None:
    store(wh, "order_lines", [line(quantity=1)])
    assert store(wh, "order_lines", [line(quantity=1), line(quantity=2)], received_at=LATER) == Stored(1, 1)
    assert quantities(wh) == [("O1", 1), ("O1", 2)]


def test_line_that_takes_the_former_fields_of_an_edited_one_is_a_row_of_its_own(wh: Warehouse) -> None:
    store(wh, "order_lines", [line(quantity=1)])
    store(wh, "order_lines", [line(quantity=2)], received_at=LATER)
    third = datetime(2024, 7, 1, tzinfo=UTC)
    both = [line(quantity=2), line(quantity=1)]
    assert store(wh, "order_lines", both, received_at=third) == Stored(1, 1)
    assert quantities(wh) == [("O1", 1), ("O1", 2)]
    assert store(wh, "order_lines", both, received_at=third) == Stored(0, 2)


def test_lines_with_an_id_of_their_own_go_by_it(wh: Warehouse) -> None:
    store(wh, "order_lines", [line() | {"line_source_id": "L1"}, line() | {"line_source_id": "L2"}])
    edited = [line(quantity=9) | {"line_source_id": "L2"}]
    assert store(wh, "order_lines", edited, received_at=LATER) == Stored(1, 0)
    assert quantities(wh) == [("O1", 1), ("O1", 9)]


@pytest.mark.parametrize("missing_zone", [datetime(2024, 1, 1)])  # noqa: DTZ001
def test_time_without_zone_is_refused(wh: Warehouse, missing_zone: datetime) -> None:
    with pytest.raises(UsageError, match="has no time zone"):
        store(wh, "customers", [{"source_id": "C1"}], received_at=missing_zone)


def test_unknown_staged_column_is_refused(wh: Warehouse) -> None:
    with pytest.raises(UsageError, match=r"unknown \['nmae'\]"):
        store(wh, "customers", [{"source_id": "C1", "nmae": "Ada"}])


LINES = st.lists(
    st.builds(line, order=st.sampled_from(["O1", "O2"]), quantity=st.integers(1, 2)), min_size=1, max_size=5
)
CREATED = {"C1": datetime(2020, 1, 1, tzinfo=UTC), "C2": None}
CUSTOMERS = st.lists(
    st.builds(
        lambda source_id, phone: {"source_id": source_id, "phone": phone, "created_at": CREATED[source_id]},
        st.sampled_from(["C1", "C2"]),
        st.sampled_from(["1", "2", "3"]),
    ),
    min_size=1,
    max_size=4,
)
BOUNDED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


SYSTEMS = (f"system {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def one_wh() -> Iterator[Warehouse]:
    with Warehouse.open() as warehouse:
        yield warehouse


@BOUNDED
@given(first=CUSTOMERS, second=CUSTOMERS)
def test_order_of_two_loads_of_customers_does_not_matter(
    one_wh: Warehouse, first: list[Any], second: list[Any]
) -> None:
    results = []
    for files in ((first, second), (second, first)):
        system = next(SYSTEMS)
        for file in files:
            store(one_wh, "customers", file, source_system=system)
        results.append(
            one_wh.rows(
                "select source_id, content_id, valid_from from entities.customers "
                "where source_system = $system order by all",
                system=system,
            )
        )
    assert results[0] == results[1]


@BOUNDED
@given(first=LINES, second=LINES, repeats=st.sampled_from(["merge", "keep"]))
def test_loading_lines_again_changes_nothing(
    one_wh: Warehouse, first: list[Any], second: list[Any], repeats: str
) -> None:
    how = {"source_system": next(SYSTEMS), "repeats": repeats}
    store(one_wh, "order_lines", first, **how)
    store(one_wh, "order_lines", second, received_at=LATER, **how)
    before = one_wh.value("select count(*) from entities.order_lines_versions")
    assert store(one_wh, "order_lines", second, received_at=LATER, **how).loaded == 0
    assert one_wh.value("select count(*) from entities.order_lines_versions") == before
