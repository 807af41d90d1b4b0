"""A1: is a change on the disk before it is acknowledged?  Connections are set to sync, and each change is."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crm_analytics.records import RecordStore
from tests.torture.disk_faults import compiled

CHANGES = 5
_WRITER = f"""
import ctypes, sys
from crm_analytics.records import RecordStore
shim = ctypes.CDLL(None)
with RecordStore.open(sys.argv[1]) as store:
    store.tasks.add({{"source_id": "first"}})
    for number in range({CHANGES}):
        shim.faults_set(ctypes.c_long(0), 0, 0, sys.argv[1].encode() + b"-wal")
        store.tasks.add({{"source_id": str(number)}})
        print(shim.faults_syncs())
"""


def test_every_change_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    shim = compiled(tmp_path)
    if shim is None:
        pytest.skip("no C compiler for the shim that counts")
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, str(tmp_path / "a.db")],
        env={**os.environ, "LD_PRELOAD": str(shim)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = [int(line) for line in done.stdout.split()]
    assert len(counts) == CHANGES
    assert min(counts) >= 1, counts


def test_every_connection_of_a_store_is_set_to_sync(tmp_path: Path) -> None:
    """Of each thread, of readers and writers, of one opened again."""

    def setting(store: RecordStore) -> int:
        with store.database.reading() as connection:
            return int(connection.execute("pragma synchronous").fetchone()[0])

    full = 2
    for _ in range(2):
        with RecordStore.open(tmp_path / "a.db") as store, ThreadPoolExecutor(4) as threads:
            found = [setting(store), *threads.map(setting, [store] * 8)]
            with store.transaction():
                found.append(setting(store))
                store.tasks.add({})
                found.append(setting(store))
            assert found == [full] * len(found)
