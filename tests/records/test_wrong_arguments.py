"""Do arguments that cannot mean anything end in our errors, all problems told at once?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from crm_analytics.errors import RecordInvalid, RecordNotFound, UsageError, VersionConflict
from crm_analytics.ingest.sync import sync
from crm_analytics.records import RecordStore
from crm_analytics.records.validation import MAX_ID_LENGTH
from crm_analytics.warehouse import Warehouse


@pytest.fixture
def records() -> Iterator[RecordStore]:
    with RecordStore.open(":memory:") as opened:
        opened.customers.add({"source_id": "A", "name": "Ann"})
        yield opened


def test_an_empty_version_does_not_switch_the_check_for_conflicts_off(records: RecordStore) -> None:
    records.customers.update("A", {"city": "Bonn"})
    with pytest.raises(RecordInvalid, match="row 1: version: empty"):
        records.customers.update_many([{"source_id": "A", "name": "Other", "version": None}])
    with pytest.raises(VersionConflict):
        records.customers.update_many([{"source_id": "A", "name": "Other", "version": 1}])
    assert records.customers.get("A")["name"] == "Ann"
    assert records.customers.update_many([{"source_id": "A", "name": "Eve"}])[0].version == 3


@pytest.mark.parametrize("version", ["1", True, 1.0])
def test_an_expected_version_is_a_whole_number(records: RecordStore, version: Any) -> None:
    with pytest.raises(UsageError, match=r"expected_version=.* must be a whole number"):
        records.customers.update("A", {"name": "Eve"}, expected_version=version)


def test_a_limit_beyond_every_table_is_all_of_it(records: RecordStore) -> None:
    assert len(records.customers.find(limit=10**30)) == 1
    with pytest.raises(UsageError, match="order=5 is no column"):
        records.customers.find(order=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["source_id", "email", "phone", "parent_source_id"])
def test_what_is_looked_up_by_is_of_a_length_that_every_database_takes(
    records: RecordStore, name: str
) -> None:
    given = {"name": "Bob", name: "x" * MAX_ID_LENGTH}
    records.customers.add(given)
    with pytest.raises(RecordInvalid, match=rf"{name}: 501 characters, at most 500"):
        records.customers.add(given | {name: "x" * (MAX_ID_LENGTH + 1)})


def test_a_record_can_be_written_back_or_copied_as_a_dict(records: RecordStore) -> None:
    ann = records.customers.get("A")
    assert records.customers.update("A", dict(ann) | {"city": "Bonn"}).version == 2
    assert records.customers.add(dict(ann) | {"source_id": "B"}).version == 1
    assert records.customers.add_many([dict(ann) | {"source_id": "C"}])[0].version == 1


def test_a_taken_or_unknown_id_is_told_together_with_what_else_is_wrong(records: RecordStore) -> None:
    with pytest.raises(RecordInvalid, match=r"(?s)no column.*such a record exists"):
        records.customers.add({"source_id": "A", "nam": "x"})
    with pytest.raises(RecordInvalid, match=r"(?s)no column.*holds no record of that id"):
        records.customers.update("Z", {"nam": "x"})
    with pytest.raises(RecordNotFound):
        records.customers.update("Z", {"name": "x"})
    consent = {"customer_source_id": "A", "channel": "email", "occurred_at": "2024-05-01T00:00:00Z"}
    records.consents.add(consent | {"is_granted": True})  # a column of the key is empty
    with pytest.raises(RecordInvalid, match="such a record exists"):
        records.consents.add(consent | {"is_granted": False})


@pytest.mark.parametrize(
    "moment",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
    ],
)
def test_a_moment_outside_the_calendar_is_refused(records: RecordStore, moment: datetime) -> None:
    with pytest.raises(UsageError, match="outside the years 1 to 9999"):
        records.customers.get("A", as_of=moment)
    assert records.customers.get("A", as_of=datetime.max.replace(tzinfo=UTC))["name"] == "Ann"


def test_what_is_no_store_is_neither_opened_nor_synced(records: RecordStore) -> None:
    for path in (None, 5):
        with pytest.raises(UsageError, match="A path or postgresql:// URL expected"):
            RecordStore.open(path)  # type: ignore[arg-type]
    with Warehouse.open() as wh:
        wrong: list[Any] = [(wh, None), (wh, "rec.db"), (records, wh)]
        for pair in wrong:
            with pytest.raises(UsageError, match="sync takes a Warehouse, then a RecordStore"):
                sync(*pair)
