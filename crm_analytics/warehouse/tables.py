"""Which tables and macros does a warehouse hold?  All whose definition lies in the package.

Three sources: ``schema/*.toml`` (entities: a table of versions, a view of the current ones and a
macro that looks back in time), SQL files of kind ``table``, and SQL files of kind ``entities`` and ``facts``
(macros).
Versions of withdrawn loads (``ops.withdrawals``) stay in their table; views and macros pass them over.
Nothing above this floor is imported: only files are read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache

from crm_analytics.schema import Entity, entities
from crm_analytics.warehouse.commit_mark import SEQUENCE
from crm_analytics.warehouse.field_views import field_views
from crm_analytics.warehouse.identifiers import quote_ident, quote_table
from crm_analytics.warehouse.sql_file import SqlFile, all_sql_files

SCHEMAS = ("entities", "facts", "scores", "ops")
# Columns of all tables: schema, table, column, type.
COLUMNS = """
    select schema_name, table_name, column_name, data_type
    from duckdb_columns()
    semi join duckdb_tables() using (database_name, schema_name, table_name)
    where database_name = current_database() and not internal
    order by schema_name, table_name, column_index"""

# Current version of an event. Only rows with a later version need ordering, and they are few; so are those
# that a withdrawn load speaks of: all other rows are told by no withdrawn load, and need not be asked.
_EVENTS = """
    with revised as (
        select row_id from {versions} where is_revision and {known}
        union
        select row_id from {versions} semi join ops.withdrawals using (load_id)
    )
    select {columns} from {versions} anti join revised using (row_id)
    where not is_deleted and {known}
    union all by name
    select {columns} from (
        select * from {versions} semi join revised using (row_id) anti join {withdrawn} using (load_id)
        where {known}
        qualify row_number() over (
            partition by row_id
            order by recorded_at desc, record_number desc, content_id desc
        ) = 1
    )
    where not is_deleted"""

# State of a thing: its last version that held before as_of (is_held). Where only later versions are
# known, the earliest of them stands in with is_held = false: what cannot change (kind, creation day)
# may be read from it, nothing else.
_STATES = """
    select {columns}, is_held from (
        select *, {held} as is_held from {versions} anti join {withdrawn} using (load_id)
        where {known}
        qualify row_number() over (
            partition by row_id
            order by
                {held} desc,
                case when {held} then valid_from end desc nulls last,
                valid_from asc,
                recorded_at desc,
                record_number desc,
                content_id desc
        ) = 1
    )
    where not is_deleted"""

_KNOWN = "(_known_at is null or recorded_at <= cast(_known_at as timestamptz))"
_WITHDRAWN = """(
    select load_id from ops.withdrawals
    where _known_at is null or withdrawn_at <= cast(_known_at as timestamptz)
) as withdrawn"""
_HELD = "(valid_from < cast(cast(_as_of as date) as timestamptz))"
_ALWAYS = "(valid_from is not null)"


@cache
def definitions() -> tuple[str, ...]:
    """Return every statement that a warehouse needs before its first use; each may be repeated."""
    return tuple(_definitions())


def _definitions() -> Iterator[str]:
    for schema in SCHEMAS:
        yield f"create schema if not exists {quote_ident(schema)}"
    yield f"create sequence if not exists {SEQUENCE}"
    yield from (file.text for file in all_sql_files() if file.kind == "table")
    for entity in entities().values():
        yield from _entity_definitions(entity)
    yield from field_views()
    for kind in ("entities", "facts"):
        yield from (_macro(file) for file in _in_reading_order(_macros(kind)))


def added_columns(
    declared: Iterable[tuple[str, str, str, str]], known: Collection[tuple[str, str, str, str]]
) -> Iterator[str]:
    """Yield what the tables of a warehouse of an earlier day lack: columns that were declared since.

    Parameters
    ----------
    declared, known : (schema, table, column, type) of each column
        In a new warehouse, and in this one (`COLUMNS`).
    """
    tables = {(schema, table) for schema, table, _, _ in known}
    names = {(schema, table, column) for schema, table, column, _ in known}
    for schema, table, column, sql_type in declared:
        if (schema, table) in tables and (schema, table, column) not in names:
            to = quote_table(f"{schema}.{table}")
            yield f"alter table {to} add column {quote_ident(column)} {sql_type}"


@cache
def fingerprint() -> str:
    """Return a digest of all definitions: equal = the warehouse needs no change."""
    return hashlib.sha256("\n".join(definitions()).encode()).hexdigest()


def known_rows(entity: Entity, versions: str) -> str:
    """Return the SELECT of an entity's macro over another table of versions, quoted by the caller.

    Parameter: ``$as_of``, of a state alone. What is known by now counts.
    """
    template = _EVENTS if entity.kind == "event" else _STATES
    names = ", ".join(quote_ident(name) for name in (*entity.system_columns, *entity.column_names))
    return template.format(
        versions=versions,
        columns=names,
        known="true",
        held=_HELD.replace("_as_of", "$as_of"),
        withdrawn="ops.withdrawals",
    )


def _entity_definitions(entity: Entity) -> Iterator[str]:
    versions = f"entities.{quote_ident(entity.name + '_versions')}"
    declared = [f"{quote_ident(c.name)} {c.sql_type}" for c in entity.columns]
    system = [f"{quote_ident(name)} {sql_type}" for name, (sql_type, _) in entity.system_columns.items()]
    yield f"create table if not exists {versions} ({', '.join(system + declared)})"
    names = ", ".join(quote_ident(name) for name in (*entity.system_columns, *entity.column_names))
    if entity.kind == "event":
        template, macro, arguments = _EVENTS, f"{entity.name}_known", "_known_at := null"
    else:
        template, macro, arguments = _STATES, f"{entity.name}_at", "_as_of, _known_at := null"
    current = template.format(
        versions=versions, columns=names, known="true", held=_ALWAYS, withdrawn="ops.withdrawals"
    )
    yield f"create or replace view entities.{quote_ident(entity.name)} as {current}"
    as_known = template.format(
        versions=versions, columns=names, known=_KNOWN, held=_HELD, withdrawn=_WITHDRAWN
    )
    yield f"create or replace macro entities.{quote_ident(macro)}({arguments}) as table {as_known}"


def _macros(kind: str) -> dict[str, SqlFile]:
    return {f"{kind}.{file.path.stem}": file for file in all_sql_files() if file.kind == kind}


def _in_reading_order(files: dict[str, SqlFile]) -> list[SqlFile]:
    """Order macros so that each comes after those it reads (DuckDB looks them up at creation)."""
    ordered: dict[str, SqlFile] = {}

    def place(name: str) -> None:
        for read in files[name].reads:
            if read in files and read not in ordered:
                place(read)
        ordered[name] = files[name]

    for name in files:
        if name not in ordered:
            place(name)
    return list(ordered.values())


def _macro(file: SqlFile) -> str:
    """Turn `$as_of` into the macro's argument, since CREATE MACRO refuses `$`; known_at may be left out."""
    arguments = [f"_{name}" for name in file.parameters if name != "known_at"]
    if "known_at" in file.parameters:
        arguments.append("_known_at := null")
    body = re.sub(r"\$([a-z_]+)", r"_\1", file.text)
    name = quote_ident(file.path.stem)
    return f"create or replace macro {file.kind}.{name}({', '.join(arguments)}) as table {body}"
