"""How is the record store's database reached?  One connection per thread, one writer at a time.

SQLite in WAL mode with synchronous FULL: a change that was acknowledged survives a crash, readers
never wait for a writer, and a writer waits (up to `wait_seconds`) for the one before it. A writing
transaction takes the write lock when it begins, so what it has read cannot change under it.
Statements are compiled once by SQLAlchemy and run by the driver itself, which is five times faster.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from crm_analytics import errors

_RETRY_SECONDS = 0.02


class Statement:
    """A SQLAlchemy statement, compiled once: values in, values out, both in exact Python types."""

    def __init__(self, statement: sa.ClauseElement, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
        self._sql = str(compiled)
        binds = compiled.binds
        self._binds = [
            (name, binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]
        self._constants = {name: bind.value for name, bind in binds.items() if bind.value is not None}
        self._results: list[tuple[int, Callable[[Any], Any]]] = []
        if isinstance(statement, sa.Select):
            for index, column in enumerate(statement.selected_columns):
                process = column.type.dialect_impl(dialect).result_processor(dialect, None)
                if process is not None:
                    self._results.append((index, process))

    def run(self, connection: sqlite3.Connection, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Run it with values by name; return all rows."""
        values = {**self._constants, **values} if self._constants else values
        given = [
            process(values[name]) if process is not None else values[name] for name, process in self._binds
        ]
        rows: list[Sequence[Any]] = connection.execute(self._sql, given).fetchall()
        return [self._typed(row) for row in rows] if self._results else rows

    def _typed(self, row: Sequence[Any]) -> Sequence[Any]:
        typed = list(row)
        for index, process in self._results:
            if typed[index] is not None:
                typed[index] = process(typed[index])
        return typed


@dataclass(frozen=True)
class _Opened:
    """One connection: the thread it serves, SQLAlchemy's face of it, and the driver's."""

    thread: threading.Thread
    face: sa.Connection
    driver: sqlite3.Connection


class Database:
    """The connections of one record store: one per thread, all of this process.

    Parameters
    ----------
    path : str
        File, or ":memory:" (then all threads share one connection and take turns).
    wait_seconds : float
        How long a writer waits for another one before StoreBusy.
    """

    def __init__(self, path: str, *, wait_seconds: float) -> None:
        self.path = path
        self._wait_seconds = wait_seconds
        self._process = os.getpid()
        self._in_memory = path == ":memory:"
        self._turn = threading.RLock()
        self._local = threading.local()
        self._listing = threading.Lock()
        self._opened: list[_Opened] = []
        self._is_closed = False
        if not self._in_memory:
            _create_private_file(Path(path))
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=path),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            connect_args={"check_same_thread": False, "timeout": wait_seconds},
        )
        self.dialect: sa.Dialect = self._engine.dialect

    def close(self) -> None:
        """Close the connections of all threads; closing twice does no harm."""
        if os.getpid() != self._process:
            return  # after a fork the connections belong to the parent
        with self._listing:
            for opened in self._opened:
                opened.face.close()
            self._opened.clear()
        self._is_closed = True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection, for one SELECT."""
        with self._translated(), self._turn if self._in_memory else nullcontext():
            yield self._mine().driver

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction: all of it is kept, or nothing.

        A block inside another joins it; when the inner one fails, only its own changes are undone.
        """
        with self._translated(), self._turn:
            connection = self._mine().driver
            depth = getattr(self._local, "depth", 0)
            begin, keep, undo = _BLOCK if depth else _TRANSACTION
            connection.execute(begin)
            self._local.depth = depth + 1
            try:
                yield connection
                connection.execute(keep)
            except BaseException:
                if connection.in_transaction:  # a full disk ends the transaction by itself
                    for statement in undo:
                        connection.execute(statement)
                raise
            finally:
                self._local.depth = depth

    @contextmanager
    def defining(self) -> Iterator[sa.Connection]:
        """Give SQLAlchemy's face of this thread's connection, in one transaction, to define tables."""
        with self.writing():
            yield self._mine().face

    def _mine(self) -> _Opened:
        """Return the connection of this thread (in memory: of all threads), opened on first use."""
        if os.getpid() != self._process:
            raise errors.StoreError(
                f"{self.path}: opened in another process. Open the record store after the fork, in the child."
            )
        if self._is_closed:
            raise errors.StoreError(f"{self.path}: this record store was closed. Open it again.")
        if self._in_memory:
            return self._opened[0] if self._opened else self._connect()
        found: _Opened | None = getattr(self._local, "opened", None)
        return found if found is not None else self._connect()

    def _connect(self) -> _Opened:
        face = self._engine.connect()
        driver = face.connection.dbapi_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("pragma foreign_keys = on")
        if not self._in_memory:
            self._use_wal(driver)
            driver.execute("pragma synchronous = full")
        opened = self._local.opened = _Opened(threading.current_thread(), face, driver)
        with self._listing:
            for other in [other for other in self._opened if not other.thread.is_alive()]:
                if not self._in_memory:
                    self._opened.remove(other)
                    other.face.close()
            self._opened.append(opened)
        return opened

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

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            raise _our_error(self.path, error) from error


def _our_error(path: str, error: Exception) -> errors.StoreError:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    name = str(getattr(cause, "sqlite_errorname", ""))
    for prefix, (kind, text) in _ERRORS.items():
        if name.startswith(prefix):
            return kind(f"{path}: {text} ({name}).")
    return errors.StoreError(f"{path}: the record store cannot do it: {cause}.")


def _create_private_file(path: Path) -> None:
    """Create the file readable by its owner only; SQLite gives its helper files the same mode."""
    if path.is_dir():
        raise errors.UsageError(f"{path}: is a folder. Name a file, for example {path / 'crm.records.db'}.")
    if not path.parent.is_dir():
        raise errors.UsageError(f"{path}: the folder {path.parent} does not exist. Create it first.")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.chmod(path, 0o600)
    except OSError as error:
        raise errors.StoreIOError(f"{path}: cannot be opened for writing: {error.strerror}.") from error


# (begin, keep, undo) of a transaction, and of a block inside one.
_TRANSACTION = ("begin immediate", "commit", ("rollback",))
_BLOCK = ("savepoint block", "release block", ("rollback to block", "release block"))

_ERRORS: dict[str, tuple[type[errors.StoreError], str]] = {
    "SQLITE_BUSY": (errors.StoreBusy, "other writers kept it busy for too long; try again"),
    "SQLITE_FULL": (errors.DiskFullError, "the disk is full; nothing was written. Free some space"),
    "SQLITE_IOERR": (errors.StoreIOError, "reading or writing the disk failed; nothing was written"),
    "SQLITE_READONLY": (errors.StoreIOError, "the file or its folder is read-only"),
    "SQLITE_CANTOPEN": (errors.StoreIOError, "the file cannot be opened"),
    "SQLITE_CORRUPT": (errors.StoreCorrupt, "the file is damaged; restore a backup"),
    "SQLITE_NOTADB": (errors.StoreCorrupt, "this is no record store, or it is damaged"),
}
