"""What remains when processes write together, are killed or fork?  All that was acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crm_analytics.errors import DiskFullError, StoreBusy, StoreCorrupt, StoreError
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import changes

# Adds tasks and, after each, prints its id: the acknowledgement.
WRITER = """
import sys
from crm_analytics.records import RecordStore
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with RecordStore.open(path) as records:
    records.tasks.add({"source_id": f"{name}-start", "status": "open"})
    for number in range(count):
        task = records.tasks.add({"source_id": f"{name}-{number}", "status": "open"})
        records.tasks.update(task.id, {"status": "done"}, expected_version=1)
        print(task.id, flush=True)
"""

COUNTER = """
import sys
from crm_analytics import errors
from crm_analytics.records import RecordStore
with RecordStore.open(sys.argv[1]) as records:
    done = 0
    while done < int(sys.argv[2]):
        product = records.products.get("P")
        try:
            changed = {"unit_price": product["unit_price"] + 1}
            records.products.update("P", changed, expected_version=product.version)
            done += 1
        except errors.VersionConflict:
            pass
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_processes_that_create_and_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writers = [start(WRITER, path, f"w{number}", 40) for number in range(3)]
    acknowledged = [line for writer in writers for line in finish(writer).split()]
    assert len(acknowledged) == 3 * 40
    with RecordStore.open(path) as records:
        done = {task.id for task in records.tasks.find(status="done")}
        assert done == set(acknowledged)
        numbers = changes(records, "tasks", 0).column("change_number").to_pylist()
        assert numbers == list(range(1, 3 * (1 + 2 * 40) + 1))


def test_optimistic_counters_of_two_processes_add_up(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with RecordStore.open(path) as records:
        records.products.add({"source_id": "P", "unit_price": 0})
        for process in [start(COUNTER, path, 30), start(COUNTER, path, 30)]:
            finish(process)
        assert records.products.get("P")["unit_price"] == 60
        assert records.products.get("P").version == 61


def test_a_reader_that_follows_the_changes_sees_each_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with RecordStore.open(path) as records:
        writers = [start(WRITER, path, f"w{number}", 30) for number in range(2)]
        seen: list[int] = []
        while any(writer.poll() is None for writer in writers):
            seen += changes(records, "tasks", seen[-1] if seen else 0).column("change_number").to_pylist()
        for writer in writers:
            finish(writer)
        seen += changes(records, "tasks", seen[-1] if seen else 0).column("change_number").to_pylist()
    assert seen == list(range(1, 2 * (1 + 2 * 30) + 1))


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.db"
    writer = start(WRITER, path, "w", 100_000)
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.3))
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read()  # not communicate(): it skips lines that readline() has buffered
    writer.communicate(timeout=60)
    complete = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    acknowledged = {line.strip() for line in complete}
    assert acknowledged
    with RecordStore.open(path) as records:
        assert acknowledged <= {task.id for task in records.tasks.find(status="done")}
        assert len(records.tasks.find(status="done")) <= len(acknowledged) + 1
        numbers = changes(records, "tasks", 0).column("change_number").to_pylist()
        assert numbers == list(range(1, records.last_change_number + 1))
        with records.database.reading() as connection:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            assert connection.execute("pragma foreign_key_check").fetchall() == []


def test_a_reader_is_not_blocked_by_a_writer_and_a_writer_says_whom_it_waits_for(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with RecordStore.open(path) as first, RecordStore.open(path, wait_seconds=0.05) as second:
        task = first.tasks.add({"status": "open"})
        with first.transaction():
            first.tasks.update(task.id, {"status": "done"})
            assert second.tasks.get(task.id)["status"] == "open"
            with pytest.raises(StoreBusy, match="other writers kept it busy"):
                second.tasks.add({"status": "open"})
        assert second.tasks.get(task.id)["status"] == "done"


def test_a_full_disk_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    with RecordStore.open(tmp_path / "a.db") as records:
        kept = records.tasks.add({"source_id": "T1"})
        with records.database.reading() as connection:
            (pages,) = connection.execute("pragma page_count").fetchone()
            connection.execute(f"pragma max_page_count = {pages}")
        with pytest.raises(DiskFullError, match="the disk is full; nothing was written"):
            records.tasks.add({"source_id": "T2", "reason": "x" * 900_000})
        assert records.tasks.find() == [kept]
        with records.database.reading() as connection:
            connection.execute("pragma max_page_count = 100000")
        assert records.tasks.add({"source_id": "T2", "reason": "x" * 900_000}).version == 1
        assert records.last_change_number == 2


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with RecordStore.open(path) as records:
        for number in range(50):
            records.tasks.add({"source_id": f"T{number}"})
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="the file is damaged; restore a backup"):
        RecordStore.open(path)


def test_a_forked_child_is_told_to_open_its_own(tmp_path: Path) -> None:
    with RecordStore.open(tmp_path / "a.db") as records:
        records.tasks.add({"source_id": "T1"})
        child = os.fork()
        if child == 0:
            try:
                records.tasks.get("T1")
            except StoreError as error:
                os._exit(0 if "opened in another process" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert records.tasks.get("T1").version == 1


def test_durability_is_switched_on_for_every_connection(tmp_path: Path) -> None:
    with RecordStore.open(tmp_path / "a.db") as records, records.database.reading() as connection:
        settings = {
            name: connection.execute(f"pragma {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
