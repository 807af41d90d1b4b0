"""Does the warehouse learn what people wrote: everything, once, exactly, and only what is new?"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import crm_analytics as crm
from crm_analytics import errors
from crm_analytics.ingest.sync import sync
from crm_analytics.records import RecordStore
from crm_analytics.schema import entity
from crm_analytics.warehouse import Warehouse
from tests.records.conftest import START, ticking
from tests.records.samples import KEPT, full, least

MODIFIED_AT = {name: [c for c in entity(name).column_names if c == "modified_at"] for name in KEPT}
SOURCE_ID = {name: [c for c in entity(name).key if c == "source_id"] for name in KEPT}


@pytest.fixture
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as warehouse:
        yield warehouse


@pytest.fixture
def records() -> Iterator[RecordStore]:
    with RecordStore.open(":memory:", clock=ticking()) as store:
        yield store


def everything(wh: Warehouse, name: str) -> list[tuple[object, ...]]:
    return wh.rows(f"select * from entities.{name}_versions order by row_id, record_number")


@pytest.mark.parametrize("name", KEPT)
def test_every_column_of_every_entity_arrives_exactly(wh: Warehouse, records: RecordStore, name: str) -> None:
    given = full(entity(name))
    records.entity(name).add(given)
    load = sync(wh, records)
    assert (load.rows_in, load.rows_loaded, load.rows_merged, load.rows_quarantined) == (1, 1, 0, 0)
    columns = ", ".join(f'"{column}"' for column in given)
    (arrived,) = wh.rows(f"select {columns} from entities.{name}")
    assert dict(zip(given, arrived, strict=True)) == given
    assert wh.rows(f"select source_system, load_id, record_number from entities.{name}") == [
        ("default", 1, 1)
    ]


@pytest.mark.parametrize("name", KEPT)
def test_deletions_and_returns_travel(wh: Warehouse, records: RecordStore, name: str) -> None:
    added = records.entity(name).add(full(entity(name)))
    sync(wh, records)
    records.entity(name).delete(added.id)
    load = sync(wh, records)
    assert (load.rows_in, load.rows_loaded) == (1, 1)
    assert wh.value(f"select count(*) from entities.{name}") == 0
    assert wh.value(f"select count(*) from entities.{name}_versions") == 2
    records.entity(name).add(full(entity(name)) | dict.fromkeys(MODIFIED_AT[name]))
    assert sync(wh, records).rows_loaded == 1
    assert wh.value(f"select count(*) from entities.{name}") == 1


@pytest.mark.parametrize("name", KEPT)
def test_what_came_and_went_between_two_syncs_ends_as_it_is_in_the_store(
    wh: Warehouse, records: RecordStore, name: str
) -> None:
    for variant in (0, 1):
        added = records.entity(name).add(least(entity(name), variant) | dict.fromkeys(SOURCE_ID[name], "X"))
        records.entity(name).delete(added.id)
    sync(wh, records)
    assert wh.value(f"select count(*) from entities.{name}") == 0
    records.entity(name).add(least(entity(name)) | dict.fromkeys(SOURCE_ID[name], "X"))
    sync(wh, records)
    assert wh.value(f"select count(*) from entities.{name}") == 1


def test_a_second_sync_brings_only_what_is_new(wh: Warehouse, records: RecordStore) -> None:
    task = records.tasks.add({"status": "open"})
    other = records.tasks.add({"status": "open"})
    assert sync(wh, records).rows_in == 2
    records.tasks.update(task.id, {"status": "done", "outcome": "won back"})
    second = sync(wh, records)
    assert (second.rows_in, second.rows_loaded, second.rows_merged) == (1, 1, 0)
    states = wh.rows("select source_id, status from entities.tasks order by source_id")
    assert states == sorted([(task.id, "done"), (other.id, "open")])


def test_a_sync_with_nothing_new_changes_nothing(wh: Warehouse, records: RecordStore) -> None:
    records.tasks.add({"status": "open"})
    sync(wh, records)
    before = (everything(wh, "tasks"), wh.rows("from ops.loads"), wh.rows("from ops.sync_state"))
    again = sync(wh, records)
    assert (again.status, again.rows_in) == ("unchanged", 0)
    assert (everything(wh, "tasks"), wh.rows("from ops.loads"), wh.rows("from ops.sync_state")) == before


def test_all_versions_between_two_syncs_are_kept_with_the_time_they_held_from(
    wh: Warehouse, records: RecordStore
) -> None:
    deal = records.opportunities.add({"amount": "100", "stage": "first"})
    stages = ("second", "third", "second")
    history = [deal, *(records.opportunities.update(deal.id, {"stage": stage}) for stage in stages)]
    load = sync(wh, records)
    assert (load.rows_in, load.rows_loaded, load.rows_merged) == (4, 1, 3)
    told = wh.rows("select stage, valid_from from entities.opportunities_versions order by record_number")
    assert told == [(v["stage"], v["modified_at"] or v["created_at"]) for v in history]
    assert wh.value("select stage from entities.opportunities") == "second"


def test_a_correction_of_an_event_replaces_it_and_a_return_to_the_old_value_counts(
    wh: Warehouse, records: RecordStore
) -> None:
    answer = records.feedback.add({"kind": "nps", "score": "9", "occurred_at": START})
    sync(wh, records)
    for score in ("3", "9"):
        records.feedback.update(answer.id, {"score": score})
        sync(wh, records)
        assert wh.value("select score from entities.feedback") == Decimal(score)


def test_the_order_of_syncs_does_not_depend_on_a_clock_that_went_back(wh: Warehouse) -> None:
    shown = [START]
    with RecordStore.open(clock=lambda: shown[-1]) as records:
        answer = records.feedback.add({"kind": "nps", "score": "1", "occurred_at": START})
        shown.append(START + timedelta(days=1))
        records.feedback.add({"kind": "nps", "score": "5", "occurred_at": START})
        sync(wh, records)
        shown.append(START + timedelta(hours=1))
        records.feedback.update(answer.id, {"score": "2"})
        sync(wh, records)
    scores = wh.rows("select score from entities.feedback where source_id = $id", id=answer.id)
    assert scores == [(Decimal(2),)]


def test_the_same_changes_give_the_same_rows_in_one_sync_or_in_many(records: RecordStore) -> None:
    with Warehouse.open() as often, Warehouse.open() as once:
        for number in range(4):
            task = records.tasks.add({"source_id": f"T{number}", "status": "open"})
            sync(often, records)
            records.tasks.update(task.id, {"status": "done"})
        records.tasks.delete("T2")
        sync(often, records)
        sync(once, records)
        columns = ", ".join(f'"{name}"' for name in entity("tasks").column_names)
        query = (
            f"select {columns}, is_deleted, valid_from from entities.tasks_versions order by record_number"
        )
        assert often.rows(query) == once.rows(query)
        assert len(once.rows(query)) == 9


def test_the_ledger_balances_and_names_no_folder(tmp_path: Path, wh: Warehouse) -> None:
    with RecordStore.open(tmp_path / "a.records.db", clock=ticking()) as records:
        task = records.tasks.add({"status": "open"})
        last = records.tasks.update(task.id, {"status": "done"})
        load = sync(wh, records)
    (row,) = wh.rows(
        "select load_id, file, profile, source_system, status, rows_in, rows_loaded, rows_quarantined, "
        "rows_merged, received_at, started_at < finished_at from ops.loads"
    )
    assert row == (
        load.load_id,
        "a.records.db",
        "records",
        "default",
        "loaded",
        2,
        1,
        0,
        1,
        last.recorded_at,
        True,
    )


def test_customers_of_the_record_store_share_ids_with_the_plain_layouts(
    wh: Warehouse, records: RecordStore
) -> None:
    records.customers.add({"source_id": "C1"})
    sync(wh, records)
    assert wh.rows("select source_system, source_id from entities.customers") == [("default", "C1")]
    with pytest.raises(errors.UsageError, match="was synced as 'default' before"):
        sync(wh, records, source_system="crm")


def test_two_record_stores_are_followed_apart(wh: Warehouse) -> None:
    with RecordStore.open(clock=ticking()) as north, RecordStore.open(clock=ticking()) as south:
        north.tasks.add({"source_id": "N"})
        south.tasks.add({"source_id": "S"})
        assert [sync(wh, store).rows_in for store in (north, south, north, south)] == [1, 1, 0, 0]
    assert wh.rows("select source_id from entities.tasks order by source_id") == [("N",), ("S",)]


@pytest.mark.parametrize("later", [0, 1, 2])
def test_a_store_restored_from_a_backup_is_noticed(tmp_path: Path, wh: Warehouse, later: int) -> None:
    clock = ticking()
    with RecordStore.open(tmp_path / "a.db", clock=clock) as records:
        records.tasks.add({"source_id": "T1"})
    shutil.copy(tmp_path / "a.db", tmp_path / "backup.db")
    with RecordStore.open(tmp_path / "a.db", clock=clock) as records:
        records.tasks.add({"source_id": "T2"})
        sync(wh, records)
    with RecordStore.open(tmp_path / "backup.db", clock=clock) as records:
        for number in range(later):
            records.tasks.add({"source_id": f"T{number + 3}"})
        with pytest.raises(errors.StoreError, match="restored from a backup"):
            sync(wh, records)


def test_a_sync_that_fails_is_as_if_it_had_not_begun(wh: Warehouse, records: RecordStore) -> None:
    records.tasks.add({"status": "open"})
    with pytest.raises(ZeroDivisionError), wh.transaction():
        sync(wh, records)
        raise ZeroDivisionError
    assert everything(wh, "tasks") == wh.rows("from ops.loads") == wh.rows("from ops.sync_state") == []
    assert sync(wh, records).rows_in == 1


def test_writers_go_on_while_a_sync_reads_and_nothing_is_missed(tmp_path: Path, wh: Warehouse) -> None:
    with RecordStore.open(tmp_path / "a.db") as records:
        writer = threading.Thread(target=lambda: [records.tasks.add({"status": "open"}) for _ in range(60)])
        writer.start()
        arrived = 0
        while writer.is_alive():
            arrived += sync(wh, records).rows_in
        writer.join()
        arrived += sync(wh, records).rows_in
    assert arrived == 60
    assert wh.value("select count(*) from entities.tasks") == 60


def test_the_state_of_a_day_is_seen_as_of_that_day(wh: Warehouse) -> None:
    shown = [datetime(2024, 5, 1, 10, tzinfo=UTC)]
    with RecordStore.open(clock=lambda: shown[-1]) as records:
        customer = records.customers.add({"city": "Bonn"})
        shown.append(datetime(2024, 6, 1, 10, tzinfo=UTC))
        records.customers.update(customer.id, {"city": "Aachen"})
        sync(wh, records)
    query = "select city from entities.customers_at(_as_of := $as_of)"
    assert wh.rows(query, as_of=date(2024, 6, 1)) == [("Bonn",)]
    assert wh.rows(query, as_of=date(2024, 6, 2)) == [("Aachen",)]


def test_the_promised_name_is_public() -> None:
    assert crm.sync is sync
