"""How is a record store kept in PostgreSQL?  In the schema ``crm_records`` of the database that a URL names.

Needs psycopg 3 (``pip install 'crm_analytics[postgres]'``), loaded here and nowhere else. Who writes takes
one advisory lock for the length of the transaction, as SQLite's writer takes the file: what it has read
cannot change under it, and change numbers are committed in their order (docs/decisions/0019). Readers never
wait.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from crm_analytics import errors

SCHEMA = "crm_records"
URL_BEGINS = ("postgresql://", "postgres://")
_LOCK = 0x43524D31  # "CRM1"; an advisory lock holds for one database of the server


class PostgresEngine:
    """A PostgreSQL database; see `Engine` for what each method promises."""

    has_one_connection = False
    begin = f"begin; select pg_advisory_xact_lock({_LOCK})"
    begin_reading = "begin isolation level repeatable read read only"

    def __init__(self, url: str, *, wait_seconds: float) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise errors.UsageError(
                "A record store in PostgreSQL needs psycopg. Install it: "
                "pip install 'crm_analytics[postgres]'."
            ) from error
        self._psycopg = psycopg
        self.name = _without_password(url)
        wait = max(1, round(wait_seconds * 1000))
        settings = {
            "search_path": SCHEMA,
            "timezone": "UTC",
            "lock_timeout": wait,
            "synchronous_commit": "on",
            "client_min_messages": "warning",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())

        def connect() -> Any:
            try:
                return psycopg.connect(
                    url,
                    autocommit=True,
                    options=options,
                    client_encoding="utf8",
                    application_name="crm_analytics",
                    connect_timeout=10,
                )
            except UnicodeError as error:
                raise errors.UsageError(f"{self.name}: the URL cannot be read.") from error

        self._engine = sa.create_engine(
            "postgresql+psycopg://", creator=connect, isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        self.dialect: sa.Dialect = self._engine.dialect

    def connect(self) -> sa.Connection:
        return self._engine.connect()

    def identity(self) -> tuple[int, ...]:
        return ()

    def is_in_transaction(self, driver: Any) -> bool:
        return bool(driver.info.transaction_status != self._psycopg.pq.TransactionStatus.IDLE)

    def commit(self, driver: Any) -> None:
        if driver.info.transaction_status == self._psycopg.pq.TransactionStatus.INERROR:
            raise errors.StoreError(
                f"{self.name}: a statement of this transaction had failed; all of it is undone. Repeat it."
            )
        driver.execute("commit")

    def is_lost(self, driver: Any) -> bool:
        return bool(driver.closed)

    def acknowledge(self, change_number: int) -> None:
        """Remember nothing: the server keeps its own log whole."""

    def acknowledged(self) -> int:
        return 0

    def prepare(self, driver: Any) -> bool:
        (tables, ours) = driver.execute(
            "select count(*), count(*) filter (where tablename in ('store', 'migrations')) "
            f"from pg_tables where schemaname = '{SCHEMA}'"
        ).fetchone()
        if tables and ours != 2:
            raise errors.StoreError(
                f"{self.name}: the schema {SCHEMA} belongs to another program. Name another database."
            )
        return not tables

    def is_small(self) -> bool:
        return False

    def examine(self, driver: Any) -> None:
        """Leave the pages to the server, whose checksums tell of damage (``initdb --data-checksums``)."""

    def claim(self, driver: Any) -> None:
        driver.execute(f"create schema if not exists {SCHEMA}")

    def wipe(self, driver: Any, tables: list[str]) -> None:
        for table in tables:
            driver.execute(f"vacuum (full, analyze) {self.dialect.identifier_preparer.quote(table)}")

    def translate(self, error: Exception) -> errors.StoreError | None:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if not isinstance(cause, self._psycopg.Error):
            return None
        state = cause.sqlstate or ""
        for prefix, (kind, text) in _ERRORS.items():
            if state.startswith(prefix):
                return kind(f"{self.name}: {text} (SQLSTATE {state}).")
        if isinstance(cause, self._psycopg.OperationalError):
            return errors.StoreIOError(
                f"{self.name}: the server cannot be reached, or the connection broke. If a change was under "
                f"way, look whether it was kept before you repeat it ({type(cause).__name__})."
            )
        said = cause.diag.message_primary or type(cause).__name__
        return errors.StoreError(f"{self.name}: the record store cannot do it: {said} (SQLSTATE {state}).")

    def close(self) -> None:
        self._engine.dispose()


def _without_password(url: str) -> str:
    """Return the URL as messages show it.

    Examples
    --------
    >>> _without_password("postgresql://ada:secret@db.example.com:5433/crm?sslmode=require")
    'postgresql://ada@db.example.com:5433/crm'
    """
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    user = user.partition(":")[0]
    return f"postgresql://{user}{'@' if user else ''}{host}{parts.path}"


_ERRORS: dict[str, tuple[type[errors.StoreError], str]] = {
    "55P03": (errors.StoreBusy, "other writers kept it busy for too long; try again"),
    "40": (errors.StoreBusy, "another transaction came in between; try again"),
    "53100": (errors.DiskFullError, "the server's disk is full; nothing was written. Free some space"),
    "53300": (errors.StoreBusy, "the server has no connection left; try again"),
    "58": (errors.StoreIOError, "reading or writing the server's disk failed; nothing was written"),
    "25006": (errors.StoreIOError, "the server is read-only"),
    "XX001": (errors.StoreCorrupt, "the server reports damaged data; restore a backup"),
    "XX002": (errors.StoreCorrupt, "the server reports a damaged index; restore a backup"),
    "42501": (errors.StoreError, f"the user may not do this; it needs CREATE on the schema {SCHEMA}"),
}
