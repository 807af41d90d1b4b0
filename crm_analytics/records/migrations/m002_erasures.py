"""002: what erasures leave behind, and the digest of each version."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from crm_analytics.records.migrations.columns import add_missing_columns
from crm_analytics.records.tables import erasures_table, record_tables, store_table


def apply(connection: sa.Connection) -> None:
    """Create the table of erasures and the key of its hashes; versions from before have no digest."""
    erasures_table.create(connection, checkfirst=True)
    add_missing_columns(connection, store_table)
    for tables in record_tables().values():
        add_missing_columns(connection, tables.versions)
    connection.execute(store_table.update().values(hash_key=secrets.token_hex(32)))
