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
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa

from crm_analytics.errors import UsageError
from crm_analytics.records import statements
from crm_analytics.records.backup import back_up, look_through, verify
from crm_analytics.records.database import Database
from crm_analytics.records.engine import Engine
from crm_analytics.records.entity_records import EntityRecords
from crm_analytics.records.entity_table import EntityTable, RecordId, Session
from crm_analytics.records.erasure import Erased, erase, finish_wiping, hash_of
from crm_analytics.records.migrations import upgrade
from crm_analytics.records.postgres_engine import URL_BEGINS, PostgresEngine
from crm_analytics.records.sqlite_engine import SqliteEngine
from crm_analytics.records.statement import Statement
from crm_analytics.records.tables import record_tables, store_table
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
        self._tables = {name: EntityTable(session, tables) for name, tables in record_tables().items()}
        self._entities = {name: EntityRecords(table) for name, table in self._tables.items()}

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
        path : path or URL, default ":memory:"
            The SQLite file; ":memory:" keeps everything in memory, for this object only. Or a PostgreSQL
            database, ``postgresql://user@host/database`` (all that libpq knows; the tables lie in its schema
            ``crm_records``), which needs ``pip install 'crm_analytics[postgres]'``.
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
            The folder does not exist, the URL is of another kind, or psycopg is not installed.
        StoreError
            The database belongs to another program or a newer version, or cannot be reached.
        StoreCorrupt, StoreRolledBack
            The file is damaged, or lacks changes that had been acknowledged.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise UsageError(f"A path or postgresql:// URL expected, got {type(path).__name__}.")
        database = Database(_engine(os.fspath(path), wait_seconds))
        try:
            store_id = upgrade(database, now=clock, new_id=new_id)
            look_through(database)
            store = cls(Session(database, clock, new_id, changed_by), store_id)
            finish_wiping(store._tables)
        except BaseException:
            database.close()
            raise
        return store

    def now(self) -> datetime:
        """Return the present moment by the store's clock, in UTC."""
        return self._session.now()

    def close(self) -> None:
        """Let go of the file; closing twice does no harm."""
        self.database.close()

    def transaction(self) -> AbstractContextManager[object]:
        """Make several changes one: ``with records.transaction(): ...`` keeps all of them, or none."""
        return self.database.writing()

    def erase_customer(self, source_id: str) -> Erased:
        """Erase a customer, and all records about them: consents, contacts, deals, tickets, tasks ..."""
        return self.erase({"customers": [source_id]})

    def erase(self, ids: Mapping[str, Iterable[RecordId]]) -> Erased:
        """Remove records from the bytes, with all their versions and what is about the same person.

        The next sync takes them out of the warehouse's entities too. Erasing what is not here does no
        harm; the warehouse may know it from an export.

        Parameters
        ----------
        ids : mapping
            Entity -> list of ids of its records, each as `get` takes it.

        Returns
        -------
        Erased
            How many records went, per entity. Backups and copies are yours to find.

        Raises
        ------
        UsageError
            Inside a transaction; an id that no record can have; or one id in place of a list of them, whose
            letters would be read as ids.
        StoreBusy
            The records are gone, but a reader still holds SQLite's old log; close it and erase again.

        Examples
        --------
        >>> with RecordStore.open(":memory:") as records:
        ...     _ = records.customers.add({"source_id": "C1", "name": "Ada"})
        ...     _ = records.tasks.add({"customer_source_id": "C1", "subject": "call Ada"})
        ...     records.erase_customer("C1").records
        {'customers': 1, 'tasks': 1}
        """
        if not isinstance(ids, Mapping):
            raise UsageError(f"erase: a dict of entity and ids expected, got {type(ids).__name__}.")
        for name, given in ids.items():
            if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
                raise UsageError(
                    f"erase: {self.entity(name).declared.name}: a list of ids expected, got "
                    f"{type(given).__name__}. Write {{{name!r}: [id]}}; nothing was erased."
                )
        wanted = {self.entity(name).table.entity.name: list(given) for name, given in ids.items()}
        return erase(self._tables, wanted, self._hash_key)

    def hash_of(self, entity: str, id: RecordId) -> str:
        """Return the hash that an erased record of this id is remembered by."""
        return hash_of(self._hash_key, entity, self.entity(entity).table.id_text(id))

    def backup(self, path: str | os.PathLike[str]) -> Path:
        """Write a whole and verified copy of this moment to a new file, while others go on writing.

        The copy is a SQLite record store, also of a store in PostgreSQL: open it, or put it in the place of a
        lost file (with every program closed, and without the old ``-wal``, ``-shm`` and ``.mark`` files).

        Raises
        ------
        UsageError
            There is a file of that name already.
        StoreIOError, DiskFullError
            It could not be written; nothing is left of it.
        """
        return back_up(self.database, Path(path), now=self._session.clock)

    def verify(self) -> int:
        """Look through the whole store for damage; return how many versions were compared with their digest.

        Raises
        ------
        StoreCorrupt
            Says what was found.
        """
        return verify(self.database)

    @cached_property
    def _hash_key(self) -> bytes:
        statement = Statement(sa.select(store_table.c.hash_key), self.database.dialect)
        return bytes.fromhex(self.database.run(statement, {})[0][0])

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
        return int(self.database.run(statement, {})[0][0])

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


def _engine(path: str, wait_seconds: float) -> Engine:
    if path.startswith(URL_BEGINS):
        return PostgresEngine(path, wait_seconds=wait_seconds)
    if "://" in path:
        raise UsageError(
            "A record store is a SQLite file ('crm.records.db') or a PostgreSQL database "
            "('postgresql://user@host/database')."
        )
    return SqliteEngine(path, wait_seconds=wait_seconds)
