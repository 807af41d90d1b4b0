"""Where are the data?  `Warehouse`: the only door to DuckDB, for every other file of the package.

DuckDB results stream and own their connection until they are read to the end, so every method here
reads its result to the end. Each thread gets its own cursor. Times are TIMESTAMPTZ; the session's
time zone is the business time zone of the warehouse, so that ``as_of`` means midnight there.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import duckdb

from crm_analytics import errors
from crm_analytics.warehouse import encryption
from crm_analytics.warehouse.checkpoint_guard import OVERWRITABLE, CheckpointGuard, put_back
from crm_analytics.warehouse.commit_mark import LAST_NUMBER, TAKE_NUMBER, CommitMark
from crm_analytics.warehouse.days import check_day
from crm_analytics.warehouse.duckdb_errors import translated
from crm_analytics.warehouse.identifiers import quote_ident, quote_table
from crm_analytics.warehouse.locking import FileLock
from crm_analytics.warehouse.parsing import parsed
from crm_analytics.warehouse.sql_file import PACKAGE, SqlFile
from crm_analytics.warehouse.tables import COLUMNS, added_columns, definitions, fingerprint

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PARAMETER = re.compile(r"\$([a-z_]+)")
_COMMENT = re.compile(r"--[^\n]*")
_MACRO = re.compile(r"\b((?:facts|entities)\.[a-z_]+)\([^()]*\)")
# Name, as_of and known_at of a fact that is held.
_Held = tuple[str, date, datetime | None]
# Name of the setting that says that deleted bytes are to leave the file (crm_analytics.warehouse.rewriting).
REWRITE_DUE = "rewrite_due"
_DEFAULTS = {"timezone": "UTC", "week_start": "monday"}


@dataclass(frozen=True)
class BusinessSettings:
    """What every cut and sum of a warehouse goes by; stored in it.

    Attributes
    ----------
    timezone : str
        IANA name; days begin at midnight there. Default "UTC".
    reporting_currency : str | None
        ISO 4217 code in which amounts are added; None until it is set or settled (see
        `crm_analytics.facts.settle_currency`).
    week_start : str
        First day of the week, in lower-case English. Default "monday".
    """

    timezone: str
    reporting_currency: str | None
    week_start: str


class Warehouse:
    """A DuckDB database that holds what all sources delivered and everything computed from it.

    Open it with `Warehouse.open`; use it as a context manager or `close` it.

    Examples
    --------
    >>> with Warehouse.open(":memory:", timezone="Europe/Berlin") as wh:
    ...     wh.value("select count(*) from entities.customers"), wh.settings.timezone
    (0, 'Europe/Berlin')
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: str,
        lock: FileLock | None,
        memory_limit: str | None = None,
        mark: CommitMark | None = None,
        config: Mapping[str, Any] | None = None,
        key: encryption.Key | None = None,
    ) -> None:
        self.path = path
        self._key = key
        self._config = dict(config or {})
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._memory_limit = memory_limit
        self._mark = mark
        self._guard = None if mark is None else CheckpointGuard(Path(path))
        self._connection = connection
        self._lock = lock
        self._process = os.getpid()
        self._local = threading.local()
        self._settings: BusinessSettings | None = None
        self._timezone = _DEFAULTS["timezone"]

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ":memory:",
        *,
        timezone: str | None = None,
        reporting_currency: str | None = None,
        week_start: str | None = None,
        read_only: bool = False,
        wait_seconds: float = 0.0,
        memory_limit: str | None = None,
        threads: int | None = None,
        encrypt: bool = False,
        lock: FileLock | None = None,
    ) -> Warehouse:
        """Open (and on first use create) a warehouse.

        Parameters
        ----------
        path : path, default ":memory:"
            The database file; ":memory:" keeps everything in memory.
        timezone, reporting_currency, week_start : str, optional
            Business settings. Given: stored (a time zone cannot change once data are in). Not
            given: as stored, else "UTC", none, "monday".
        read_only : bool, default False
            Open a published copy for reading; creates and locks nothing.
        wait_seconds : float, default 0
            How long to wait while another process holds the warehouse.
        memory_limit : str, optional
            For example "4GB"; default is DuckDB's (80 % of memory).
        threads : int, optional
            Worker threads; default is the number of cores. Results do not depend on it.
        encrypt : bool, default False
            The file, its log, what is moved to disk and backups are encrypted, by the key in the environment
            variable CRM_ANALYTICS_KEY. Needs DuckDB's secure crypto module. For good: a warehouse is made so.
            Published runs, which hold no personal data, are not encrypted.
        lock : FileLock, optional
            The lock of a warehouse that was `lent` to this process; default: it is taken.

        Raises
        ------
        StoreBusy
            Another process (named) holds the warehouse.
        StoreError
            DuckDB cannot encrypt here; or the file is encrypted and `encrypt` was not asked for, or the other
            way round, or by another key.
        StoreCorrupt
            The file is damaged; StoreRolledBack: it is older than what was acknowledged.
        SettingsError
            A business setting is impossible or contradicts what is stored.
        """
        name = os.fspath(path)
        in_memory = name == ":memory:"
        if not in_memory:
            _check_path(Path(name), read_only)
        key = encryption.read_key() if encrypt else None
        if encrypt and in_memory:
            raise errors.UsageError("A warehouse in memory cannot be encrypted: leave encrypt out.")
        if encrypt and not read_only:
            encryption.check_module()
        if lock is None and not in_memory and not read_only:
            lock = FileLock(Path(name), wait_seconds=wait_seconds)
        try:
            if lock is not None:
                put_back(Path(name))
            with translated():
                config: dict[str, Any] = {
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "python_enable_replacements": False,
                }
                if memory_limit is not None:
                    config["memory_limit"] = memory_limit
                if threads is not None:
                    config["threads"] = threads
                connection = _connect(name, key, config, read_only=read_only)
            if not in_memory and not read_only:
                os.chmod(name, 0o600)
            mark = None if lock is None else CommitMark(Path(name))
            warehouse = cls(connection, name, lock, memory_limit, mark, config, key)
            try:
                warehouse._prepare(read_only, timezone, reporting_currency, week_start)
                if not read_only:
                    warehouse._finish_rewriting()
            except BaseException:
                connection.close()
                raise
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return warehouse

    def close(self) -> None:
        """Write everything to the file and let go of it; closing twice does no harm."""
        if self._lock is not None:
            # a database that is broken, or another process's, is closed all the same
            with suppress(errors.StoreError, duckdb.Error):
                self._keep_blocks()
        self._connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close_connection(self) -> None:
        """Close the database, of all threads, and keep the lock: its file can be replaced."""
        self._keep_blocks()
        for cursor in list(self._cursors):
            cursor.close()
        self._local = threading.local()
        self._connection.close()

    def reconnect(self) -> None:
        """Open the file again after `close_connection`."""
        with translated():
            self._connection = _connect(self.path, self._key, self._config, read_only=False)
        os.chmod(self.path, 0o600)

    @contextmanager
    def lent(self) -> Iterator[dict[str, Any]]:
        """Let a child process write the file while the block runs; nobody else can meanwhile.

        Yields what `borrowed` takes there; the child must inherit ``lock_descriptor``. Afterwards all threads
        go on with what the child committed.

        Raises
        ------
        UsageError
            The warehouse is in memory or open for reading, or this process is in the middle of something.
        """
        if self._lock is None:
            raise errors.UsageError(
                f"{self.path}: only a warehouse in a file, open for writing, can be lent to another process."
            )
        if self._is_in_transaction or getattr(self._local, "held", {}):
            raise errors.UsageError(f"{self.path}: in use here. Finish the transaction or block first.")
        self.close_connection()
        try:
            yield {
                "path": str(self._lock.path),
                "lock_descriptor": self._lock.descriptor,
                "memory_limit": self._memory_limit,
                "threads": self._config.get("threads"),
                "encrypt": self._key is not None,
            }
        finally:
            self._lock.sign()
            self.reconnect()
            self._settings = None
            self._mark = CommitMark(Path(self.path))
            self._check_mark()

    @classmethod
    def borrowed(
        cls, path: str, *, lock_descriptor: int, memory_limit: str | None, threads: int | None, encrypt: bool
    ) -> Warehouse:
        """Open the warehouse that the parent process has `lent`."""
        lock = FileLock(Path(path), inherited=lock_descriptor)
        return cls.open(path, memory_limit=memory_limit, threads=threads, encrypt=encrypt, lock=lock)

    @property
    def is_encrypted(self) -> bool:
        """Is the file encrypted?"""
        return self._key is not None

    def attach_copy(self, path: Path, name: str) -> None:
        """Attach a new file to copy everything into, encrypted as this one is."""
        if self._key is None:
            self.execute(f"attach $path as {quote_ident(name)}", path=str(path))
        else:
            encryption.attach(self._cursor(), str(path), quote_ident(name), self._key)

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Warehouse({self.path!r})"

    @property
    def settings(self) -> BusinessSettings:
        """The business settings stored in this warehouse."""
        if self._settings is None:
            stored = dict(self.rows("select name, value from ops.settings order by name"))
            self._settings = BusinessSettings(
                timezone=stored.get("timezone", _DEFAULTS["timezone"]),
                reporting_currency=stored.get("reporting_currency"),
                week_start=stored.get("week_start", _DEFAULTS["week_start"]),
            )
        return self._settings

    def set_reporting_currency(self, currency: str) -> None:
        """Choose the currency in which amounts are added (an ISO 4217 code such as "EUR")."""
        if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
            raise errors.SettingsError(
                f"reporting_currency={currency!r} is not an ISO 4217 code. Use three letters, such as 'EUR'."
            )
        self._store("reporting_currency", currency.upper())

    def execute(self, sql: str, **parameters: Any) -> int:
        """Run one statement that returns no rows of interest; return the number of rows it changed."""
        if not self._is_in_transaction:
            self._keep_blocks()
        with translated():
            changed = self._run(sql, parameters).fetchall()
        first = changed[0][0] if changed and changed[0] else 0
        return first if isinstance(first, int) else 0

    def rows(self, sql: str | SqlFile, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query as tuples (DECIMAL as Decimal, so sums are exact)."""
        with translated():
            return self._run(sql, parameters).fetchall()

    def value(self, sql: str | SqlFile, **parameters: Any) -> Any:
        """Return the first column of the first row, or None when there is no row."""
        rows = self.rows(sql, **parameters)
        return rows[0][0] if rows else None

    def frame(self, sql: str | SqlFile, **parameters: Any) -> pd.DataFrame:
        """Return a query's result as a DataFrame; a `SqlFile` is held to its header.

        DECIMAL becomes float64: for exact money use `rows` or `arrow`.
        """
        with translated(), warnings.catch_warnings():
            # DuckDB's own conversion of times uses what pandas 3.1 deprecates
            warnings.filterwarnings("ignore", message="The inplace keyword in DataFrame.drop")
            frame = self._run(sql, parameters).df()
        if isinstance(sql, SqlFile):
            sql.check(frame)
        return frame

    def arrow(self, sql: str | SqlFile, **parameters: Any) -> pa.Table:
        """Return a query's result as an Arrow table (DECIMAL stays exact)."""
        text, used = self._statement(sql, parameters)
        cursor = self._cursor()
        with translated():
            return cursor.sql(parsed(cursor, text), params=dict(used) or None).to_arrow_table()

    def append(self, table: str, data: pd.DataFrame | pa.Table) -> int:
        """Insert rows by column name; columns that are missing become NULL. Returns their number.

        Parameters
        ----------
        table : str
            ``schema.table``.
        data : DataFrame or pyarrow.Table
            A column that the table lacks is a StoreError.
        """
        target = quote_table(table)
        with self.registered(appended_rows=data):
            return self.execute(f"insert into {target} by name select * from appended_rows")

    def replace_as_of(self, table: str, data: pd.DataFrame | pa.Table, *, as_of: date) -> int:
        """Replace the rows of one ``as_of`` in a table that has that column, in one transaction."""
        with self.transaction():
            self.execute(f"delete from {quote_table(table)} where as_of = $as_of", as_of=as_of)
            return self.append(table, data)

    @contextmanager
    def registered(self, **tables: pd.DataFrame | pa.Table) -> Iterator[None]:
        """Make frames or Arrow tables readable in SQL by name while the block runs."""
        cursor = self._cursor()
        lent = {name: _Lent(_as_arrow(table)) for name, table in tables.items()}
        for name, table in lent.items():
            cursor.register(name, table)
        try:
            yield
        finally:
            for name, table in lent.items():
                table.take_back()
                # In a failed transaction nothing can be unregistered; the rollback does it.
                with suppress(duckdb.TransactionException):
                    cursor.unregister(name)

    @contextmanager
    def holding(self, *facts: str, as_of: date, known_at: datetime | None = None) -> Iterator[None]:
        """Compute facts of one day once, for every `SqlFile` that asks for them while the block runs.

        Results are the same with and without: a held fact is the same rows, read from a temporary table
        in place of the macro. Facts named later read those named before: name what others rest on first.
        Inside the block nothing may be loaded. A nested call for the same day adds to what is held; one for
        another day holds for its own block.

        Parameters
        ----------
        *facts : str
            Names of facts with the parameters ``as_of`` and ``known_at`` alone, for example
            ``"order_days_before"``.
        as_of : date
            First day not seen.
        known_at : datetime, optional
            Held for those who ask what was known then; default: for those who ask what is known now.

        Examples
        --------
        >>> with Warehouse.open() as wh, wh.holding("order_days_before", as_of=date(2024, 1, 1)):
        ...     pass
        """
        check_day(as_of)
        outer: Mapping[_Held, str] = getattr(self._local, "held", {})
        held = dict(outer)
        made = []
        given = {"as_of": as_of, "known_at": known_at}
        try:
            for fact in facts:
                if (fact, as_of, known_at) in held:
                    continue
                file = SqlFile.load(PACKAGE / "facts" / f"{fact}.sql")
                since = "" if known_at is None else f"_{known_at:%Y%m%d%H%M%S%f}"
                table = quote_table(f"temp.held_{fact}_{as_of:%Y%m%d}{since}")
                self._local.held = held
                text, used = self._statement(file, {name: given[name] for name in file.parameters})
                with translated():
                    self._execute(f"create temp table {table} as {text}", used).fetchall()
                made.append(table)
                held = {**held, (fact, as_of, known_at): table}
            self._local.held = held
            yield
        finally:
            self._local.held = outer
            for table in made:
                # in a failed transaction nothing can be dropped; the rollback does it
                with suppress(errors.StoreError):
                    self.execute(f"drop table if exists {table}")

    def held_table(self, fact: str, *, as_of: date) -> str:
        """Return the quoted name of the temporary table of a fact that is held, as it is known now."""
        held: Mapping[_Held, str] = self._local.held
        return held[(fact, as_of, None)]

    def create_temp(self, name: str, file: SqlFile, **parameters: Any) -> None:
        """Keep the rows of a file in the temporary table `name` (replaced), which the caller drops."""
        text, used = self._statement(file, parameters)
        with translated():
            table = quote_table(f"temp.{name}")
            self._execute(f"create or replace temp table {table} as {text}", used).fetchall()

    @contextmanager
    def reading(self, tables: Mapping[str, str]) -> Iterator[None]:
        """Let every `SqlFile` read tables in place of macros while the block runs.

        Parameters
        ----------
        tables : mapping of str to str
            Macro (``facts.orders_before``) -> table that holds its rows, or those that matter, for the
            arguments of every file that runs in the block.

        Examples
        --------
        >>> with Warehouse.open() as wh, wh.reading({"entities.customer_ids": "temp.ids"}):
        ...     pass
        """
        outer: Mapping[str, str] = getattr(self._local, "instead", {})
        self._local.instead = {**outer, **{macro: quote_table(table) for macro, table in tables.items()}}
        try:
            yield
        finally:
            self._local.instead = outer

    @contextmanager
    def frugal(self, memory_limit: str) -> Iterator[None]:
        """Hold DuckDB to a memory limit while the block runs; what needs more is moved to disk.

        A limit that was given to `open` stays, and a warehouse in memory has no disk to move to.
        """
        if self._memory_limit is not None or self.path == ":memory:":
            yield
            return
        self.execute(f"set memory_limit = '{memory_limit}'")
        try:
            yield
        finally:
            # after a failed or fatal error the caller is to get that one
            with suppress(duckdb.TransactionException, duckdb.FatalException):
                self._cursor().execute("reset memory_limit").fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one transaction: all of it is kept, or nothing. A nested one joins the outer."""
        if self._is_in_transaction:
            yield
            return
        self.execute("begin transaction")
        self._local.is_in_transaction, self._local.after = True, []
        try:
            yield
            number: int = 0 if self._mark is None else self.value(TAKE_NUMBER)
            self._keep_blocks()
            self.execute("commit")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._local.is_in_transaction = False
        if self._mark is not None:
            self._acknowledge(self._mark, number)
        for act in self._local.after:
            act()

    @property
    def _is_in_transaction(self) -> bool:
        return getattr(self._local, "is_in_transaction", False)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Have something done once the transaction under way is committed; at once where there is none."""
        if self._is_in_transaction:
            self._local.after.append(act)
        else:
            act()

    def _keep_blocks(self) -> None:
        """Keep what the next checkpoint may overwrite: this statement may bring it."""
        if self._guard is not None:
            self._guard.keep(lambda: [block for (block,) in self.rows(OVERWRITABLE)])

    def _acknowledge(self, mark: CommitMark, number: int) -> None:
        """Write the number of a commit beside the file; the commit stands even where that fails."""
        with suppress(FileNotFoundError):
            os.chmod(f"{self.path}.wal", 0o600)
        try:
            mark.write(number)
        except OSError as error:
            raise errors.StoreIOError(
                f"{self.path}: what was asked is done and kept, but its mark could not be written to "
                f"{mark.path} ({error.strerror}). Mend the disk; the same call again changes nothing."
            ) from error

    def _roll_back(self) -> None:
        try:
            self._cursor().execute("rollback")
        except duckdb.Error:
            # A fatal error has closed the transaction already; the caller gets the first error.
            return

    def _run(self, sql: str | SqlFile, parameters: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        return self._execute(*self._statement(sql, parameters))

    def _execute(self, text: str, used: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        cursor = self._cursor()
        return cursor.execute(parsed(cursor, text), dict(used) or None)

    def _statement(self, sql: str | SqlFile, parameters: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return the text to run, with held facts in place of their macros, and the parameters it takes."""
        if "as_of" in parameters:
            check_day(parameters["as_of"])
        if isinstance(sql, str):
            return sql, parameters
        if "known_at" in sql.parameters:
            # asked for by few: left out, everything counts that is known by now
            parameters = {"known_at": None, **parameters}
        _check_parameters(sql, parameters)
        text = sql.text
        for (fact, as_of, known_at), table in getattr(self._local, "held", {}).items():
            if parameters.get("as_of") != as_of:
                continue
            if known_at is None:
                text = text.replace(f"facts.{fact}($as_of)", table)
            if parameters.get("known_at") == known_at:
                text = text.replace(f"facts.{fact}($as_of, _known_at := $known_at)", table)
        instead: Mapping[str, str] = getattr(self._local, "instead", {})
        if instead:
            text = _MACRO.sub(lambda call: instead.get(call[1], call[0]), text)
        if text is not sql.text:
            left = set(_PARAMETER.findall(_COMMENT.sub("", text)))
            parameters = {name: value for name, value in parameters.items() if name in left}
        return text, parameters

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if os.getpid() != self._process:
            raise errors.StoreError(
                f"{self.path}: opened in another process. Open the warehouse after the fork, in the child."
            )
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._connection.cursor()
            if self._key is not None:
                cursor.execute(f"use {encryption.CATALOG}").fetchall()
            cursor.execute("set enable_progress_bar = false").fetchall()
            cursor.execute(f"set timezone = '{self._timezone}'").fetchall()
            self._local.cursor = cursor
            self._cursors.add(cursor)
        return cursor

    def _prepare(
        self, read_only: bool, timezone: str | None, reporting_currency: str | None, week_start: str | None
    ) -> None:
        if not read_only:
            self._check_mark()
            self._create_tables()
        stored = self.settings.timezone
        if timezone is not None and timezone != stored:
            self._change_timezone(timezone)
        if reporting_currency is not None:
            self.set_reporting_currency(reporting_currency)
        if week_start is not None:
            if week_start.lower() not in WEEKDAYS:
                raise errors.SettingsError(f"week_start={week_start!r} is no weekday. Use one of {WEEKDAYS}.")
            self._store("week_start", week_start.lower())
        self._timezone = self.settings.timezone
        self._local = threading.local()  # cursors opened from here on know the time zone

    def _finish_rewriting(self) -> None:
        """Rewrite a file whose rewriting was interrupted."""
        if self.value("select count(*) from ops.settings where name = $name", name=REWRITE_DUE):
            from crm_analytics.warehouse.rewriting import rewrite

            rewrite(self)

    def _check_mark(self) -> None:
        """Compare what the file holds with what was acknowledged, before anything is written."""
        if self._mark is not None:
            self._mark.check(self.value(LAST_NUMBER) or 0)

    def _create_tables(self) -> None:
        wanted = fingerprint()
        stored, exists = None, True
        try:
            stored = self.value("select value from ops.settings where name = 'definitions'")
        except errors.StoreError as error:
            # a new file; to ask for its tables first takes ten times as long
            if not isinstance(error.__cause__, duckdb.CatalogException):
                raise
            exists = False
        if stored == wanted:
            return
        declared: list[Any] = []
        if exists:
            with Warehouse.open() as made:
                declared = made.rows(COLUMNS)
        with self.transaction():
            for statement in added_columns(declared, self.rows(COLUMNS)):
                self.execute(statement)
            for statement in definitions():
                self.execute(statement)
            self._store("definitions", wanted)

    def _change_timezone(self, timezone: str) -> None:
        if timezone not in _time_zones():
            raise errors.SettingsError(
                f"timezone={timezone!r} is not an IANA time zone. Use a name such as 'Europe/Berlin'."
            )
        ZoneInfo(timezone)
        if self.value("select count(*) from ops.loads"):
            raise errors.SettingsError(
                f"timezone={timezone!r}: this warehouse already holds data cut into days of "
                f"{self.settings.timezone!r}. Load the files into a new warehouse to change it."
            )
        self._store("timezone", timezone)

    def _store(self, name: str, value: str) -> None:
        with self.transaction():
            self.execute("delete from ops.settings where name = $name", name=name)
            self.execute(
                "insert into ops.settings (name, value) values ($name, $value)", name=name, value=value
            )
        self._settings = None


class _Lent:
    """An Arrow table lent to DuckDB: a transaction holds what was registered in it until it ends."""

    def __init__(self, table: pa.Table) -> None:
        self._table: pa.Table | None = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self._table is None:
            raise errors.StoreError("A table that is no longer registered was read.")
        return self._table.__arrow_c_stream__(requested_schema)

    def take_back(self) -> None:
        """Let go of the table."""
        self._table = None


@cache
def _time_zones() -> frozenset[str]:
    """Return the names of all time zones: looked up on the disk once."""
    return frozenset(available_timezones())


def _connect(
    path: str, key: encryption.Key | None, config: Mapping[str, Any], *, read_only: bool
) -> duckdb.DuckDBPyConnection:
    if key is not None:
        return encryption.connect(path, key, config, read_only=read_only)
    return duckdb.connect(path, read_only=read_only, config=dict(config))


def _check_path(path: Path, read_only: bool) -> None:
    if read_only and not path.is_file():
        raise errors.UsageError(f"{path}: no such file to open for reading.")
    if not path.parent.is_dir():
        raise errors.UsageError(f"{path}: the folder {path.parent} does not exist. Create it first.")
    if not read_only and path.is_file() and path.stat().st_nlink > 1:
        raise errors.UsageError(
            f"{path}: the file has several names (hard links); each would have a write-ahead log and a lock "
            "of its own, and writers would destroy each other's rows. Remove the other names, or use a copy."
        )


def _check_parameters(sql: SqlFile, given: Mapping[str, Any]) -> None:
    missing = set(sql.parameters) - set(given)
    unused = set(given) - set(sql.parameters)
    if missing or unused:
        raise errors.StoreError(
            f"{sql.path.name}: parameters missing {sorted(missing)}, not used {sorted(unused)}."
        )


def _as_arrow(data: pd.DataFrame | pa.Table) -> pa.Table:
    """Hand pandas over as Arrow: DuckDB types object columns from a sample and may round money."""
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    return pa.Table.from_pandas(data, preserve_index=False)
