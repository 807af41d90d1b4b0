"""Does the record store say what it means: history, conflicts, problems, references, transactions?"""

from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest

import crm_analytics as crm
from crm_analytics import errors
from crm_analytics.records import RecordStore
from crm_analytics.records.tables import decimal_digits, is_foreign_key, record_tables
from crm_analytics.schema import entities
from tests.records.conftest import START, ticking


def test_all_problems_are_reported_at_once_with_the_nearest_names(records: RecordStore) -> None:
    with pytest.raises(errors.RecordInvalid) as refused:
        records.opportunities.add(
            {
                "nmae": "Rollout",
                "stage_kind": "opne",
                "amount": 19.99,
                "currency": "euro",
                "probability_rate": "0.1234567",
                "expected_close_on": "2024-02-30",
                "created_at": datetime(2024, 5, 1),  # noqa: DTZ001
                "lead_source_id": "L404",
            }
        )
    assert str(refused.value).splitlines() == [
        "opportunities: 8 problems; nothing was written.",
        "  - 'nmae' is no column of opportunities. Did you mean 'name'?",
        "  - stage_kind: 'opne' is not one of open, won, lost. Did you mean 'open'?",
        "  - amount: 19.99 is a float, which cannot hold money exactly; use Decimal('19.99'), an int or text",
        "  - currency: 'euro' is no ISO 4217 code; write three capital letters, e.g. 'EUR'",
        "  - probability_rate: '0.1234567' has more than 6 decimal places; round it first",
        "  - expected_close_on: '2024-02-30' is no date; write it like '2024-05-01'",
        "  - created_at: has no time zone; add one, e.g. tzinfo=UTC or '+00:00'",
        "  - lead_source_id: leads holds no record of that id; add it first",
    ]
    assert records.opportunities.find() == []
    assert records.last_change_number == 0


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("unit_price", True, "Decimal, int or text expected, got bool"),
        ("unit_price", "1_000", "no decimal number"),
        ("unit_price", "1e3", "no decimal number"),
        ("unit_price", "١٢", "no decimal number"),
        ("unit_price", Decimal("NaN"), "not a finite number"),
        ("unit_price", "0.00001", "more than 4 decimal places"),
        ("unit_price", 10**14, "more than 14 digits before the point"),
        ("name", 5, r"text expected, got 5 \(int\)"),
        ("name", "a\x00b", "NUL"),
        ("name", "\ud83d", "surrogate"),
        ("is_active", 1, r"True or False expected, got 1 \(int\)"),
        ("created_at", pd.NaT, "datetime expected"),
        ("created_at", pd.Timestamp("2024-05-01T00:00:00.000000001Z"), "finer than a microsecond"),
        ("created_at", "2024-05-01T00:00:00.1234567+00:00", "no moment"),
        ("created_at", "2024-05-01", "no time zone|no moment"),
        ("source_id", "  ", "required, but blank"),
    ],
)
def test_nothing_is_coerced_silently(records: RecordStore, column: str, value: Any, problem: str) -> None:
    with pytest.raises(errors.RecordInvalid, match=f"{column}: .*({problem})"):
        records.products.add({"source_id": "P1"} | {column: value})


@pytest.mark.parametrize("value", ["2024-W01-1", "20240501", datetime(2024, 5, 1, tzinfo=UTC), 20240501])
def test_only_dates_are_dates(records: RecordStore, value: Any) -> None:
    with pytest.raises(errors.RecordInvalid, match=r"due_on: .*(no date|date expected)"):
        records.tasks.add({"due_on": value})


@pytest.mark.parametrize("value", ["0.0001", "-99999999999999.9999", "19.99", 7, Decimal("1E+3")])
def test_money_is_exact_to_the_last_place(records: RecordStore, value: Any) -> None:
    added = records.products.add({"unit_price": value, "currency": "EUR"})
    assert records.products.get(added.id)["unit_price"] == Decimal(value)
    assert records.products.find(unit_price=value) == [added]


def test_money_is_stored_as_whole_numbers_and_sorts_by_value(tmp_path: Path) -> None:
    with RecordStore.open(tmp_path / "a.db") as records:
        for price in ("10", "9.5", "-3"):
            records.products.add({"source_id": price, "unit_price": price})
        assert [r.id for r in records.products.find(order="unit_price")] == ["-3", "9.5", "10"]
    connection = sqlite3.connect(tmp_path / "a.db")
    stored = connection.execute("select unit_price, typeof(unit_price) from products_versions").fetchall()
    connection.close()
    assert stored == [(100000, "integer"), (95000, "integer"), (-30000, "integer")]


def test_moments_of_any_zone_are_kept_to_the_microsecond(records: RecordStore) -> None:
    tehran = timezone(timedelta(hours=3, minutes=30))
    given = datetime(2024, 3, 20, 3, 0, 0, 123456, tzinfo=tehran)
    by_datetime = records.tasks.add({"done_at": given})
    by_text = records.tasks.add({"done_at": "2024-03-20T03:00:00.123456+03:30"})
    assert records.tasks.get(by_datetime.id)["done_at"] == records.tasks.get(by_text.id)["done_at"] == given
    assert records.tasks.get(by_text.id)["done_at"].tzinfo is UTC


def test_an_old_version_is_refused_and_nothing_is_lost(records: RecordStore) -> None:
    task = records.tasks.add({"status": "open"})
    records.tasks.update(task.id, {"status": "done"}, expected_version=1)
    with pytest.raises(errors.VersionConflict, match="at version 2, not 1"):
        records.tasks.update(task.id, {"status": "dropped"}, expected_version=1)
    with pytest.raises(errors.VersionConflict, match="at version 2, not 1"):
        records.tasks.delete(task.id, expected_version=1)
    assert records.tasks.get(task.id)["status"] == "done"


def test_a_change_that_changes_nothing_writes_nothing(records: RecordStore) -> None:
    task = records.tasks.add({"status": "open"})
    assert records.tasks.update(task.id, {"status": "open"}) == task
    assert records.last_change_number == 1


def test_a_required_column_cannot_be_emptied(records: RecordStore) -> None:
    contract = records.contracts.add({"customer_source_id": "C1", "started_on": date(2024, 1, 1)})
    with pytest.raises(errors.RecordInvalid, match="started_on: required, but missing"):
        records.contracts.update(contract.id, {"started_on": None})


def test_as_of_a_date_is_its_midnight_and_needs_a_time_zone(records: RecordStore) -> None:
    task = records.tasks.add({"status": "open"})
    assert records.tasks.get(task.id, as_of=date(2024, 5, 2)) == task
    with pytest.raises(errors.RecordNotFound, match="before 2024-05-01T00:00:00"):
        records.tasks.get(task.id, as_of=date(2024, 5, 1))
    with pytest.raises(errors.UsageError, match="has no time zone"):
        records.tasks.get(task.id, as_of=datetime(2024, 5, 1))  # noqa: DTZ001


def test_created_and_modified_are_kept_where_the_caller_does_not_say() -> None:
    with RecordStore.open(clock=ticking()) as records:
        task = records.tasks.add({"status": "open"})
        created = task.recorded_at
        assert (task["created_at"], task["modified_at"]) == (created, None)
        task = records.tasks.update(task.id, {"status": "done"})
        assert (task["created_at"], task["modified_at"]) == (created, task.recorded_at)
        assert task.recorded_at > created
        given = START + timedelta(days=9)
        task = records.tasks.update(task.id, {"status": "open", "modified_at": given})
        assert task["modified_at"] == given
        assert records.tasks.delete(task.id)["modified_at"] == given


def test_a_change_cannot_be_dated_before_the_version_it_follows(records: RecordStore) -> None:
    task = records.tasks.add({"status": "open", "modified_at": START})
    with pytest.raises(errors.RecordInvalid, match=r"modified_at: .* is before the version it follows"):
        records.tasks.update(task.id, {"status": "done", "modified_at": START - timedelta(days=1)})
    records.tasks.delete(task.id)
    with pytest.raises(errors.RecordInvalid, match=r"modified_at: .* is before the version it follows"):
        records.tasks.add({"source_id": task.id, "modified_at": START})


def test_a_clock_that_goes_back_never_reorders_a_history() -> None:
    shown = [START]
    with RecordStore.open(clock=lambda: shown[-1]) as records:
        task = records.tasks.add({"status": "open"})
        shown.append(START - timedelta(hours=1))
        late = records.tasks.update(task.id, {"status": "done"})
        assert late.recorded_at == START
        assert late["modified_at"] == START


def test_find_orders_limits_and_explains_itself(records: RecordStore) -> None:
    for number, city in enumerate(["Bonn", "Aachen", None, "Bonn"]):
        records.customers.add({"source_id": f"C{number}", "city": city})
    ids = [record.id for record in records.customers.find(order="city")]
    assert ids == ["C1", "C0", "C3", "C2"]
    assert [r.id for r in records.customers.find(order="-city", limit=3)] == ["C0", "C3", "C1"]
    assert [r.id for r in records.customers.find(city=None)] == ["C2"]
    assert [r.id for r in records.customers.find(city="Bonn", source_id="C3")] == ["C3"]
    assert records.customers.find(limit=0) == []
    with pytest.raises(
        errors.UsageError, match=r"(?s)'emial' is no column.*'email'.*order='ctiy'.*'city'.*limit"
    ):
        records.customers.find(emial="a", order="ctiy", limit=-1)


def test_a_record_that_moved_away_is_not_found_by_its_old_value(records: RecordStore) -> None:
    customer = records.customers.add({"email": "old@example.org"})
    moved = records.customers.update(customer.id, {"email": "new@example.org"})
    assert records.customers.find(email="old@example.org") == []
    assert records.customers.find(email="new@example.org") == [moved]
    assert records.customers.find(email="old@example.org", as_of=moved.recorded_at) == [customer]


def test_a_record_is_frozen_reads_like_a_dict_and_keeps_persons_out_of_its_repr(records: RecordStore) -> None:
    customer = records.customers.add({"source_id": "C1", "name": "Ada Canary", "type": "person"})
    assert dict(customer)["name"] == "Ada Canary"
    assert pd.DataFrame([customer])["name"].tolist() == ["Ada Canary"]
    assert "Canary" not in repr(customer)
    assert "type='person'" in repr(customer)
    with pytest.raises(TypeError):
        customer["name"] = "Bob"  # type: ignore[index]
    with pytest.raises(AttributeError):
        customer._values = {}  # type: ignore[misc]


def test_errors_show_no_personal_values(records: RecordStore) -> None:
    with pytest.raises(errors.RecordInvalid) as refused:
        records.customers.add({"name": 5550123, "birth_on": "canary", "employee_count": "canary"})
    assert "canary" not in str(refused.value)
    assert "5550123" not in str(refused.value)
    with pytest.raises(errors.RecordNotFound) as unknown:
        records.customers.get("canary")
    assert "canary" not in str(unknown.value)


def test_references_between_records_entered_here_are_enforced(records: RecordStore) -> None:
    lead = records.leads.add({"name": "Ada"})
    deal = records.opportunities.add(
        {"lead_source_id": lead.id, "customer_source_id": "known to the shop only"}
    )
    records.leads.delete(lead.id)
    with pytest.raises(errors.RecordInvalid, match="lead_source_id: leads holds no record"):
        records.opportunities.add({"lead_source_id": lead.id})
    assert records.opportunities.update(deal.id, {"name": "goes on"})["lead_source_id"] == lead.id
    assert records.tasks.add({"customer_source_id": "X", "opportunity_source_id": "not held here"})


def test_the_database_itself_enforces_the_references(tmp_path: Path) -> None:
    RecordStore.open(tmp_path / "a.db").close()
    connection = sqlite3.connect(tmp_path / "a.db")
    enforced = {
        (name, row[3], row[2])
        for name in record_tables()
        for row in connection.execute(f"pragma foreign_key_list({name}_versions)")
    }
    connection.close()
    declared = {
        (name, column.name, column.refers)
        for name, entity in entities().items()
        if entity.in_record_store
        for column in entity.columns
        if is_foreign_key(entity, column)
    }
    assert ("opportunities", "lead_source_id", "leads") in declared
    assert declared < enforced
    assert {(name, tables.key, name) for name, tables in record_tables().items()} == enforced - declared


def test_consents_are_known_by_their_key_in_any_form(records: RecordStore) -> None:
    given = {"customer_source_id": "C1", "channel": "email", "occurred_at": START, "is_granted": True}
    consent = records.consents.add(given)
    assert consent.id == ("C1", "email", None, START)
    for form in (consent.id, consent, given, {**given, "occurred_at": START.isoformat()}):
        assert records.consents.get(form) == consent
    withdrawn = records.consents.add(given | {"occurred_at": START + timedelta(days=1), "is_granted": False})
    assert records.consents.find(customer_source_id="C1") == [consent, withdrawn]
    with pytest.raises(errors.UsageError, match="named by customer_source_id, channel, purpose, occurred_at"):
        records.consents.get("C1")


def test_a_transaction_keeps_all_or_nothing(records: RecordStore) -> None:
    with pytest.raises(errors.RecordInvalid), records.transaction():
        records.tasks.add({"source_id": "T1"})
        records.tasks.add({"status": "nonsense"})
    assert records.tasks.find() == []
    with records.transaction():
        records.tasks.add({"source_id": "T1"})
        with pytest.raises(errors.RecordInvalid, match="such a record exists"):
            records.tasks.add({"source_id": "T1"})
        records.tasks.add({"source_id": "T2"})
    assert [task.id for task in records.tasks.find()] == ["T1", "T2"]


def test_changed_by_can_be_told_for_one_change(records: RecordStore) -> None:
    task = records.tasks.add({"status": "open"}, changed_by="ali")
    records.tasks.update(task.id, {"status": "done"})
    assert [v["changed_by"] for v in records.tasks.history(task.id)] == ["ali", "tests"]


def test_an_entity_that_does_not_exist_names_the_nearest(records: RecordStore) -> None:
    with pytest.raises(errors.UsageError, match=r"'custmers' is no entity .* Did you mean 'customers'\?"):
        _ = records.custmers
    assert not hasattr(records, "orders")
    assert "customers" in dir(records)


def test_no_column_is_named_like_an_argument_of_find() -> None:
    for name in record_tables():
        assert not {"as_of", "order", "limit"} & set(entities()[name].column_names), name


def test_every_decimal_fits_the_smallest_unit_in_64_bits() -> None:
    for name, tables in record_tables().items():
        for column in tables.entity.columns:
            digits = decimal_digits(column)
            assert digits is None or digits[0] <= 18, (name, column.name)


@pytest.mark.parametrize("path", [":memory:", "file.db"])
def test_threads_share_a_store(tmp_path: Path, path: str) -> None:
    with RecordStore.open(path if path == ":memory:" else tmp_path / path) as records:

        def write(thread: int) -> None:
            for number in range(10):
                records.tasks.add({"source_id": f"{thread}-{number}"})
                assert records.tasks.get(f"{thread}-{number}").version == 1

        threads = [Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(records.tasks.find()) == records.last_change_number == 40


def test_connections_of_threads_that_have_ended_are_closed(tmp_path: Path) -> None:
    with RecordStore.open(tmp_path / "a.db") as records:
        for number in range(5):
            thread = Thread(target=records.tasks.add, args=({"source_id": str(number)},))
            thread.start()
            thread.join()
        assert len(records.tasks.find()) == 5
        assert len(records.database._opened) == 2


def test_what_is_no_dict_is_refused(records: RecordStore) -> None:
    with pytest.raises(errors.UsageError, match="a dict or dataclass of columns expected, got list"):
        records.tasks.add([("status", "open")])  # type: ignore[arg-type]


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    with RecordStore.open(tmp_path / "a.db") as records:
        records.tasks.add({"status": "open"})
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("a.db", "a.db-wal", "a.db-shm", "a.db.mark"), 0o600)


def test_wrong_places_are_explained(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match=r"does not exist\. Create it first"):
        RecordStore.open(tmp_path / "no" / "a.db")
    with pytest.raises(errors.UsageError, match="is a folder"):
        RecordStore.open(tmp_path)
    with pytest.raises(errors.UsageError, match=r"a SQLite file .* or a PostgreSQL database"):
        RecordStore.open("mysql://localhost/crm")
    (tmp_path / "text.db").write_text("no database at all, but long enough to look like a page" * 20)
    with pytest.raises(errors.StoreCorrupt, match="no record store, or it is damaged"):
        RecordStore.open(tmp_path / "text.db")
    records = RecordStore.open(tmp_path / "a.db")
    records.close()
    records.close()
    with pytest.raises(errors.StoreError, match="was closed"):
        records.tasks.find()


def test_the_promised_name_is_public() -> None:
    assert crm.RecordStore is RecordStore
