"""Where are foreign files and texts turned into values?  In a separate, locked-down DuckDB in memory.

Nothing that a file says can reach the warehouse, the disk or the network from here: external access is
off, the configuration is locked, and results leave as Arrow tables. One database serves the whole process
(making one takes longer than reading a small file); each sandbox has a connection of its own, and what it is
handed and keeps in temporary tables no other sees.
"""

from __future__ import annotations

import os
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

import duckdb

from crm_analytics.warehouse.duckdb_errors import translated
from crm_analytics.warehouse.parsing import parsed

if TYPE_CHECKING:
    import pyarrow as pa

_TOO_LARGE = ("Not enough memory to read the file", "Split it, or free some memory.")


class Sandbox:
    """An in-memory DuckDB that reads nothing but what it is handed; a context manager.

    Parameters
    ----------
    is_alone : bool, default False
        Give it a database of its own: for a library that makes tables that are not temporary (Splink).

    Examples
    --------
    >>> with Sandbox() as sandbox:
    ...     sandbox.rows("select try_cast($text as date)", text="2024-02-30")
    [(None,)]
    """

    def __init__(self, *, is_alone: bool = False) -> None:
        if is_alone:
            self._connection = _locked_down().cursor()
            return
        self._connection = _shared(os.getpid()).cursor()
        try:
            self._connection.execute("select 1").fetchall()
        except duckdb.FatalException:
            # an internal error of DuckDB ends a database for good
            _shared.cache_clear()
            self._connection = _shared(os.getpid()).cursor()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection itself, for a library that writes its own SQL (Splink); it is as locked down."""
        return self._connection

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable in SQL by that name."""
        self._connection.register(name, table)

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with translated(*_TOO_LARGE):
            statement = parsed(self._connection, sql)
            return self._connection.execute(statement, parameters or None).fetchall()

    def arrow(self, sql: str, **parameters: Any) -> pa.Table:
        """Run one query and return its result as an Arrow table (DECIMAL stays exact)."""
        with translated(*_TOO_LARGE):
            statement = parsed(self._connection, sql)
            return self._connection.sql(statement, params=parameters or None).to_arrow_table()


@cache
def _shared(process: int) -> duckdb.DuckDBPyConnection:
    """Return the database of all sandboxes of a process: a child that was forked makes its own."""
    return _locked_down()


def _locked_down() -> duckdb.DuckDBPyConnection:
    """Return a database of which only cursors are used: DuckDB asks for widgets on this one in a notebook."""
    database = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "temp_directory": "",
        },
    )
    for statement in (
        "set global timezone = 'UTC'",
        "set enable_external_access = false",
        "set lock_configuration = true",
    ):
        database.execute(statement).fetchall()
    return database
