"""What remains when processes write together, are killed or fork?  All that was acknowledged."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from crm_analytics.errors import (
    DiskFullError,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreIOError,
    VersionConflict,
)
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import changes
from tests.records.conftest import NewPlace, emptied

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


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def forked(count: int, work: Callable[[int], None]) -> list[int]:
    """Begin `work` in forked processes, and return their ids.

    Never beside a thread that uses SQLite: the children would inherit its locks and wait for ever.
    """
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            signal.alarm(300)  # one that hangs dies
            try:
                work(number)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)  # nothing of the parent's is closed
        children.append(child)
    return children


def in_processes(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in forked processes at the same time; all must succeed."""
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in forked(count, work)]
    assert codes == [0] * count


def test_eight_processes_that_write_and_read_at_once_lose_nothing(place: str) -> None:
    with RecordStore.open(place) as records:
        records.products.add({"source_id": "P", "unit_price": 0})

    def work(process: int) -> None:
        with RecordStore.open(place) as records:
            for number in range(12):
                task = records.tasks.add({"source_id": f"{process}-{number}", "status": "open"})
                assert records.tasks.get(task.id) == task
                records.tasks.update(task.id, {"status": "done"}, expected_version=1)
                assert len(records.tasks.find(status="done")) > number
                counted = False
                while not counted:
                    product = records.products.get("P")
                    try:
                        one_more = {"unit_price": product["unit_price"] + 1}
                        records.products.update("P", one_more, expected_version=product.version)
                        counted = True
                    except VersionConflict:
                        pass

    in_processes(8, work)
    with RecordStore.open(place) as records:
        assert {task.id for task in records.tasks.find(status="done")} == {
            f"{process}-{number}" for process in range(8) for number in range(12)
        }
        assert records.products.get("P")["unit_price"] == 8 * 12
        numbers = [*changes(records, "tasks", 0).column("change_number").to_pylist()]
        numbers += changes(records, "products", 0).column("change_number").to_pylist()
        assert sorted(numbers) == list(range(1, 8 * 12 * 3 + 2))
        assert records.verify() == len(numbers)


def test_processes_may_create_a_store_at_the_same_time(new_place: NewPlace) -> None:
    place = new_place()

    def work(process: int) -> None:
        with RecordStore.open(place) as records:
            records.tasks.add({"source_id": str(process)})

    in_processes(4, work)
    with RecordStore.open(place) as records:
        assert [task.id for task in records.tasks.find()] == ["0", "1", "2", "3"]


def test_a_reader_that_follows_the_changes_sees_each_exactly_once(place: str) -> None:
    """Transactions of all lengths, a third of them undone; numbers come in the order of commits."""
    kept = 0
    for process in range(3):
        draw = random.Random(process)
        kept += sum(length for length in (draw.randint(1, 4) for _ in range(12)) if length != 2)

    def work(process: int) -> None:
        draw = random.Random(process)
        with RecordStore.open(place) as records:
            for length in [draw.randint(1, 4) for _ in range(12)]:
                with contextlib.suppress(ZeroDivisionError), records.transaction():
                    for _ in range(length):
                        records.tasks.add({"status": "open"})
                    if length == 2:
                        raise ZeroDivisionError

    writing = set(forked(3, work))
    with RecordStore.open(place) as records:
        seen: list[int] = []
        while writing or len(seen) < kept:
            for child in list(writing):
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    assert status == 0
                    writing.remove(child)
            seen += changes(records, "tasks", seen[-1] if seen else 0).column("change_number").to_pylist()
            assert writing or len(seen) >= kept, "a change was never seen"
    assert seen == list(range(1, kept + 1))


def test_a_late_commit_is_never_missed(place: str) -> None:
    """A transaction that began first cannot commit below what a reader has seen: the other waits for it."""
    with RecordStore.open(place) as first, RecordStore.open(place, wait_seconds=0.1) as second:
        with first.transaction():
            first.tasks.add({"source_id": "early"})
            with pytest.raises(StoreBusy, match="other writers kept it busy"):
                second.tasks.add({"source_id": "overtaking"})
            assert second.last_change_number == changes(second, "tasks", 0).num_rows == 0
        second.tasks.add({"source_id": "late"})
        assert changes(first, "tasks", 0).column("source_id").to_pylist() == ["early", "late"]
        assert changes(first, "tasks", 0).column("change_number").to_pylist() == [1, 2]


def test_readers_never_wait(place: str) -> None:
    """Not for a transaction that writes, nor for one that reads; and no writer waits for a reader."""
    with RecordStore.open(place) as night, RecordStore.open(place, wait_seconds=0.1) as app:
        task = app.tasks.add({"status": "open"})
        with night.transaction():
            night.tasks.update(task.id, {"status": "done"})
            assert app.tasks.get(task.id)["status"] == "open"
            assert [found.id for found in app.tasks.find(status="open")] == [task.id]
        with night.database.snapshot() as connection:
            connection.execute("select count(*) from tasks").fetchone()
            for status in ("open", "dropped"):
                app.tasks.update(task.id, {"status": status})
            assert app.tasks.get(task.id).version == 4
            assert connection.execute("select version from tasks").fetchone() == (2,)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_undoes_what_was_under_way(place: str) -> None:
    """A5: at 20 moments; the caller gets KeyboardInterrupt, and the same store goes on.

    Python drops an interrupt that comes while a weak reference is let go; people then press again.
    """
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)  # a Ctrl-C that comes by the clock
    try:
        with RecordStore.open(place) as records:
            for moment in range(20):
                with pytest.raises(KeyboardInterrupt), records.transaction():
                    first = 0.002 * (moment % 10 + 1) + 0.0003 * moment
                    signal.setitimer(signal.ITIMER_REAL, first, 2.0)
                    too_late = time.monotonic() + 30
                    while time.monotonic() < too_late:
                        records.tasks.add({"status": "open"})
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert not records.database.is_writing
                assert records.last_change_number == moment
                records.tasks.add({"status": "done"})
            assert len(records.tasks.find()) == 20
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_broken_connection_is_an_error_and_the_next_call_connects_again(postgres_store: str) -> None:
    with RecordStore.open(emptied(postgres_store)) as records, RecordStore.open(postgres_store) as admin:
        records.tasks.add({"source_id": "T1"})
        kill = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
        kill += " and datname = current_database()"

        def broken() -> None:
            with admin.database.reading() as connection:
                connection.execute(kill).fetchall()

        with pytest.raises(StoreIOError, match="the connection broke"), records.transaction():
            records.tasks.add({"source_id": "T2"})
            broken()
            records.tasks.add({"source_id": "T3"})
        assert [task.id for task in records.tasks.find()] == ["T1"]
        broken()
        with pytest.raises(StoreIOError, match="the connection broke"):
            records.tasks.get("T1")
        assert records.tasks.get("T1").version == 1


def test_a_transaction_that_has_failed_is_not_reported_as_kept(postgres_store: str) -> None:
    with RecordStore.open(emptied(postgres_store)) as records:
        with pytest.raises(StoreError, match="all of it is undone"), records.transaction():
            records.tasks.add({"source_id": "T1"})
            with pytest.raises(StoreError, match="cannot do it"), records.database.reading() as connection:
                connection.execute("select 1 / 0")
        assert records.tasks.find() == []


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_writer_loses_nothing_it_acknowledged(place: str, seed: int) -> None:
    """A1: kill -9 at random moments."""
    writer = start(WRITER, place, "w", 100_000)
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.3))
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read()  # not communicate(): it skips lines that readline() has buffered
    writer.communicate(timeout=60)
    complete = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    acknowledged = {line.strip() for line in complete}
    assert acknowledged
    with RecordStore.open(place) as records:
        assert acknowledged <= {task.id for task in records.tasks.find(status="done")}
        assert len(records.tasks.find(status="done")) <= len(acknowledged) + 1
        numbers = changes(records, "tasks", 0).column("change_number").to_pylist()
        assert numbers == list(range(1, records.last_change_number + 1))
        assert records.verify() == len(numbers)


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


def test_a_block_whose_end_was_interrupted_undoes_nothing_later(place: str) -> None:
    """Ctrl-C can come as an inner block begins to end: what is left of it lives on in the traceback."""
    with RecordStore.open(place) as records:
        abandoned = records.transaction()
        with pytest.raises(KeyboardInterrupt), records.transaction():
            abandoned.__enter__()
            raise KeyboardInterrupt
        assert not records.database.is_writing
        with records.transaction():
            records.tasks.add({"source_id": "later"})
            del abandoned  # Python ends it here
            assert records.database.is_writing
        assert [task.id for task in records.tasks.find()] == ["later"]
