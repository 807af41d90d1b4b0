"""What must a database be able to do to hold a record store?  The one seam between SQLite and PostgreSQL.

Everything else in this package is the same for both: SQLAlchemy writes the SQL, `Database` keeps the
connections and the transactions.
"""

from __future__ import annotations

from typing import Any, Protocol

import sqlalchemy as sa

from crm_analytics.errors import StoreError


class Engine(Protocol):
    """One kind of database.

    Attributes
    ----------
    name : str
        How messages name the store: the file, or the URL without its password.
    dialect : sqlalchemy.Dialect
        The SQL it understands.
    has_one_connection : bool
        All threads share one connection and take turns (a database in memory).
    begin : str
        Begins a transaction that writes: afterwards nobody else writes until it ends.
    begin_reading : str
        Begins a transaction in which everything is read as of one moment.
    """

    name: str
    dialect: sa.Dialect
    has_one_connection: bool
    begin: str
    begin_reading: str

    def connect(self) -> sa.Connection:
        """Open a connection that commits as it is told to, each change durably."""
        ...

    def is_in_transaction(self, driver: Any) -> bool:
        """Say whether a transaction is open (also one that has failed)."""
        ...

    def commit(self, driver: Any) -> None:
        """Make the running transaction last; raise when the database would undo it instead."""
        ...

    def is_lost(self, driver: Any) -> bool:
        """Say whether the connection is of no more use."""
        ...

    def identity(self) -> tuple[int, ...]:
        """Return what tells the files under the store's name from others put in their place."""
        ...

    def acknowledge(self, change_number: int) -> None:
        """Remember that a change was committed, to notice later when it is gone."""
        ...

    def acknowledged(self) -> int:
        """Return the last change that is remembered as committed; 0 when none is."""
        ...

    def prepare(self, driver: Any) -> bool:
        """Look at a database that was just opened; True when it is empty, and so may become a store.

        Raises StoreError when it belongs to another program or is damaged.
        """
        ...

    def is_small(self) -> bool:
        """Can the whole database be looked through whenever it is opened?"""
        ...

    def examine(self, driver: Any) -> None:
        """Look through the whole database for damage; StoreCorrupt tells what was found."""
        ...

    def claim(self, driver: Any) -> None:
        """Mark an empty database as a record store, in the running transaction."""
        ...

    def wipe(self, driver: Any, tables: list[str]) -> None:
        """Remove the bytes of deleted rows of these tables from the files, as far as that can be done."""
        ...

    def translate(self, error: Exception) -> StoreError | None:
        """Turn a driver's error into ours; None for what is not the driver's."""
        ...

    def close(self) -> None:
        """Let go of what is held beside the connections."""
        ...
