"""Is a backup whole, of one moment, and can it be put in the place of a damaged warehouse?"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from crm_analytics.errors import StoreRolledBack, UsageError
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.backup import backup
from crm_analytics.warehouse.commit_mark import mark_path

NOTE = "insert into ops.settings (name, value) values ($name, 'kept')"


def notes(wh: Warehouse) -> int:
    count: int = wh.value("select count(*) from ops.settings where value = 'kept'")
    return count


def test_a_backup_holds_what_is_still_in_the_log_and_is_private(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        with wh.transaction():
            wh.execute(NOTE, name="one")
        assert (tmp_path / "crm.duckdb.wal").stat().st_size > 0
        kept = backup(wh, tmp_path / "monday.duckdb")
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "crm.duckdb",
        "crm.duckdb.audit",
        "crm.duckdb.blocks",
        "crm.duckdb.commits",
        "crm.duckdb.lock",
        "monday.duckdb",
    ]
    with Warehouse.open(kept.path) as restored:
        assert notes(restored) == 1
        assert restored.rows("from facts.customers_before(date '2024-01-01')") == []


def test_a_backup_during_a_load_holds_whole_transactions_only(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        stop = threading.Event()

        def load() -> None:
            for number in range(10_000):
                with wh.transaction():
                    wh.execute(NOTE, name=f"{number} a")
                    wh.execute(NOTE, name=f"{number} b")
                if stop.is_set():
                    return

        loading = threading.Thread(target=load)
        loading.start()
        try:
            kept = [backup(wh, tmp_path / f"{number}.duckdb") for number in range(4)]
        finally:
            stop.set()
            loading.join()
    found = []
    for one in kept:
        with Warehouse.open(one.path, read_only=True) as copy:
            found.append(notes(copy))
    assert all(count % 2 == 0 for count in found)
    assert found == sorted(found)
    assert found[-1] > 0


def test_a_backup_never_takes_the_place_of_another_file(tmp_path: Path) -> None:
    taken = tmp_path / "monday.duckdb"
    taken.write_text("something of value")
    with Warehouse.open() as wh, pytest.raises(UsageError, match="exists already"):
        backup(wh, taken)
    assert taken.read_text() == "something of value"


def test_a_restored_backup_is_taken_for_a_loss_until_the_mark_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    with Warehouse.open(path) as wh:
        kept = backup(wh, tmp_path / "monday.duckdb")
        with wh.transaction():
            wh.execute(NOTE, name="later")
    shutil.copy(kept.path, path)
    with pytest.raises(StoreRolledBack, match=r"If the older state is meant, delete .*\.commits"):
        Warehouse.open(path)
    mark_path(path).unlink()
    with Warehouse.open(path) as wh:
        assert notes(wh) == 0
