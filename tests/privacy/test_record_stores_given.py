"""Is a person found in the record stores too, with what was written since the last sync, in each of them?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import crm_analytics as crm
from crm_analytics.errors import UsageError
from crm_analytics.records import RecordStore
from crm_analytics.warehouse import Warehouse

PERSON = "kestrel"


@pytest.fixture
def wh(tmp_path: Path) -> Iterator[Warehouse]:
    folder = tmp_path / "store"
    folder.mkdir()
    with Warehouse.open(folder / "crm.duckdb") as opened:
        yield opened


def store(wh: Warehouse, name: str = "rec.db") -> RecordStore:
    return RecordStore.open(Path(wh.path).with_name(name))


def holding(wh: Warehouse) -> str:
    folder = str(Path(wh.path).parent)
    return subprocess.run(["grep", "-rlaiF", PERSON, folder], capture_output=True, text=True).stdout


def test_what_was_written_since_the_last_sync_is_exported_and_erased(wh: Warehouse) -> None:
    with store(wh) as records:
        records.customers.add({"source_id": "R1", "name": "Other One"})
        crm.sync(wh, records)
        records.customers.add({"source_id": "W1", "name": PERSON, "email": f"{PERSON}@example.com"})
        records.tickets.add({"source_id": "T1", "customer_source_id": "W1", "subject": f"{PERSON} asks"})
        told = crm.export_subject(wh, f"{PERSON}@example.com", records=records).tables
        assert [row["subject"] for row in told["records.tickets"]] == [f"{PERSON} asks"]
        records.tasks.add({"source_id": "A1", "customer_source_id": "W1", "subject": f"call {PERSON}"})
        receipt = crm.erase(wh, f"{PERSON}@example.com", records=records)
        assert receipt.records_removed == {"customers": 1, "tasks": 1, "tickets": 1}
        assert receipt.to_delete_yourself == ()
        assert crm.sync(wh, records).rows_loaded == 3  # what is to be taken out, and was already
        assert wh.rows("select name from entities.customers") == [("Other One",)]
    assert holding(wh) == ""


def test_a_live_record_store_is_never_named_as_something_to_delete(wh: Warehouse) -> None:
    with store(wh) as records, store(wh, "other.db") as other:
        records.customers.add({"source_id": "W1", "name": PERSON, "email": f"{PERSON}@example.com"})
        records.tasks.add({"source_id": "A1", "subject": f"ask about {PERSON}@example.com"})
        other.tasks.add({"source_id": "A2", "subject": f"ask about {PERSON}@example.com"})
        crm.sync(wh, records)
        receipt = crm.erase(wh, "W1", records=records)
    assert receipt.to_delete_yourself == ()
    assert receipt.stores_not_given == (other.path,)


def test_records_that_stay_with_an_address_of_the_person_are_named(wh: Warehouse) -> None:
    with store(wh) as records:
        mine = {"name": PERSON, "email": f"{PERSON}@example.com"}
        records.customers.add({"source_id": "R1", "phone": "+49 30 901820"} | mine)
        records.customers.add({"source_id": "R2"} | mine)
        records.customers.add({"source_id": "O1", "name": "Other One", "phone": "0049 30 901820"})
        records.contacts.add({"source_id": "K1", "customer_source_id": "O1"} | mine)
        crm.sync(wh, records)
        receipt = crm.erase(wh, "R1", records=records)
        assert receipt.stay_alike == ("contacts:default:K1", "default:O1", "default:R2")
        crm.erase(wh, "contacts:default:K1", records=records)
        assert crm.erase(wh, "default:R2", records=records).stay_alike == ()
    assert holding(wh) == ""


def test_all_files_of_an_export_of_the_person_are_named(wh: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name\nC1,Ada\nC2,Bob\n")
    crm.load(wh, file)
    folder = Path(wh.path).parent
    files = crm.export_subject(wh, "C1").write(folder / "ada")
    crm.export_subject(wh, "C2").write(folder / "bob")
    (folder / "subject.json").write_text(json.dumps(["no export"]))
    assert set(crm.erase(wh, "C1").to_delete_yourself) == set(map(str, files))


def test_every_store_that_was_synced_must_be_given(wh: Warehouse) -> None:
    with store(wh) as one, store(wh, "other.db") as other:
        one.customers.add({"source_id": "O1", "name": PERSON})
        other.customers.add({"source_id": "X1", "name": "Other One"})
        crm.sync(wh, one)
        with pytest.raises(UsageError, match=r"other\.db: was never synced"):
            crm.erase(wh, "O1", records=[one, other])
        crm.sync(wh, other, source_system="desk")
        for given in (other, [one], None):
            for ask in (crm.erase, crm.export_subject):
                with pytest.raises(UsageError, match=r"2 record stores were synced.*Not given: the store"):
                    ask(wh, "O1", records=given)
        assert crm.erase(wh, "O1", records=[one, other]).records_removed == {"customers": 1}
        assert one.customers.find() == []


def test_a_store_that_exists_no_more_is_given_up_by_its_id(wh: Warehouse) -> None:
    with RecordStore.open(":memory:") as gone:
        gone.customers.add({"source_id": "O1", "name": PERSON})
        crm.sync(wh, gone)
    with pytest.raises(UsageError, match=gone.store_id):
        crm.erase(wh, "O1")
    with pytest.raises(UsageError, match=rf"No record store 'x' was synced.*{gone.store_id}"):
        crm.forget_records(wh, "x")
    crm.forget_records(wh, gone.store_id)
    assert crm.erase(wh, "O1").rows_removed == {"entities.customers_versions": 1}


def test_a_customer_of_the_stores_system_that_the_store_never_held_is_exported(
    wh: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name\nX1,Plain\n")
    crm.load(wh, file)
    with store(wh) as records:
        records.customers.add({"source_id": "R1", "name": "Other One"})
        crm.sync(wh, records)
        told = crm.export_subject(wh, "X1", records=records).tables
    assert [row["name"] for row in told["entities.customers"]] == ["Plain"]


@pytest.mark.parametrize("given", ["rec.db", 5, [None], {"a": 1}])
def test_what_is_no_record_store_is_refused(wh: Warehouse, given: object) -> None:
    with pytest.raises(UsageError, match="records: a RecordStore"):
        crm.erase(wh, "O1", records=given)  # type: ignore[arg-type]
