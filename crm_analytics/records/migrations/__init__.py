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

from crm_analytics.errors import StoreError
from crm_analytics.records.database import Database
from crm_analytics.records.migrations import m001_tables
from crm_analytics.records.tables import fingerprint, migrations_table, record_tables, store_table

STEPS: MappingProxyType[str, Callable[[sa.Connection], None]] = MappingProxyType(
    {
        "001_tables": m001_tables.apply,
    }
)
_OURS = 0x43524D31  # "CRM1" in the header of the file: this SQLite file is a record store


def upgrade(database: Database, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> str:
    """Bring the store to the current layout; return its id.

    Raises
    ------
    StoreError
        When the file belongs to another program, or a newer version of this one has written it.
    """
    wanted = (*STEPS, f"columns_{fingerprint()}")
    with database.reading() as connection:
        (owner,) = connection.execute("pragma application_id").fetchone()
        (is_used,) = connection.execute("select count(*) from sqlite_schema").fetchone()
    if owner == _OURS and set(wanted) <= _applied(database):
        return _store_id(database)
    if is_used and owner != _OURS:
        raise StoreError(f"{database.path}: this database belongs to another program. Name another file.")
    with database.defining() as connection:
        connection.exec_driver_sql(f"pragma application_id = {_OURS}")
        migrations_table.create(connection, checkfirst=True)
        store_table.create(connection, checkfirst=True)
        if connection.execute(sa.select(sa.func.count()).select_from(store_table)).scalar_one() == 0:
            connection.execute(store_table.insert().values(store_id=new_id(), last_change_number=0))
    for name in wanted:
        with database.defining() as connection:
            if name not in _applied(database):
                STEPS.get(name, _add_new_columns)(connection)
                connection.execute(migrations_table.insert().values(name=name, applied_at=now()))
    return _store_id(database)


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


def _store_id(database: Database) -> str:
    with database.reading() as connection:
        return str(connection.execute("select store_id from store").fetchone()[0])


def _add_new_columns(connection: sa.Connection) -> None:
    """Add what ``schema/*.toml`` declares and the tables lack; nothing is ever dropped."""
    inspector = sa.inspect(connection)
    for tables in record_tables().values():
        tables.heads.create(connection, checkfirst=True)
        tables.versions.create(connection, checkfirst=True)
        present = {column["name"] for column in inspector.get_columns(tables.versions.name)}
        for column in tables.versions.columns:
            if column.name not in present:
                definition = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
                table = connection.dialect.identifier_preparer.format_table(tables.versions)
                connection.exec_driver_sql(f"alter table {table} add column {definition}")
