"""001: the tables of every entity that the record store keeps."""

from __future__ import annotations

import sqlalchemy as sa

from crm_analytics.records.tables import metadata, record_tables


def apply(connection: sa.Connection) -> None:
    """Create the heads and versions of each entity, with their indexes."""
    kept = [table for tables in record_tables().values() for table in (tables.heads, tables.versions)]
    metadata.create_all(connection, tables=kept, checkfirst=True)
