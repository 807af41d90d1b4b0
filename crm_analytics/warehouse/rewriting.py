"""How do deleted bytes leave the file?  The database copies itself into a new file, which takes its place.

DELETE and CHECKPOINT leave the bytes where they were until something overwrites them. What was deleted is
committed first, with the setting ``rewrite_due``; a process that dies before the new file has its name leaves
that setting, and the next `Warehouse.open` rewrites. So a reader finds the old file or the new one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from crm_analytics.errors import StoreIOError
from crm_analytics.warehouse import backup
from crm_analytics.warehouse.checkpoint_guard import blocks_path
from crm_analytics.warehouse.connection import REWRITE_DUE, Warehouse
from crm_analytics.warehouse.whole_files import sync


def ask_for_rewrite(wh: Warehouse) -> None:
    """Note, in the transaction that deletes, that the file is to be rewritten."""
    wh.execute("delete from ops.settings where name = $name", name=REWRITE_DUE)
    wh.execute("insert into ops.settings (name, value) values ($name, 'yes')", name=REWRITE_DUE)


def rewrite(wh: Warehouse) -> None:
    """Put a checked copy of the warehouse, without deleted bytes, in the place of its file.

    Other threads must not use the warehouse meanwhile: their cursors are closed. A warehouse in memory has no
    file.

    Raises
    ------
    StoreIOError
        The disk refused; the old file stays, and the next call or opening tries again.
    """
    if wh.path != ":memory:":
        path = Path(wh.path).resolve()
        staging = path.with_name(f".{path.name}.rewriting")
        for left in (staging, Path(f"{staging}.wal")):
            left.unlink(missing_ok=True)
        try:
            rows = backup.copy_into(wh, staging)
            with Warehouse.open(staging, read_only=True, encrypt=wh.is_encrypted) as copy:
                if backup.counts(copy, copy.value("select current_database()")) != rows:
                    raise StoreIOError(f"{path}: the rewritten file differs. Check the disk; call again.")
            wh.execute("checkpoint")
            wh.close_connection()
            try:
                _take_place(staging, path)
            finally:
                wh.reconnect()
        except OSError as error:
            raise StoreIOError(f"{path}: rewriting failed ({error.strerror}). Call again.") from error
    wh.execute("delete from ops.settings where name = $name", name=REWRITE_DUE)


def _take_place(staging: Path, path: Path) -> None:
    wal = Path(f"{path}.wal")
    if wal.exists() and wal.stat().st_size:
        raise StoreIOError(f"{path}: another connection still writes to it. Close it and call again.")
    wal.unlink(missing_ok=True)
    shutil.rmtree(f"{path}.tmp", ignore_errors=True)
    os.rename(staging, path)
    blocks_path(path).unlink(missing_ok=True)
    sync(path.parent)
