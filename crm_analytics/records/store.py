"""How do people and apps keep records?  `RecordStore`: add, update, get, find, history, per entity.

    with RecordStore.open("crm.records.db") as records:
        ada = records.customers.add({"name": "Ada Byron", "email": "ada@example.org"})
        records.customers.update(ada.id, {"phone": "+44 20 7946 0000"}, expected_version=ada.version)

A dict goes in, a frozen `Record` comes out. Nothing is overwritten: every change is a version.
``as_of`` looks back: a moment (or a date: its midnight in UTC) before which a version was recorded.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType

from crm_analytics.errors import UsageError
from crm_analytics.records import statements
from crm_analytics.records.database import Database, Statement
from crm_analytics.records.entity_records import EntityRecords, Session
from crm_analytics.records.migrations import upgrade
from crm_analytics.records.tables import record_tables
from crm_analytics.records.validation import nearest


class _NoSuchEntity(UsageError, AttributeError):
    """An attribute that is no entity, so that ``hasattr`` and notebooks' probing go on working."""


class RecordStore:
    """The operational record store: what people and apps write, one record at a time.

    Open it with `RecordStore.open`; use it as a context manager or `close` it. Each entity is an
    attribute (``records.customers``, ``records.tickets`` ...) of type `EntityRecords`. Threads may share
    one store, and several processes may open one file; a forked child opens its own.

    Examples
    --------
    >>> with RecordStore.open(":memory:") as records:
    ...     deal = records.opportunities.add({"name": "Rollout", "amount": "1200.50", "currency": "EUR"})
    ...     deal = records.opportunities.update(deal.id, {"amount": "990"})
    ...     [(old.version, old["amount"]) for old in records.opportunities.history(deal.id)]
    [(1, Decimal('1200.5000')), (2, Decimal('990.0000'))]
    """

    def __init__(self, session: Session, store_id: str) -> None:
        self.path = session.database.path
        self.store_id = store_id
        self.database = session.database
        self._session = session
        self._entities = {name: EntityRecords(session, tables) for name, tables in record_tables().items()}

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ":memory:",
        *,
        changed_by: str | None = None,
        wait_seconds: float = 30.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> RecordStore:
        """Open (and on first use create) a record store.

        Parameters
        ----------
        path : path, default ":memory:"
            The SQLite file; ":memory:" keeps everything in memory, for this object only.
        changed_by : str, optional
            Who writes; kept with every version. Each change may name somebody else.
        wait_seconds : float, default 30
            How long a writer waits for other writers before StoreBusy.
        clock : callable, default the system's clock
            Returns the present moment, with a time zone.
        new_id : callable, default random UUIDs
            Returns an id for a record that comes without one.

        Raises
        ------
        UsageError
            The folder does not exist, or the path is a URL.
        StoreError
            The file belongs to another program or a newer version, or it is damaged.
        """
        name = os.fspath(path)
        if "://" in name:
            raise UsageError("A record store is a SQLite file so far. Name a file, such as 'crm.records.db'.")
        database = Database(name, wait_seconds=wait_seconds)
        try:
            store_id = upgrade(database, now=clock, new_id=new_id)
        except BaseException:
            database.close()
            raise
        return cls(Session(database, clock, new_id, changed_by), store_id)

    def now(self) -> datetime:
        """Return the present moment by the store's clock, in UTC."""
        return self._session.clock().astimezone(UTC)

    def close(self) -> None:
        """Let go of the file; closing twice does no harm."""
        self.database.close()

    def transaction(self) -> AbstractContextManager[object]:
        """Make several changes one: ``with records.transaction(): ...`` keeps all of them, or none."""
        return self.database.writing()

    def entity(self, name: str) -> EntityRecords:
        """Return the records of one entity; UsageError with the nearest name when there is none."""
        if name not in self._entities:
            raise _NoSuchEntity(
                f"{name!r} is no entity of the record store.{nearest(name, self._entities)} "
                f"Entities: {', '.join(self._entities)}."
            )
        return self._entities[name]

    @property
    def last_change_number(self) -> int:
        """Number of the last change of any record; 0 in a new store."""
        statement = Statement(statements.last_number(), self.database.dialect)
        with self.database.reading() as connection:
            return int(statement.run(connection, {})[0][0])

    def __getattr__(self, name: str) -> EntityRecords:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.entity(name)

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._entities])

    def __enter__(self) -> RecordStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RecordStore({self.path!r})"
