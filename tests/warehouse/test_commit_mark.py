"""Is a warehouse that lost acknowledged commits told from a whole one?"""

from __future__ import annotations

import os
import random
import shutil
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


@pytest.fixture(scope="module")
def left_open(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unclosed")
    subprocess.run([sys.executable, "-c", WRITER, str(folder / "crm.duckdb")], check=True, timeout=60)
    return folder


@pytest.fixture
def unclosed(left_open: Path, tmp_path: Path) -> Path:
    shutil.copytree(left_open, tmp_path, dirs_exist_ok=True)
    return tmp_path / "crm.duckdb"


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


def test_a_flipped_bit_is_never_read_as_a_row(tmp_path: Path) -> None:
    path, draw = tmp_path / "crm.duckdb", random.Random(12)
    everything = "select count(*), sum(hash(number, word)) from numbers"
    with Warehouse.open(path) as wh:
        wh.execute(
            "create table numbers as select range as number, md5(range::text) as word from range(60000)"
        )
        wh.execute("checkpoint")
        right = wh.rows(everything)
    whole = path.read_bytes()
    noticed = 0
    for _ in range(16):
        place = draw.randrange(len(whole))
        flipped = bytes([whole[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        try:
            with Warehouse.open(path, read_only=True) as wh:
                assert wh.rows(everything) == right  # where nothing is kept, or of another table
        except StoreCorrupt:
            noticed += 1
    assert noticed > 4


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
