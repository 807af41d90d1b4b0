"""Is a warehouse that lost acknowledged commits told from a whole one?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crm_analytics.errors import StoreCorrupt, StoreRolledBack, UsageError
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.commit_mark import mark_path

WRITER = """
import os, sys
from crm_analytics import Warehouse
wh = Warehouse.open(sys.argv[1])
for number in range(20):
    with wh.transaction():
        wh.execute("insert into ops.settings (name, value) values ($name, 'kept')", name=str(number))
os._exit(0)  # no close, so no checkpoint: all is in the log
"""


@pytest.fixture
def unclosed(tmp_path: Path) -> Path:
    path = tmp_path / "crm.duckdb"
    subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True, timeout=60)
    return path


def test_a_whole_log_is_replayed(unclosed: Path) -> None:
    with Warehouse.open(unclosed) as wh:
        assert wh.value("select count(*) from ops.settings where value = 'kept'") == 20


def test_a_deleted_log_is_noticed(unclosed: Path) -> None:
    Path(f"{unclosed}.wal").unlink()
    with pytest.raises(StoreRolledBack, match="were acknowledged"):
        Warehouse.open(unclosed)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_cut_log_is_noticed(unclosed: Path, share: float) -> None:
    log = Path(f"{unclosed}.wal")
    os.truncate(log, int(log.stat().st_size * share))
    with pytest.raises(StoreCorrupt):
        Warehouse.open(unclosed)


def test_a_refused_warehouse_is_left_as_it_is(unclosed: Path) -> None:
    """What was refused may still be mended by putting the log back."""
    log = Path(f"{unclosed}.wal")
    kept = log.read_bytes()
    log.unlink()
    with pytest.raises(StoreRolledBack):
        Warehouse.open(unclosed)
    log.write_bytes(kept)
    with Warehouse.open(unclosed) as wh:
        assert wh.value("select count(*) from ops.settings where value = 'kept'") == 20


def test_a_process_that_died_before_the_mark_was_written_is_no_loss(unclosed: Path) -> None:
    mark_path(unclosed).write_text("3\n")
    with Warehouse.open(unclosed) as wh:
        assert wh.value("select count(*) from ops.settings where value = 'kept'") == 20


def test_a_rolled_back_transaction_is_not_marked(tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    with Warehouse.open(path) as wh:
        before = mark_path(path).read_text()
        with pytest.raises(ZeroDivisionError), wh.transaction():
            raise ZeroDivisionError
        assert mark_path(path).read_text() == before
    Warehouse.open(path).close()


def test_a_damaged_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    Warehouse.open(path).close()
    mark_path(path).write_text("x")
    with pytest.raises(StoreCorrupt, match=r"\.commits is damaged"):
        Warehouse.open(path)


def test_a_warehouse_with_two_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    Warehouse.open(path).close()
    os.link(path, tmp_path / "second.duckdb")
    with pytest.raises(UsageError, match="several names"):
        Warehouse.open(path)
