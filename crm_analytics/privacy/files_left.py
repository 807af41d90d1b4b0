"""Which files are left to delete by hand after an erasure?  Backups, exports and notes beside the warehouse.

Files are searched byte by byte for what a person is known by; packed files are not looked into. A record
store is never opened here (closing a second handle of its file would drop SQLite's locks) and never named as
something to delete: what is in it is erased by `crm_analytics.RecordStore.erase`.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

from crm_analytics.privacy.subject import Subject
from crm_analytics.privacy.subject_export import JSON_FILE
from crm_analytics.records import RecordStore
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.erased_keys import TELLING_CHARACTERS

_ENDINGS = ("-wal", "-shm", "-journal", ".mark")


def backups(wh: Warehouse) -> Iterator[str]:
    """Yield the backups that were written from here; what they hold is not known any more."""
    for day, path in wh.rows(
        "select cast(done_at as date), subject from ops.audit_log where action = 'backup' "
        "order by entry_number"
    ):
        if Path(path).exists():
            yield f"{path} (backup of {day})"


def files_left(wh: Warehouse, subject: Subject) -> Iterator[str]:
    """Yield the files in the folder of the warehouse that still hold something of the person as plain text.

    Of an export of the person (`crm_analytics.export_subject`) all files are.
    """
    if wh.path == ":memory:":
        return
    needles = {one.encode() for one in (subject.points | subject.names) if len(one) >= TELLING_CHARACTERS}
    needles |= {one.encode() for one in subject.ids() if len(one) >= 2 * TELLING_CHARACTERS}
    own = Path(wh.path).resolve()
    exports = {path.parent for path in own.parent.rglob(JSON_FILE) if _is_export_of(path, subject)}
    for path in sorted(own.parent.rglob("*")):
        if path == own or path.is_symlink() or not path.is_file() or not path.stat().st_size:
            continue
        if is_of_a_live_store(path):
            continue
        if path.parent in exports or _holds(path, needles):
            yield str(path)


def stores_not_given(wh: Warehouse, stores: Iterable[RecordStore]) -> Iterator[str]:
    """Yield the record stores in the folder of the warehouse that were not given, and so not looked into."""
    if wh.path == ":memory:":
        return
    given = {Path(one.path).resolve() for one in stores if one.path != ":memory:"}
    for mark in sorted(Path(wh.path).resolve().parent.rglob("*.mark")):
        store = mark.with_suffix("")
        if store.is_file() and store not in given:
            yield str(store)


def is_of_a_live_store(path: Path) -> bool:
    """Is it a record store that is (or was) opened as one, or one of the files beside it?"""
    name = next((path.name.removesuffix(one) for one in _ENDINGS if path.name.endswith(one)), path.name)
    return path.with_name(f"{name}.mark").exists()


def _holds(path: Path, needles: Iterable[bytes]) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(one) >= 0 for one in needles)


def _is_export_of(path: Path, subject: Subject) -> bool:
    """Is it the JSON file of an export of this person?"""
    try:
        tables = json.loads(path.read_bytes())
        return any(
            (row.get("source_system"), row.get("source_id")) in subject.keys.get(name, ())
            for name in entities()
            for row in tables.get(f"entities.{name}", ())
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return False
