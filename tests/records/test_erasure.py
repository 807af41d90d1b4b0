"""Is a person who asks to be forgotten gone from the bytes, and does the warehouse learn of it?"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from crm_analytics import errors
from crm_analytics.ingest.sync import sync
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import changes, erasures
from crm_analytics.warehouse import Warehouse

# These tests search all databases of the server for one canary: no other file of tests may use it, and the
# tests of one file run in one process (pytest --dist loadfile).
CANARY = "Kanarienvogelova"
WHEN = "2024-05-01T00:00:00+00:00"


def write_about(records: RecordStore) -> None:
    """Write about customer C1 wherever it can be, and about others what must stay."""
    records.customers.add({"source_id": "C1", "name": CANARY, "email": f"{CANARY}@example.com"})
    records.customers.update("C1", {"city": CANARY})
    records.contacts.add({"source_id": "K1", "customer_source_id": "C1", "name": CANARY})
    records.leads.add({"source_id": "L1", "converted_customer_source_id": "C1", "name": CANARY})
    records.opportunities.add({"source_id": "O1", "lead_source_id": "L1", "name": CANARY})
    records.tasks.add({"source_id": "T1", "opportunity_source_id": "O1", "subject": CANARY})
    records.tickets.add({"source_id": "S1", "customer_source_id": "C1", "subject": CANARY})
    given = {"customer_source_id": "C1", "channel": "email", "occurred_at": WHEN, "is_granted": True}
    records.consents.add(given | {"evidence": CANARY})
    records.opportunities.add({"source_id": "O2", "customer_source_id": "C2", "contact_source_id": "K1"})
    records.tasks.add({"source_id": "T2", "customer_source_id": "C1"})
    records.tasks.update("T2", {"customer_source_id": "C2"})


def files_of(place: str) -> list[Path]:
    """Return the files that hold a store: its own, or those of the server's databases."""
    if place.startswith("postgresql"):
        (folder,) = parse_qs(urlsplit(place).query)["host"]
        return [file for file in Path(folder, "data", "base").rglob("*") if file.is_file()]
    return list(Path(place).parent.iterdir())


def flush(records: RecordStore) -> None:
    if records.path.startswith("postgresql"):
        with records.database.reading() as connection:
            connection.execute("checkpoint")


def found_in(files: list[Path]) -> list[str]:
    return [file.name for file in files if file.exists() and CANARY.encode() in file.read_bytes()]


def test_an_erased_person_is_in_no_byte_and_others_stay(place: str) -> None:
    with RecordStore.open(place) as records:
        write_about(records)
        flush(records)
        assert found_in(files_of(place))
        erased = records.erase_customer("C1")
        flush(records)
        assert found_in(files_of(place)) == []
        assert erased.records == dict.fromkeys(
            ("customers", "contacts", "leads", "opportunities", "tasks", "tickets", "consents"), 1
        )
        assert erased.emptied == 2
        assert records.opportunities.get("O2")["contact_source_id"] is None
        assert [v["customer_source_id"] for v in records.tasks.history("T2")] == [None, "C2"]
        assert records.verify() == 3
        with pytest.raises(errors.RecordNotFound, match="never held"):
            records.customers.history("C1")
    assert found_in(files_of(place)) == []


def test_an_erasure_cut_short_before_the_files_are_wiped_is_finished_at_the_next_opening(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: object, driver: object, tables: object) -> None:
        raise KeyboardInterrupt

    with RecordStore.open(place) as records:
        engine = type(records.database.engine)
        write_about(records)
        flush(records)
        with monkeypatch.context() as patch:
            patch.setattr(engine, "wipe", die)
            with pytest.raises(KeyboardInterrupt):
                records.erase_customer("C1")
        flush(records)
        assert found_in(files_of(place)), "the rows are gone, their bytes are not"
    with RecordStore.open(place) as records:
        flush(records)
        assert found_in(files_of(place)) == []
    monkeypatch.setattr(engine, "wipe", die)
    RecordStore.open(place).close()  # nothing is due any more


def test_of_an_erased_record_a_keyed_hash_remains(records: RecordStore) -> None:
    write_about(records)
    last = records.last_change_number
    records.erase({"consents": [("C1", "email", None, WHEN)], "tasks": ["T1", "not held here"]})
    told = erasures(records, last)
    assert [(one.entity, one.change_number - last) for one in told] == [
        ("consents", 1),
        ("tasks", 2),
        ("tasks", 3),
    ]
    assert {one.key_hash for one in told if one.entity == "tasks"} == {
        records.hash_of("tasks", "T1"),
        records.hash_of("tasks", "not held here"),
    }
    assert changes(records, "consents", 0).num_rows == 0
    with RecordStore.open() as other:
        assert other.hash_of("tasks", "T1") != records.hash_of("tasks", "T1")


def test_an_erasure_travels_and_a_new_record_of_the_same_id_is_another(records: RecordStore) -> None:
    with Warehouse.open() as wh:
        write_about(records)
        sync(wh, records)
        records.erase_customer("C1")
        records.customers.add({"source_id": "C1", "name": "Another"})
        load = sync(wh, records)
        assert (load.rows_in, load.rows_loaded, load.rows_merged) == (8, 8, 0)
        assert wh.rows("select name from entities.customers_versions") == [("Another",)]
        for entity in ("contacts", "leads", "tickets", "consents"):
            assert wh.value(f"select count(*) from entities.{entity}_versions") == 0
        assert wh.rows("select source_id from entities.opportunities_versions") == [("O2",)]
        assert wh.value("select sum(versions_removed) from ops.erased_records") == 8
        assert sync(wh, records).status == "unchanged"
    with Warehouse.open() as wh:
        sync(wh, records)
        assert wh.rows("select name from entities.customers_versions") == [("Another",)]


def test_erasing_is_no_part_of_a_transaction_and_ids_are_checked(records: RecordStore) -> None:
    with pytest.raises(errors.UsageError, match="erase cannot be part"), records.transaction():
        records.erase_customer("C1")
    with pytest.raises(errors.UsageError, match="no record can have that id"):
        records.erase({"customers": [""]})
    with pytest.raises(errors.UsageError, match="Did you mean 'customers'"):
        records.erase({"custmers": ["C1"]})
    assert records.last_change_number == 0


def test_a_reader_that_holds_the_old_log_is_named(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    with RecordStore.open(place, wait_seconds=0.05) as records, RecordStore.open(place) as reader:
        write_about(records)
        with reader.database.snapshot() as connection:
            connection.execute("select count(*) from customers").fetchone()
            with pytest.raises(errors.StoreBusy, match="a reader still holds the old log"):
                records.erase_customer("C1")
        assert records.erase_customer("C1").records == {}
        assert found_in(files_of(str(place))) == []


@pytest.mark.parametrize("ids", ["AB", {"source_id": "AB"}, b"AB", None, 5])
def test_one_id_in_place_of_a_list_erases_nobody(ids: object) -> None:
    with RecordStore.open(":memory:") as records:
        for one in ("A", "B", "AB"):
            records.customers.add({"source_id": one, "name": one})
        with pytest.raises(errors.UsageError, match=r"customers: a list of ids expected.*nothing was erased"):
            records.erase({"customers": ids})  # type: ignore[dict-item]
        with pytest.raises(errors.UsageError, match="a dict of entity and ids expected"):
            records.erase("customers")  # type: ignore[arg-type]
        assert len(records.customers.find()) == 3
        assert records.erase_customer("AB").records == {"customers": 1}
