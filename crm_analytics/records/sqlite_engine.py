"""How is a record store kept in a SQLite file, durably and noticing what is done to the file?

WAL mode with synchronous FULL: an acknowledged change survives a crash, readers never wait for a writer.
Deleted content is overwritten (secure_delete). Beside the file lies ``<file>.mark``, the number of the last
acknowledged change: a file that is behind it has lost commits (its ``-wal`` was deleted or cut, or an older
copy was put in its place), which SQLite itself opens without a word.

The file itself is never opened by anything but SQLite: closing any other handle of it would drop the locks
that this process holds on it (POSIX), and another process could then remove the log under our feet.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from crm_analytics import errors

MEMORY = ":memory:"
_OURS = 0x43524D31  # "CRM1" in the header of the file: this SQLite file is a record store
_RETRY_SECONDS = 0.02
_CHECKED_AT_OPEN_BYTES = 64 * 1024 * 1024  # larger files take seconds; `RecordStore.verify` looks at any
_MARK_DIGITS = 20


class SqliteEngine:
    """A SQLite file, or ``:memory:``; see `Engine` for what each method promises."""

    begin = "begin immediate"
    begin_reading = "begin"

    def __init__(self, path: str, *, wait_seconds: float) -> None:
        self.has_one_connection = path == MEMORY
        self.name = path
        self._wait_seconds = wait_seconds
        self._mark: int | None = None
        if path != MEMORY:
            path = self.name = os.path.realpath(path) if os.path.islink(path) else path
            _create_private_file(Path(path))
            self._mark = _open_mark(Path(f"{path}.mark"))
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=path),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            connect_args={"check_same_thread": False, "timeout": wait_seconds},
        )
        self.dialect: sa.Dialect = self._engine.dialect

    def connect(self) -> sa.Connection:
        face = self._engine.connect()
        driver: Any = face.connection.dbapi_connection
        try:
            self._prepare(driver)
        except BaseException:
            face.close()  # a connection that nobody gets would keep the file locked
            raise
        return face

    def _prepare(self, driver: sqlite3.Connection) -> None:
        driver.execute("pragma foreign_keys = on")
        driver.execute("pragma secure_delete = on")
        if not self.has_one_connection:
            try:
                self._use_wal(driver)
                driver.execute("pragma synchronous = full")
                driver.execute("select count(*) from sqlite_schema").fetchone()  # opens the log
            except UnicodeDecodeError as error:  # SQLite quotes what it cannot read
                raise errors.StoreCorrupt(f"{self.name}: the file is damaged; restore a backup.") from error

    def identity(self) -> tuple[int, ...]:
        if self.has_one_connection:
            return ()
        return _inode(self.name), _inode(f"{self.name}-wal")

    def is_in_transaction(self, driver: sqlite3.Connection) -> bool:
        return driver.in_transaction

    def commit(self, driver: sqlite3.Connection) -> None:
        driver.execute("commit")

    def is_lost(self, driver: sqlite3.Connection) -> bool:
        return False

    def acknowledge(self, change_number: int) -> None:
        if self._mark is not None:
            with contextlib.suppress(OSError):  # a mark that stays behind is only a weaker promise
                os.pwrite(self._mark, f"{change_number:0{_MARK_DIGITS}}\n".encode(), 0)

    def acknowledged(self) -> int:
        if self._mark is None:
            return 0
        text = os.pread(self._mark, _MARK_DIGITS, 0)
        return int(text) if len(text) == _MARK_DIGITS and text.isdigit() else 0

    def prepare(self, driver: sqlite3.Connection) -> bool:
        (owner,) = driver.execute("pragma application_id").fetchone()
        (tables,) = driver.execute("select count(*) from sqlite_schema").fetchone()
        if tables and owner != _OURS:
            raise errors.StoreError(
                f"{self.name}: this database belongs to another program. Name another file."
            )
        if self.is_small():
            self.examine(driver)
        return not tables

    def is_small(self) -> bool:
        return not self.has_one_connection and _size(self.name) <= _CHECKED_AT_OPEN_BYTES

    def examine(self, driver: sqlite3.Connection) -> None:
        """Run SQLite's own check, indexes included; StoreCorrupt tells what it found."""
        try:
            found = driver.execute("pragma integrity_check(3)").fetchall()
        except UnicodeDecodeError:
            found = [("a text that cannot be read",)]
        if found != [("ok",)]:
            told = "; ".join(str(row[0]).splitlines()[-1] for row in found)
            raise errors.StoreCorrupt(f"{self.name}: the file is damaged; restore a backup ({told}).")

    def claim(self, driver: sqlite3.Connection) -> None:
        driver.execute(f"pragma application_id = {_OURS}")

    def wipe(self, driver: sqlite3.Connection, tables: list[str]) -> None:
        driver.execute("vacuum")
        if self.has_one_connection:
            return
        deadline = time.monotonic() + self._wait_seconds
        while driver.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
            if time.monotonic() >= deadline:
                raise errors.StoreBusy(
                    f"{self.name}: the records are erased, but a reader still holds the old log. "
                    "Close it and erase again, so that the log is emptied."
                )
            time.sleep(_RETRY_SECONDS)

    def translate(self, error: Exception) -> errors.StoreError | None:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if not isinstance(cause, sqlite3.Error):
            return None
        name = str(getattr(cause, "sqlite_errorname", ""))
        for prefix, (kind, text) in _ERRORS.items():
            if name.startswith(prefix):
                return kind(f"{self.name}: {text} ({name}).")
        return errors.StoreError(f"{self.name}: the record store cannot do it: {cause}.")

    def close(self) -> None:
        if self._mark is not None:
            os.close(self._mark)
            self._mark = None

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL; two processes that create the file at once must not trip over each other."""
        deadline = time.monotonic() + self._wait_seconds
        while True:
            try:
                connection.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_SECONDS)


def _create_private_file(path: Path) -> None:
    """Create the file readable by its owner only; SQLite gives its helper files the same mode."""
    if path.is_dir():
        raise errors.UsageError(f"{path}: is a folder. Name a file, for example {path / 'crm.records.db'}.")
    if not path.parent.is_dir():
        raise errors.UsageError(f"{path}: the folder {path.parent} does not exist. Create it first.")
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.chmod(path, 0o600)
        links = os.stat(path).st_nlink
    except OSError as error:
        raise errors.StoreIOError(f"{path}: cannot be opened for writing: {error.strerror}.") from error
    if links > 1:
        raise errors.StoreError(
            f"{path}: the file has {links} names (hard links). Each name would get a log of its own, and "
            "changes would be lost. Remove the other names, or make a copy with backup()."
        )


def _open_mark(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise errors.StoreIOError(f"{path}: cannot be opened for writing: {error.strerror}.") from error


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _size(path: str) -> int:
    return sum(os.stat(name).st_size for name in (path, f"{path}-wal") if os.path.exists(name))


_ERRORS: dict[str, tuple[type[errors.StoreError], str]] = {
    "SQLITE_BUSY": (errors.StoreBusy, "other writers kept it busy for too long; try again"),
    "SQLITE_FULL": (errors.DiskFullError, "the disk is full; nothing was written. Free some space"),
    "SQLITE_IOERR": (errors.StoreIOError, "reading or writing the disk failed; nothing was written"),
    "SQLITE_READONLY": (errors.StoreIOError, "the file or its folder is read-only"),
    "SQLITE_CANTOPEN": (errors.StoreIOError, "the file cannot be opened"),
    "SQLITE_CORRUPT": (errors.StoreCorrupt, "the file is damaged; restore a backup"),
    "SQLITE_NOTADB": (errors.StoreCorrupt, "this is no record store, or it is damaged"),
}
