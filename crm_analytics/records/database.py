"""How is the record store's database reached?  One connection per thread, one writer at a time.

A change that was acknowledged survives a crash, readers never wait for a writer, and a writer waits (up to
`wait_seconds`) for the one before it. A writing transaction takes the write lock when it begins, so what
it has read cannot change under it. What differs between databases lies behind `Engine`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_analytics import errors
from crm_analytics.records.engine import Engine
from crm_analytics.records.statement import Statement


@dataclass(frozen=True)
class _Opened:
    """One connection: the thread it serves, SQLAlchemy's face of it, the driver's, the files it holds."""

    thread: threading.Thread
    face: sa.Connection
    driver: Any
    identity: tuple[int, ...]


class Database:
    """The connections of one record store: one per thread, all of this process.

    Parameters
    ----------
    engine : Engine
        SQLite or PostgreSQL. With a database in memory all threads share one connection and take turns.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.path = engine.name
        self.dialect = engine.dialect
        self._process = os.getpid()
        self._turn = threading.RLock()
        self._local = threading.local()
        self._listing = threading.Lock()
        self._opened: list[_Opened] = []
        self._is_closed = False

    def close(self) -> None:
        """Close the connections of all threads; closing twice does no harm."""
        if os.getpid() != self._process:
            return  # after a fork the connections belong to the parent
        with self._listing:
            for opened in self._opened:
                opened.face.close()
            self._opened.clear()
        if not self._is_closed:
            self.engine.close()
        self._is_closed = True

    def run(self, statement: Statement, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Run one statement: in the transaction of this thread, or a SELECT by itself."""
        try:
            if self.engine.has_one_connection:
                with self._turn:
                    return statement.run(self._mine().driver, values)
            return statement.run(self._mine().driver, values)
        except Exception as error:
            self._raise_ours(error)
            raise

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Give the driver's connection of this thread, for what `run` does not do."""
        try:
            if self.engine.has_one_connection:
                with self._turn:
                    yield self._mine().driver
            else:
                yield self._mine().driver
        except Exception as error:
            self._raise_ours(error)
            raise

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Run the block as one transaction: all of it is kept, or nothing.

        A block inside another joins it; when the inner one fails, only its own changes are undone. Ctrl-C
        at any moment undoes it too: a transaction that was left open is ended before the next one begins.
        """
        try:
            if self.is_writing:
                opened = self._mine()
                with self._block(opened):
                    yield opened.driver
            else:
                with self._turn:
                    opened = self._mine()
                    with self._transaction(opened):
                        yield opened.driver
        except Exception as error:
            self._raise_ours(error)
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Any]:
        """Give the driver's connection of this thread; the block reads everything as of one moment."""
        if self.is_writing:
            raise errors.UsageError("Not inside a transaction: end it first.")
        with self.reading() as driver:
            driver.execute(self.engine.begin_reading)
            try:
                yield driver
            finally:
                if not self.engine.is_lost(driver) and self.engine.is_in_transaction(driver):
                    driver.execute("rollback")

    @property
    def is_writing(self) -> bool:
        """Say whether this thread is inside a `writing` block."""
        return bool(getattr(self._local, "blocks", ()))

    def committing(self, change_number: int) -> None:
        """Say which change the running transaction will have committed when it ends."""
        self._local.change_number = change_number

    @contextmanager
    def defining(self) -> Iterator[sa.Connection]:
        """Give SQLAlchemy's face of this thread's connection, in one transaction, to define tables."""
        with self.writing():
            yield self._mine().face

    @contextmanager
    def _transaction(self, opened: _Opened) -> Iterator[None]:
        driver = opened.driver
        if self.engine.is_in_transaction(driver):
            self._undo(opened, "rollback")
            opened = self._mine()
            driver = opened.driver
        self._check_files(opened, "nothing was written")
        self._local.change_number = 0
        # The blocks of this thread that have not ended. Ctrl-C can come just as a block begins to end: Python
        # then ends it when the traceback goes, maybe long after the blocks around it; it must not undo then.
        self._local.blocks = blocks = [object()]
        try:
            driver.execute(self.engine.begin)
            yield
            self.engine.commit(driver)
        except BaseException:
            self._undo(opened, "rollback")
            raise
        finally:
            blocks.clear()
        self._check_files(opened, "the last change may be lost")
        if self._local.change_number:
            self.engine.acknowledge(self._local.change_number)

    @contextmanager
    def _block(self, opened: _Opened) -> Iterator[None]:
        driver, blocks, this = opened.driver, self._local.blocks, object()
        driver.execute("savepoint block")
        blocks.append(this)
        try:
            yield
            driver.execute("release block")
        except BaseException:
            if this in blocks:
                self._undo(opened, "rollback to block", "release block")
            raise
        finally:
            if this in blocks:
                del blocks[blocks.index(this) :]

    def _undo(self, opened: _Opened, *statements: str) -> None:
        """Undo what is under way; where that fails (Ctrl-C within an answer), end the connection."""
        try:
            if self.engine.is_in_transaction(opened.driver):  # a full disk ends the transaction by itself
                for statement in statements:
                    opened.driver.execute(statement)
        except Exception:
            self._forget(opened)

    def _check_files(self, opened: _Opened, told: str) -> None:
        if self.engine.identity() != opened.identity:
            raise errors.StoreError(
                f"{self.path}: the file or its log was replaced or removed while it was open; {told}. "
                "Open the record store again, and never move, copy or restore its files while it is open."
            )

    def _mine(self) -> _Opened:
        """Return the connection of this thread (in memory: of all threads), opened on first use."""
        if os.getpid() != self._process:
            raise errors.StoreError(
                f"{self.path}: opened in another process. Open the record store after the fork, in the child."
            )
        if self._is_closed:
            raise errors.StoreError(f"{self.path}: this record store was closed. Open it again.")
        if self.engine.has_one_connection:
            return self._opened[0] if self._opened else self._connect()
        found: _Opened | None = getattr(self._local, "opened", None)
        if found is not None and self.engine.is_lost(found.driver):
            self._forget(found)
            found = None
        return found if found is not None else self._connect()

    def _connect(self) -> _Opened:
        face = self.engine.connect()
        driver: Any = face.connection.dbapi_connection
        opened = _Opened(threading.current_thread(), face, driver, self.engine.identity())
        self._local.opened = opened
        with self._listing:
            for other in [other for other in self._opened if not other.thread.is_alive()]:
                if not self.engine.has_one_connection:
                    self._opened.remove(other)
                    other.face.close()
            self._opened.append(opened)
        return opened

    def _forget(self, opened: _Opened) -> None:
        """Let go of a broken connection; the next use opens another."""
        with self._listing:
            if opened in self._opened:
                self._opened.remove(opened)
        self._local.opened = None
        if not opened.face.closed:
            opened.face.invalidate()
            opened.face.close()

    def _raise_ours(self, error: Exception) -> None:
        """Turn a driver's error into ours; return where it is none."""
        ours = self.engine.translate(error)
        if ours is not None:
            raise ours from error
