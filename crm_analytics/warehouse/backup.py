"""How is a warehouse kept a second time?  One whole file, checked before it takes its name.

A plain copy of the file misses what is still in the write-ahead log, so the database copies itself, in
one transaction: the backup holds one moment, also while a load is running. It is an ordinary warehouse
file: to restore it, put it in the place of the damaged one and delete the ``.commits`` and ``.audit`` marks
beside that.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crm_analytics.errors import DiskFullError, StoreError, StoreIOError, UsageError
from crm_analytics.warehouse.audit_log import record
from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.identifiers import quote_ident, quote_table
from crm_analytics.warehouse.whole_files import sync

_TABLES = (
    "select schema_name || '.' || table_name from duckdb_tables() "
    "where database_name = $database and not internal and not temporary order by all"
)


@dataclass(frozen=True)
class Backup:
    """A backup that was written and read back.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    tables, rows : int
        What it holds, all tables together.
    size : int
        Bytes.
    """

    path: Path
    tables: int
    rows: int
    size: int


def backup(wh: Warehouse, path: str | os.PathLike[str]) -> Backup:
    """Write all of a warehouse to one new file, and read it back before it gets its name.

    Parameters
    ----------
    wh : Warehouse
        May be in use by other threads: the backup holds what was committed when it began.
    path : path
        The file to write; it must not exist. Readable by its owner only.

    Raises
    ------
    UsageError
        The file exists already, or its folder does not.
    StoreIOError
        The disk refused, or the copy differs; nothing is left under the name. DiskFullError where it is full.

    Examples
    --------
    >>> import tempfile
    >>> with Warehouse.open() as wh, tempfile.TemporaryDirectory() as folder:
    ...     kept = backup(wh, f"{folder}/monday.duckdb")
    ...     Warehouse.open(kept.path, read_only=True).value("select count(*) from ops.loads")
    0
    """
    target = Path(path).resolve()
    if target.exists():
        raise UsageError(f"{target}: exists already. Give the backup a name of its own.")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist. Create it first.")
    staging = target.with_name(f".{target.name}.tmp")
    try:
        _remove(staging)
        rows = copy_into(wh, staging)
        with Warehouse.open(staging, read_only=True, encrypt=wh.is_encrypted) as copy:
            found = counts(copy, copy.value("select current_database()"))
        if found != rows:
            raise StoreIOError(
                f"{target}: the copy differs from the warehouse. Check the disk and try again."
            )
        os.rename(staging, target)
        sync(target.parent)
        record(wh, "backup", str(target), rows=sum(rows.values()))
    except OSError as error:
        kind = DiskFullError if error.errno == errno.ENOSPC else StoreIOError
        raise kind(f"{target}: the backup failed ({error.strerror}); nothing was kept of it.") from error
    finally:
        _remove(staging)
    return Backup(target, len(rows), sum(rows.values()), target.stat().st_size)


def copy_into(wh: Warehouse, staging: Path) -> dict[str, int]:
    """Fill the file from one moment of the warehouse; return the rows per table of that moment."""
    source = wh.value("select current_database()")
    wh.attach_copy(staging, "backup_copy")
    try:
        staging.chmod(0o600)
        wh.execute("begin transaction")
        try:
            rows = counts(wh, source)
            wh.execute(f"copy from database {quote_ident(source)} to backup_copy")
            wh.execute("commit")
        except BaseException:
            with suppress(StoreError):
                wh.execute("rollback")
            raise
        wh.execute("checkpoint backup_copy")
    finally:
        wh.execute("detach backup_copy")
    sync(staging)
    return rows


def counts(wh: Warehouse, database: str) -> dict[str, int]:
    """Count the rows of every table of an attached database."""
    found: dict[str, int] = {}
    for (name,) in wh.rows(_TABLES, database=database):
        found[name] = wh.value(f"select count(*) from {quote_ident(database)}.{quote_table(name)}")
    return found


def _remove(staging: Path) -> None:
    for path in (staging, Path(f"{staging}.wal")):
        path.unlink(missing_ok=True)
