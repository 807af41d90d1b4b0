"""Which columns does a table lack that its definition has?  They are added, empty; nothing is dropped."""

from __future__ import annotations

import sqlalchemy as sa


def add_missing_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Add to a table what its definition has and the database does not."""
    present = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    name = connection.dialect.identifier_preparer.format_table(table)
    for column in table.columns:
        if column.name not in present:
            definition = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"alter table {name} add column {definition}")
