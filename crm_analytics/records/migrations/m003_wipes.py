"""003: whether deleted bytes are still to leave the files."""

from __future__ import annotations

import sqlalchemy as sa

from crm_analytics.records.migrations.columns import add_missing_columns
from crm_analytics.records.tables import store_table


def apply(connection: sa.Connection) -> None:
    """Add the column; nothing is due."""
    add_missing_columns(connection, store_table)
