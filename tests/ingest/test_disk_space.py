"""A disk that is too full is told before a file is read, and the same call succeeds once there is room."""

from __future__ import annotations

import re
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import DiskFullError
from crm_analytics.ingest import disk_space
from tests.ingest.export_files import archive, written

Usage = namedtuple("Usage", "total used free")
CUSTOMERS = "customer_id,name\nC1,Ada\n"


def test_a_load_is_refused_while_the_disk_is_too_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(CUSTOMERS)
    needed = 3 * file.stat().st_size + 64 * 1024 * 1024
    free = needed - 1
    asked: list[Path] = []

    def usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(10 * needed, 10 * needed - free, free)

    monkeypatch.setattr(disk_space, "disk_usage", usage)
    (tmp_path / "store").mkdir()
    with Warehouse.open(tmp_path / "store" / "crm.duckdb") as wh:
        told = re.escape(
            "customers.csv: loading it needs about 64 MB on the disk of crm.duckdb, where 64 MB are free"
        )
        with pytest.raises(DiskFullError, match=told):
            load(wh, file)
        assert wh.value("select count(*) from ops.loads") == 0
        free = needed
        assert [one.status for one in load(wh, file)] == ["loaded"]
        free = 0
        assert [one.status for one in load(wh, file)] == ["unchanged"], "what is known needs no room"
    assert set(asked) == {(tmp_path / "store").resolve()}


def test_a_warehouse_in_memory_asks_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    monkeypatch.setattr(disk_space, "disk_usage", None)
    with Warehouse.open() as wh:
        assert [one.status for one in load(wh, tmp_path / "customers.csv")] == ["loaded"]


def test_a_folder_that_stops_for_want_of_room_says_which_files_were_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, store = tmp_path / "inbox", tmp_path / "store"
    inbox.mkdir()
    store.mkdir()
    for name in "abc":
        (inbox / f"{name}.csv").write_text(f"customer_id,name\n{name},Ada\n")
    free = iter([10**9, 0])
    monkeypatch.setattr(disk_space, "disk_usage", lambda _: Usage(0, 0, next(free)))
    with Warehouse.open(store / "crm.duckdb") as wh:
        with pytest.raises(
            DiskFullError, match=r"^b\.csv: .* Not loaded: b\.csv, c\.csv; the files before are"
        ):
            load(wh, inbox)
        assert wh.rows("select file, status from ops.loads") == [("a.csv", "loaded")]


def test_a_disk_that_fills_up_within_an_archive_names_archive_and_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFullError("The disk is full: no room.")

    box = written(tmp_path, "box.zip", archive({"a.csv": CUSTOMERS}))
    monkeypatch.setattr(sys.modules["crm_analytics.ingest.load"], "take_in", full)
    with Warehouse.open() as wh, pytest.raises(DiskFullError, match=r"^box\.zip/a\.csv: The disk is full"):
        load(wh, box)
