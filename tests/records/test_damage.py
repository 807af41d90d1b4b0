"""Is damage noticed, does a backup restore, and can nothing done to the file lose a change without a word?"""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crm_analytics import errors
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import changes
from crm_analytics.records.tables import record_tables

OPEN_AND_CLOSE = (
    "import sys; from crm_analytics.records import RecordStore; RecordStore.open(sys.argv[1]).close()"
)


def filled(path: Path, count: int = 20) -> dict[str, dict[str, object]]:
    """Write some customers; return what was acknowledged."""
    with RecordStore.open(path) as records:
        records.customers.add_many(
            [{"source_id": f"C{number}", "name": f"Name of {number}"} for number in range(count)]
        )
        return {record.id: dict(record) for record in records.customers.find()}  # type: ignore[misc]


def test_a_flipped_bit_is_never_handed_out_as_a_record(tmp_path: Path) -> None:
    """A12: 90 places, a third of them in the values and a third in the heads; each read, by itself and
    without `verify`, gives what was written, or StoreCorrupt."""
    path = tmp_path / "a.db"
    written = filled(path)
    whole = path.read_bytes()
    anywhere = [at for at, byte in enumerate(whole) if byte]  # most of a new file is empty
    values = [at for found in re.finditer(rb"Name of \d+", whole) for at in range(*found.span())]
    # A page in which every key stands and no name: the heads, or an index that leads to them.
    pages = [at for at in range(0, len(whole), 4096) if b"Name" not in whole[at : at + 4096]]
    heads = [
        at for one in pages if whole[one : one + 4096].count(b"C1") > 10 for at in range(one, one + 4096)
    ]
    heads = [at for at in heads if whole[at]]
    draw, noticed = random.Random(12), [0, 0, 0]
    for trial in range(90):
        flipped = bytearray(whole)
        flipped[draw.choice((anywhere, values, heads)[trial % 3])] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        (tmp_path / "a.db.mark").unlink(missing_ok=True)
        try:
            with RecordStore.open(path) as records:
                read = {record.id: dict(record) for record in records.customers.find()}
                got = {key: dict(records.customers.get(key)) for key in written}  # type: ignore[call-overload]
        except errors.StoreError:
            noticed[trial % 3] += 1
        else:
            assert read == got == written
    assert min(noticed) > 5, noticed


def test_a_removed_or_cut_log_is_noticed(tmp_path: Path) -> None:
    """A12: what SQLite opens without a word at an older state."""
    path, copy = tmp_path / "a.db", tmp_path / "copy.db"
    filled(path)
    with RecordStore.open(path) as records:
        records.customers.update("C1", {"name": "Acknowledged"})
        for ending in ("", "-wal", ".mark"):
            shutil.copy(f"{path}{ending}", f"{copy}{ending}")
    log = (tmp_path / "copy.db-wal").read_bytes()
    for left in (b"", log[: len(log) // 2]):
        (tmp_path / "copy.db-wal").write_bytes(left)
        with pytest.raises(
            errors.StoreRolledBack, match=r"change 21 was acknowledged, and the last .* is 20"
        ):
            RecordStore.open(copy)
    (tmp_path / "copy.db-wal").write_bytes(log)
    with RecordStore.open(copy) as records:
        assert records.customers.get("C1")["name"] == "Acknowledged"


def test_an_older_copy_in_its_place_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    filled(path)
    older = path.read_bytes()
    with RecordStore.open(path) as records:
        records.customers.add({"source_id": "new"})
    path.write_bytes(older)
    with pytest.raises(errors.StoreRolledBack, match=r"delete .*a\.db\.mark"):
        RecordStore.open(path)
    (tmp_path / "a.db.mark").unlink()
    with RecordStore.open(path) as records:
        assert records.last_change_number == 20


def test_a_cut_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    filled(path)
    path.write_bytes(path.read_bytes()[:-8192])
    with pytest.raises(errors.StoreCorrupt, match="damaged"):
        RecordStore.open(path)


def test_a_store_is_not_fooled_by_a_second_name(tmp_path: Path) -> None:
    """A9: a symlink is the same store; a hard link would have a log of its own, and is refused."""
    path = tmp_path / "a.db"
    filled(path)
    (tmp_path / "link.db").symlink_to(path)
    (tmp_path / "folder").mkdir()
    with RecordStore.open(path) as first:
        for name in (tmp_path / "link.db", tmp_path / "folder" / ".." / "a.db"):
            with RecordStore.open(name) as second:
                second.customers.update("C1", {"name": name.name})
            assert first.customers.get("C1")["name"] == name.name
    os.link(path, tmp_path / "hard.db")
    for name in ("hard.db", "a.db"):
        with pytest.raises(errors.StoreError, match="2 names"):
            RecordStore.open(tmp_path / name)


def test_opening_a_store_twice_leaves_its_locks_alone(tmp_path: Path) -> None:
    """A8: after the trap of POSIX locks another process still cannot take the log away."""
    path = tmp_path / "a.db"
    filled(path)
    with RecordStore.open(path) as records:
        RecordStore.open(path).close()
        subprocess.run([sys.executable, "-c", OPEN_AND_CLOSE, str(path)], check=True)
        records.customers.add({"source_id": "later"})
    with RecordStore.open(path) as records:
        assert records.customers.get("later").version == 1


def test_a_change_is_not_acknowledged_when_the_file_was_taken_away(tmp_path: Path) -> None:
    """A8: the trap itself (the file is read in this process), and a backup moved over an open store."""
    path = tmp_path / "a.db"
    filled(path)
    with RecordStore.open(path) as records:
        path.open("rb").close()  # drops this process's locks
        subprocess.run([sys.executable, "-c", OPEN_AND_CLOSE, str(path)], check=True)
        with pytest.raises(errors.StoreError, match="replaced or removed while it was open; nothing was"):
            records.customers.add({"source_id": "lost"})
    with RecordStore.open(path) as records:
        shutil.copy(path, tmp_path / "older.db")
        os.replace(tmp_path / "older.db", path)
        with pytest.raises(errors.StoreError, match="replaced or removed while it was open; nothing was"):
            records.customers.add({"source_id": "lost"})
    with RecordStore.open(path) as records:
        assert records.last_change_number == 20


def test_verify_names_the_change_that_was_altered(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    filled(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("update customers_versions set city = 'Bonn' where source_id = 'C7'")
    connection.close()
    with RecordStore.open(path) as records:
        assert records.customers.get("C6").version == 1
        for read in (lambda: records.customers.get("C7"), lambda: changes(records, "customers", 0)):
            with pytest.raises(errors.StoreCorrupt, match="a version of customers is not what was written"):
                read()
        with pytest.raises(errors.StoreCorrupt, match=r"change 8 \(customers\) is not what was written"):
            records.verify()
        with pytest.raises(errors.StoreCorrupt, match="change 8"):
            records.backup(tmp_path / "backup.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.db", "a.db.mark"]


def test_a_backup_made_while_others_write_restores_one_moment(place: str, tmp_path: Path) -> None:
    """A13: everything up to its last change is in it, and nothing after."""
    backup = tmp_path / "backup.db"
    with RecordStore.open(place) as records:
        records.customers.add({"source_id": "C1", "name": "Ada"})
        records.erase({"tasks": ["T0"]})
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                records.tasks.add({"status": "open"})
                records.consents.add(
                    {"customer_source_id": "C1", "channel": "email", "occurred_at": records.now()}
                    | {"is_granted": True}
                )

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while records.last_change_number < 20 and writer.is_alive():
                time.sleep(0.005)
            assert records.backup(backup) == backup
        finally:
            stop.set()
            writer.join()
        assert backup.stat().st_mode & 0o777 == 0o600
        with RecordStore.open(backup) as restored:
            until = restored.last_change_number
            assert 20 <= until <= records.last_change_number
            assert restored.store_id == records.store_id
            assert restored.hash_of("tasks", "T0") == records.hash_of("tasks", "T0")
            for name in record_tables():
                assert changes(restored, name, 0) == changes(records, name, 0, until=until)
        with pytest.raises(errors.UsageError, match="is there already"):
            records.backup(backup)
        with pytest.raises(errors.UsageError, match="does not exist"):
            records.backup(tmp_path / "no" / "backup.db")


def test_a_store_of_the_first_layout_opens_with_what_it_held(tmp_path: Path) -> None:
    """A14: a file as the first layout wrote it, before digests and erasures."""
    path = tmp_path / "a.db"
    path.write_bytes(gzip.decompress((Path(__file__).parent / "data" / "layout_001.db.gz").read_bytes()))
    with RecordStore.open(path) as records:
        assert records.last_change_number == 27
        assert records.customers.get("source_id 0 سلام")["name"] == "name 1 سلام"
        assert [v.version for v in records.tasks.history("source_id 0 سلام")] == [1, 2, 3]
        assert records.verify() == 0
        records.customers.update("source_id 0 سلام", {"name": "changed"})
        assert records.verify() == 1
        assert records.erase_customer("source_id 0 سلام").records == {"customers": 1}
    with RecordStore.open(path) as records:
        assert records.last_change_number == 29


def test_a_file_that_could_not_be_opened_is_not_kept_locked(tmp_path: Path) -> None:
    path = tmp_path / "crm.records.db"
    with RecordStore.open(path) as records:
        for number in range(7):
            records.customers.add({"name": str(number)})
    whole = path.read_bytes()
    path.write_bytes(whole[:8192])
    with pytest.raises(
        errors.StoreCorrupt, match="damaged"
    ) as kept:  # whoever keeps the error keeps what it holds
        RecordStore.open(path)
    path.write_bytes(b"")
    with pytest.raises(errors.StoreRolledBack, match="was acknowledged"):
        RecordStore.open(path, wait_seconds=0.1)
    assert kept.value.__traceback__ is not None
