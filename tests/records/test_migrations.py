"""Does a store of any age open with what it held, and does nobody else's database get written to?"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crm_analytics.errors import StoreError
from crm_analytics.records import RecordStore
from crm_analytics.records.migrations import STEPS
from crm_analytics.records.tables import fingerprint
from tests.records.conftest import START, ticking


def run(path: Path, *statements: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    with connection:
        rows = [row for statement in statements for row in connection.execute(statement).fetchall()]
    connection.close()
    return rows


def test_every_step_is_recorded_once_with_its_time(tmp_path: Path) -> None:
    RecordStore.open(tmp_path / "a.db", clock=ticking()).close()
    applied = run(tmp_path / "a.db", "select name, applied_at from migrations order by applied_at")
    assert [name for name, _ in applied] == [*STEPS, f"columns_{fingerprint()}"]
    assert applied[0][1] == f"{START:%Y-%m-%d %H:%M:%S}.000000"
    RecordStore.open(tmp_path / "a.db").close()
    assert run(tmp_path / "a.db", "select name, applied_at from migrations order by applied_at") == applied


def test_steps_are_numbered_from_one_without_gaps() -> None:
    assert [int(name[:3]) for name in STEPS] == list(range(1, len(STEPS) + 1))


def test_a_column_declared_later_is_added_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with RecordStore.open(path) as records:
        records.users.add({"source_id": "U1", "name": "Ada"})
        store_id = records.store_id
    run(path, "alter table users_versions drop column team", "delete from migrations where name like 'col%'")
    with RecordStore.open(path) as records:
        assert records.store_id == store_id
        assert records.users.get("U1")["name"] == "Ada"
        assert records.users.update("U1", {"team": "north"})["team"] == "north"


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    RecordStore.open(path).close()
    run(path, "insert into migrations values ('999_future', '2030-01-01')")
    with pytest.raises(StoreError, match=r"newer version of crm_analytics .*999_future.*Upgrade"):
        RecordStore.open(path)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    run(path, "create table customers (id integer)")
    with pytest.raises(StoreError, match="belongs to another program"):
        RecordStore.open(path)
    assert run(path, "select name from sqlite_schema") == [("customers",)]
