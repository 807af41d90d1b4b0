"""Which changes has this store's layout been through?  Numbered steps, each run once, in one transaction.

Every step is recorded in ``migrations`` with the time it was applied. To change the layout, add a
module ``mNNN_what.py`` with ``apply(connection)`` and a line in ``STEPS``. A column that was added to
``schema/*.toml`` needs no step: it is added (empty for what is there) when a store is next opened, and
recorded as ``columns_<digest of the declarations>``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType

import sqlalchemy as sa

from crm_analytics.errors import StoreError, StoreRolledBack
from crm_analytics.records.database import Database
from crm_analytics.records.migrations import m001_tables, m002_erasures, m003_wipes
from crm_analytics.records.migrations.columns import add_missing_columns
from crm_analytics.records.tables import fingerprint, migrations_table, record_tables, store_table

STEPS: MappingProxyType[str, Callable[[sa.Connection], None]] = MappingProxyType(
    {
        "001_tables": m001_tables.apply,
        "002_erasures": m002_erasures.apply,
        "003_wipes": m003_wipes.apply,
    }
)


def upgrade(database: Database, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> str:
    """Bring the store to the current layout; return its id.

    Raises
    ------
    StoreError
        When the database belongs to another program, or a newer version of this one has written it.
    StoreCorrupt
        When it is damaged, or lacks changes that had been acknowledged.
    """
    wanted = (*STEPS, f"columns_{fingerprint()}")
    with database.reading() as connection:
        is_empty = database.engine.prepare(connection)
    if is_empty or not set(wanted) <= _applied(database):
        _migrate(database, wanted, now, new_id)
    acknowledged = database.engine.acknowledged()  # first: others go on writing
    store_id, last_change_number = _store(database)
    if last_change_number < acknowledged:
        raise StoreRolledBack(
            f"{database.path}: change {acknowledged} was acknowledged, and the last one here is "
            f"{last_change_number}: its -wal file was removed or cut, or an older copy was put in its place. "
            f"Bring the missing file back. If you restored a backup on purpose, delete {database.path}.mark."
        )
    return store_id


def _migrate(
    database: Database, wanted: tuple[str, ...], now: Callable[[], datetime], new_id: Callable[[], str]
) -> None:
    with database.defining() as connection:
        database.engine.claim(connection.connection.dbapi_connection)
        migrations_table.create(connection, checkfirst=True)
        if not sa.inspect(connection).has_table(store_table.name):
            store_table.create(connection)
            connection.execute(store_table.insert().values(store_id=new_id(), last_change_number=0))
    for name in wanted:
        with database.defining() as connection:
            if name not in _applied(database):
                STEPS.get(name, _add_new_columns)(connection)
                connection.execute(migrations_table.insert().values(name=name, applied_at=now()))


def _applied(database: Database) -> set[str]:
    with database.reading() as connection:
        names = {row[0] for row in connection.execute("select name from migrations")}
    unknown = sorted(name for name in names if name not in STEPS and not name.startswith("columns_"))
    if unknown:
        raise StoreError(
            f"{database.path}: written by a newer version of crm_analytics (steps {', '.join(unknown)}). "
            "Upgrade crm_analytics to open it."
        )
    return names


def _store(database: Database) -> tuple[str, int]:
    with database.reading() as connection:
        store_id, number = connection.execute("select store_id, last_change_number from store").fetchone()
    return str(store_id), int(number)


def _add_new_columns(connection: sa.Connection) -> None:
    """Add what ``schema/*.toml`` declares and the tables lack."""
    for tables in record_tables().values():
        tables.heads.create(connection, checkfirst=True)
        tables.versions.create(connection, checkfirst=True)
        add_missing_columns(connection, tables.versions)
