"""Is the record store whole, and how is it copied while others write to it?

A backup is a SQLite record store of one moment, whatever database the store itself lies in: read in one
transaction, verified, and renamed into its place only then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_analytics.errors import DiskFullError, StoreCorrupt, StoreIOError, UsageError
from crm_analytics.records import statements
from crm_analytics.records.database import Database
from crm_analytics.records.entity_table import digest
from crm_analytics.records.migrations import upgrade
from crm_analytics.records.sqlite_engine import SqliteEngine
from crm_analytics.records.statement import Statement
from crm_analytics.records.tables import (
    VERSION_COLUMNS,
    EntityTables,
    erasures_table,
    record_tables,
    store_table,
)

_CHANGES_AT_A_TIME = 5000


def back_up(database: Database, path: Path, *, now: Callable[[], datetime]) -> Path:
    """Write a verified copy of this moment to a new SQLite file; see `RecordStore.backup`."""
    if path.exists():
        raise UsageError(f"{path}: is there already. Name a new file for the backup.")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist. Create it first.")
    half = path.with_name(f"{path.name}.{os.getpid()}.half")
    try:
        copy = Database(SqliteEngine(str(half), wait_seconds=1.0))
        try:
            upgrade(copy, now=now, new_id=lambda: "copy")
            with database.snapshot() as connection, copy.writing() as into:
                _copy(connection, database.dialect, into, copy.dialect)
            verify(copy)
        finally:
            copy.close()
        _sync_and_rename(half, path)
    finally:
        for ending in ("", "-wal", "-shm", ".mark"):
            with suppress(OSError):
                os.unlink(f"{half}{ending}")
    return path


def verify(database: Database) -> int:
    """Compare every version with its digest, every head with its version; see `RecordStore.verify`."""
    compared = 0
    with database.snapshot() as connection:
        database.engine.examine(connection)
        last = _last_change_number(connection, database.dialect)
        for name, tables in record_tables().items():
            names = (*tables.entity.column_names, *VERSION_COLUMNS)
            for row in _versions(connection, database.dialect, tables, last):
                if row[-1] is not None and row[-1] != digest(dict(zip(names, row[1:-1], strict=True))):
                    raise StoreCorrupt(
                        f"{database.path}: change {row[0]} ({name}) is not what was written; "
                        "restore a backup."
                    )
                compared += row[-1] is not None
        _refuse_adrift(database, connection)
    return compared


def look_through(database: Database) -> None:
    """Look for damage that reading would not show, where that takes no time; see `RecordStore.open`."""
    if database.engine.is_small():
        with database.snapshot() as connection:
            _refuse_adrift(database, connection)


def _refuse_adrift(database: Database, connection: Any) -> None:
    """Refuse a store whose records do not point at their last versions."""
    found = _all_adrift(database.dialect).run(connection, {})
    if found:
        raise StoreCorrupt(
            f"{database.path}: records of {', '.join(name for (name,) in found)} have lost their last "
            "version; the file is damaged, restore a backup."
        )


@cache
def _all_adrift(dialect: sa.Dialect) -> Statement:
    """Compile the statement over all entities once."""
    return Statement(statements.all_adrift(record_tables().values()), dialect)


def _copy(connection: Any, dialect: sa.Dialect, into: Any, into_dialect: sa.Dialect) -> None:
    """Copy every row; heads before versions, which refer to them."""
    for tables in record_tables().values():
        rows = Statement(sa.select(tables.heads), dialect).run(connection, {})
        _insert(into, into_dialect, tables.heads, rows)
    last = _last_change_number(connection, dialect)
    for tables in record_tables().values():
        names = ["change_number", *(column.name for column in tables.record_columns)]
        add = Statement(tables.versions.insert(), into_dialect)
        has_key = tables.key in names
        for row in _versions(connection, dialect, tables, last):
            values = dict(zip(names, row, strict=True))
            if not has_key:
                values[tables.key] = tables.key_of(values)
            add.run(into, values)
    _insert(
        into, into_dialect, erasures_table, Statement(sa.select(erasures_table), dialect).run(connection, {})
    )
    row = Statement(sa.select(store_table), dialect).run(connection, {})[0]
    Statement(store_table.delete(), into_dialect).run(into, {})
    _insert(into, into_dialect, store_table, [row])


def _insert(into: Any, dialect: sa.Dialect, table: sa.Table, rows: Sequence[Sequence[Any]]) -> None:
    add = Statement(table.insert(), dialect)
    for row in rows:
        add.run(into, dict(zip(table.columns.keys(), row, strict=True)))


def _versions(
    connection: Any, dialect: sa.Dialect, tables: EntityTables, last: int
) -> Iterator[Sequence[Any]]:
    """Give number, record and digest of every version, some thousand at a time."""
    wanted = Statement(statements.changes_since(tables), dialect)
    for since in range(0, last, _CHANGES_AT_A_TIME):
        yield from wanted.run(connection, {"since": since, "until": since + _CHANGES_AT_A_TIME})


def _last_change_number(connection: Any, dialect: sa.Dialect) -> int:
    return int(Statement(statements.last_number(), dialect).run(connection, {})[0][0])


def _sync_and_rename(half: Path, path: Path) -> None:
    """Put a finished file into its place: after a crash the name holds a whole file, or none."""
    try:
        for place, flags in ((half, os.O_RDWR), (path.parent, os.O_RDONLY)):
            if place != half:
                os.link(half, path)  # unlike rename, refuses a file that came meanwhile
            handle = os.open(place, flags)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except FileExistsError:
        raise UsageError(f"{path}: is there already. Name a new file for the backup.") from None
    except OSError as error:
        kind = DiskFullError if error.errno == 28 else StoreIOError
        raise kind(f"{path}: the backup cannot be written: {error.strerror}.") from error
