"""Is a person who asks to be forgotten gone from the bytes, and does nobody else lose anything?

Every text column of every entity gets a canary of its own. Files are searched byte by byte.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import crm_analytics as crm
from crm_analytics.errors import UsageError
from crm_analytics.schema import Entity, entities
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.privacy_tags import privacy_tags
from crm_analytics.warehouse.publish import publish

WHEN = "2025-06-30T08:00"
PERSON, OTHER = "kanarie", "bystander"
# Keys that other rows refer to, in the order in which they are made.
KEYED = ("customers", "contacts", "leads", "opportunities", "tickets", "orders")
# What another's record says of the person beside the point.
ASIDE = {("customers", "parent_source_id"), ("opportunities", "contact_source_id")}
DROPPED = {"users", "products", "campaigns", "ad_spend", "exchange_rates"}


def row(declared: Entity, who: str, n: int = 1) -> dict[str, str]:
    """A record of an entity about a person, with a text of its own in every column that may hold any."""
    values: dict[str, str] = {}
    for column in declared.columns:
        if column.name == "source_id":
            values[column.name] = f"{who}-{declared.name}-{n}"
        elif column.refers in KEYED and column.name not in ("parent_source_id",):
            values[column.name] = f"{who}-{column.refers}-1"
        elif column.name == "email":
            values[column.name] = f"{who}.mail@example.com"
        elif column.name == "phone":
            values[column.name] = "+49 30 5550101" if who == PERSON else "+49 30 5550202"
        elif column.name == "country":
            values[column.name] = "DE"
        elif column.type == "TIMESTAMP":
            values[column.name] = "2024-05-01T10:00:00+00:00"
        elif column.type == "TEXT" and column.words is None and column.name.endswith("source_id"):
            values[column.name] = f"{who}-{column.name}-{n}"
        elif column.type == "TEXT" and column.words is None:
            values[column.name] = f"{who}text {declared.name} {column.name}"
        elif column.required and column.type in ("QUANTITY", "MONEY", "AMOUNT", "BIGINT"):
            values[column.name] = "1"
        elif column.required and column.type == "DATE":
            values[column.name] = "2024-05-01"
        elif column.required and column.type == "CURRENCY":
            values[column.name] = "EUR"
        elif column.required and column.type == "BOOLEAN":
            values[column.name] = "true"
    return values


def fill(wh: Warehouse, folder: Path) -> None:
    """Write one file per entity, of the person and of somebody else, and load them."""
    from datetime import UTC, datetime

    import pyarrow as pa

    from crm_analytics.entities.versions import store_versions
    from crm_analytics.vocabulary import WORDS

    for load_id, declared in enumerate(entities().values(), start=101):
        if declared.name in DROPPED:
            continue
        rows: list[dict[str, Any]] = []
        for number, who in enumerate((PERSON, OTHER), start=1):
            told: dict[str, Any] = dict(row(declared, who))
            for column in declared.columns:
                if column.required and column.words is not None:
                    told[column.name] = sorted(WORDS[column.words])[0]
                if column.name in told and column.type == "TIMESTAMP":
                    told[column.name] = datetime(2024, 5, 1, 10, tzinfo=UTC)
                if who == OTHER and (declared.name, column.name) in ASIDE:
                    told[column.name] = f"{PERSON}-{column.refers}-1"
            rows.append({"record_number": number} | told)
        names = {name for one in rows for name in one}
        table = pa.table({name: [one.get(name) for one in rows] for name in sorted(names)})
        store_versions(
            wh,
            declared.name,
            table,
            load_id=load_id,
            source_system="default",
            received_at=datetime(2025, 6, 30, tzinfo=UTC),
        )
    file = folder / f"customers of {PERSON}.mail@example.com.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["customer_id", "name", "email", "created_at"])
        writer.writerow(
            [f"{PERSON}-old-id", f"{PERSON}text Twice", f"{PERSON}.mail@example.com", "2024-05-01"]
        )
        writer.writerow(["", f"{PERSON}text Broken", f"{PERSON}.mail@example.com", "2024-05-01"])
        writer.writerow(["", f"{OTHER}text Broken", f"{OTHER}.mail@example.com", "2024-05-01"])
    crm.load(wh, file, received_at=WHEN)
    crm.merge(wh, f"default:{PERSON}-customers-1", f"default:{PERSON}-old-id", reason=f"{PERSON}text said so")
    for table, tags in privacy_tags().items():
        if table.startswith("scores.") and "customer_id" in tags.columns:
            fill_scores(wh, table)


def fill_scores(wh: Warehouse, table: str) -> None:
    """Put a row of the person and one of somebody else into a table of scores."""
    schema, _, name = table.partition(".")
    columns = wh.rows(
        "select column_name, data_type, is_nullable from duckdb_columns() "
        "where schema_name = $schema and table_name = $name",
        schema=schema,
        name=name,
    )
    for who in (PERSON, OTHER):
        values = []
        for column, sql_type, nullable in columns:
            if column == "customer_id":
                values.append(f"'default:{who}-customers-1' as customer_id")
            elif not nullable:
                value = "2025-07-01" if sql_type == "DATE" else "false" if sql_type == "BOOLEAN" else "1"
                values.append(f"cast('{value}' as {sql_type}) as \"{column}\"")
        wh.execute(f"insert into {table} by name select {', '.join(values)}")


def holding(folder: Path, text: str) -> list[str]:
    """Return the files under a folder that hold a text, byte by byte."""
    found = subprocess.run(["grep", "-rlaiF", text, str(folder)], capture_output=True, text=True, check=False)
    return sorted(str(Path(name).relative_to(folder)) for name in found.stdout.splitlines())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder that holds nothing but the store."""
    folder = tmp_path / "store"
    folder.mkdir()
    (tmp_path / "inbox").mkdir()
    return folder


def test_a_person_is_gone_from_every_byte_and_others_stay(store: Path, tmp_path: Path) -> None:
    published = store / "published"
    with Warehouse.open(store / "crm.duckdb") as wh:
        fill(wh, tmp_path / "inbox")
        publish(wh, published, "run-1", {"scores.rfm": ("customer_id",)}, as_of=_day(), made_from={})
        wh.execute("checkpoint")
        assert "crm.duckdb" in holding(store, PERSON)
        others = {name: wh.value(f"select count(*) from entities.{name}") for name in entities()}

        receipt = crm.erase(wh, f"{PERSON}.mail@example.com", published=published)

        assert holding(store, PERSON) == []
        assert receipt.to_delete_yourself == ()
        assert receipt.runs_removed == ("run-1",)
        assert receipt.rows_removed["entities.customers_versions"] == 2
        # the person's record, and the message on the other's, which names the file
        assert receipt.rows_emptied["ops.quarantine"] == 2
        assert receipt.rows_emptied["ops.loads"] == 1
        for name, _ in ASIDE:
            assert receipt.rows_emptied[f"entities.{name}_versions"] == 1, name
        assert PERSON not in repr(receipt)
        for name, tags in privacy_tags().items():
            if name.startswith("entities.") and name.endswith("_versions"):
                told = name.removeprefix("entities.").removesuffix("_versions")
                if told not in DROPPED:
                    assert receipt.rows_removed[name] >= 1, name
                    assert wh.value(f"select count(*) from entities.{told}") >= 1, told
            elif name.startswith("scores.") and "customer_id" in tags.columns:
                assert wh.value(f"select count(*) from {name}") == 1, name
        assert wh.value("select count(*) from entities.customers") == others["customers"] - 2
        crm.verify_audit(wh)
    assert holding(store, PERSON) == []
    with Warehouse.open(store / "crm.duckdb") as wh:  # opens: the commit mark and the log are whole
        assert wh.value("select count(*) from ops.erasures") == 1
        assert OTHER in str(wh.rows("select * from entities.customers"))


def test_what_was_moved_to_disk_is_gone_and_a_model_that_holds_the_person_is_named(
    store: Path, tmp_path: Path
) -> None:
    """F1: the spill folder of a run that was killed, and text in the folder of models."""
    with Warehouse.open(store / "crm.duckdb") as wh:
        file = tmp_path / "inbox" / "customers.csv"
        file.write_text(f"customer_id,name\n{PERSON}-1,{PERSON} Smith\n")
        crm.load(wh, file, received_at=WHEN)
        spill, models = store / "crm.duckdb.tmp", store / "models"
        for folder in (spill, models):
            folder.mkdir()
        (spill / "duckdb_temp_storage_DEFAULT-0.tmp").write_text(f"{PERSON}-1")
        (models / "churn-2025-07-01.json").write_text(f'{{"customer": "{PERSON}-1"}}')
        (models / "clv-2025-07-01.json").write_text("{}")
        receipt = crm.erase(wh, f"{PERSON}-1")
        assert not spill.exists()
        assert holding(store, PERSON) == ["models/churn-2025-07-01.json"]
        assert [Path(str(name)).name for name in receipt.to_delete_yourself] == ["churn-2025-07-01.json"]


def test_the_erased_do_not_come_back_and_accounts_add_up(store: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    file = inbox / "customers.csv"
    lines = [
        "customer_id,name,email",
        f"{PERSON}-1,{PERSON} Smith,{PERSON}.m@example.com",
        "C2,Bob,bob@example.com",
    ]
    file.write_text("\n".join(lines) + "\n")
    with Warehouse.open(store / "crm.duckdb") as wh:
        crm.load(wh, file, received_at=WHEN)
        crm.erase(wh, f"{PERSON}-1")
        lines += ["C3,Carl,c@example.com", f",No Id,{PERSON}.m@example.com"]
        file.write_text("\n".join(lines) + "\n")
        [again] = crm.load(wh, file)
        assert (again.rows_in, again.rows_loaded, again.rows_quarantined, again.rows_merged) == (4, 1, 2, 1)
        assert again.reasons == {"erased_subject": 2}
        orders = inbox / "transactions.csv"
        orders.write_text(
            "customer_id,order_id,order_date,sku,quantity,unit_price,currency\n"
            f"{PERSON}-1,o1,2024-01-01,S1,1,5,EUR\nC2,o2,2024-01-02,S1,1,5,EUR\n"
        )
        [bought] = crm.load(wh, orders)
        assert (bought.rows_loaded, bought.reasons) == (1, {"erased_subject": 1})
        kept = wh.rows("select raw, raw_length, raw_sha256 from ops.quarantine")
        assert kept == [(b"", 0, "")] * 3
        wh.execute("checkpoint")
    assert holding(store, PERSON) == []


def test_a_record_store_loses_the_person_too_and_its_next_sync_brings_nobody_back(store: Path) -> None:
    with (
        Warehouse.open(store / "crm.duckdb") as wh,
        crm.RecordStore.open(store / "crm.records.db") as records,
    ):
        for who in (PERSON, OTHER):
            records.customers.add({"source_id": f"{who}-1", "name": f"{who} Smith"})
            records.tasks.add({"customer_source_id": f"{who}-1", "subject": f"call {who}"})
        crm.sync(wh, records)
        with pytest.raises(UsageError, match="records="):
            crm.erase(wh, f"{PERSON}-1")
        receipt = crm.erase(wh, f"{PERSON}-1", records=records)
        assert receipt.records_removed == {"customers": 1, "tasks": 1}
        crm.sync(wh, records)
        assert wh.value("select count(*) from entities.customers") == 1
    assert holding(store, PERSON) == []


def test_another_record_store_with_the_person_is_kept_out(store: Path) -> None:
    with Warehouse.open(store / "crm.duckdb") as wh, crm.RecordStore.open(":memory:") as records:
        export = store.parent / "customers.csv"
        export.write_text(f"customer_id,name\n{PERSON}-1,{PERSON}\n")
        crm.load(wh, export)
        crm.erase(wh, f"{PERSON}-1")
        records.customers.add({"source_id": f"{PERSON}-1", "name": f"{PERSON} Smith"})
        records.tasks.add({"customer_source_id": f"{PERSON}-1", "subject": "call"})
        records.customers.add({"source_id": "C9", "name": "Nina"})
        load = crm.sync(wh, records)
        assert (load.rows_in, load.rows_loaded, load.reasons) == (3, 1, {"erased_subject": 2})
    assert holding(store, PERSON) == []


def test_a_process_killed_before_the_file_is_rewritten_leaves_that_to_the_next_opening(store: Path) -> None:
    code = f"""
import os, sys
import crm_analytics as crm
from crm_analytics.privacy import erasure
erasure.rewrite = lambda wh: os._exit(9)
wh = crm.Warehouse.open({str(store / "crm.duckdb")!r})
crm.load(wh, {str(store.parent / "customers.csv")!r})
wh.execute("checkpoint")
crm.erase(wh, "{PERSON}-1")
"""
    (store.parent / "customers.csv").write_text(f"customer_id,name\n{PERSON}-1,{PERSON}\nC2,Bob\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    assert holding(store, PERSON)
    with Warehouse.open(store / "crm.duckdb") as wh:
        assert wh.rows("select name from entities.customers") == [("Bob",)]
    assert holding(store, PERSON) == []


# What an erasure does one after the other, and where in `erasure` that is named.
STEPS = ("records.erase", "withdraw_runs", "audit_log.record", "rewrite")


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_cut_short_at_any_step_is_finished_by_the_night_or_the_next_erasure(
    store: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_analytics import nightly
    from crm_analytics.privacy import erasure
    from crm_analytics.settings import Settings
    from crm_analytics.warehouse.run_log import Step

    def die(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    settings = Settings.from_mapping({"paths": {"records": "crm.records.db"}}, folder=store)
    with Warehouse.open(store / "crm.duckdb") as wh, crm.RecordStore.open(settings.paths.records) as records:
        for who in (PERSON, OTHER):
            records.customers.add({"source_id": f"{who}-1", "name": f"{who} Smith"})
        crm.sync(wh, records)
        publish(wh, settings.paths.published, "run-1", {}, as_of=_day(), made_from={})
        with monkeypatch.context() as patch:
            owner, _, name = step.rpartition(".")
            patch.setattr({"records": records, "audit_log": erasure.audit_log, "": erasure}[owner], name, die)
            with pytest.raises(KeyboardInterrupt):
                crm.erase(wh, f"{PERSON}-1", records=records, published=settings.paths.published)
        assert holding(store, PERSON)
        if step == "audit_log.record":  # or somebody asks again
            crm.sync(wh, records)  # the record store has told meanwhile that its record is erased
            crm.erase(wh, f"{OTHER}-1", records=records, published=settings.paths.published)
    with Warehouse.open(store / "crm.duckdb") as wh:
        nightly._load(nightly._Night(wh, settings, _day(), ()), Step("load"))
        assert wh.value("select count(*) from ops.erasures_due") == 0
        assert wh.value("select count(*) from ops.erasures") == (2 if step == "audit_log.record" else 1)
    assert not (store / "published" / "current.json").exists()
    assert holding(store, PERSON) == []


def test_backups_and_exports_that_hold_the_person_are_named_in_the_receipt(store: Path) -> None:
    from crm_analytics.warehouse.backup import backup

    with Warehouse.open(store / "crm.duckdb") as wh:
        export = store / "customers.csv"
        export.write_text(f"customer_id,name\n{PERSON}-1,{PERSON} Smith\n")
        crm.load(wh, export)
        backup(wh, store / "monday.duckdb")
        receipt = crm.erase(wh, f"{PERSON}-1")
    told = [Path(one.partition(" (backup")[0]).name for one in receipt.to_delete_yourself]
    assert set(told) == {"monday.duckdb", "customers.csv"}


def test_two_people_with_one_address_are_not_erased_together(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        file = tmp_path / "customers.csv"
        file.write_text("customer_id,name,email\nC1,Ada,us@example.com\nC2,Bob,us@example.com\n")
        crm.load(wh, file)
        with pytest.raises(UsageError, match="names 2 customers"):
            crm.erase(wh, "us@example.com")
        with pytest.raises(UsageError, match="Nobody is known"):
            crm.erase(wh, "nobody@example.com")
        crm.erase(wh, "default:C1")
        assert wh.rows("select name from entities.customers") == [("Bob",)]


def test_an_export_tells_all_of_one_person_and_nothing_of_another(store: Path, tmp_path: Path) -> None:
    with Warehouse.open(store / "crm.duckdb") as wh:
        fill(wh, tmp_path / "inbox")
        crm.separate(wh, f"default:{PERSON}-customers-1", f"default:{OTHER}-customers-1")
        told = crm.export_subject(wh, f"default:{PERSON}-old-id")
        planted = {
            value
            for name in set(entities()) - DROPPED
            for value in row(entities()[name], PERSON).values()
            if PERSON in value
        }
        old = os.umask(0)
        try:
            files = told.write(tmp_path / "bundle")
        finally:
            os.umask(old)
    content = files[0].read_text(encoding="utf-8")
    assert [one for one in sorted(planted) if one not in content] == []
    assert f"{PERSON}text Broken" in content
    assert OTHER not in content
    assert holding(tmp_path / "bundle", OTHER) == []
    for name in set(entities()) - DROPPED:
        assert f"entities.{name}" in json.loads(content), name
    assert "scores.churn" in told.tables
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "bundle").stat().st_mode & 0o777 == 0o700


def test_an_export_tells_the_history_of_the_record_store_and_of_nobody_else() -> None:
    with Warehouse.open() as wh, crm.RecordStore.open(":memory:") as records:
        for who in (PERSON, OTHER):
            records.customers.add({"source_id": f"{who}-1", "name": f"{who} Smith", "city": f"{who} Old"})
            records.customers.update(f"{who}-1", {"city": f"{who} New"}, changed_by=f"{who} agent")
        crm.sync(wh, records)
        records.tasks.add({"customer_source_id": f"{PERSON}-1", "subject": "call"})
        told = crm.export_subject(wh, f"{PERSON}-1", records=records).tables
    assert [row["city"] for row in told["records.customers"]] == [f"{PERSON} Old", f"{PERSON} New"]
    assert [row["subject"] for row in told["records.tasks"]] == ["call"]
    assert OTHER not in json.dumps(told, default=str)


def _day() -> Any:
    from datetime import date

    return date(2025, 7, 1)
