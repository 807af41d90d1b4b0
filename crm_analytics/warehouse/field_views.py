"""What can be asked of all entities alike?  Views made from ``schema/*.toml``: an added column is in them.

``entities.filled_fields`` counts the filled values of every column, ``entities.links`` holds the ids that
point to other rows, ``entities.known_ids`` the ids that rows have, ``entities.contact_points`` e-mail
addresses and phone numbers, ``entities.own_customers`` the customers that records name themselves where
relations may name them another. ``owner_source_id`` is the user who looks after the row, "" where nobody
does.
"""

from __future__ import annotations

from collections.abc import Iterator

from crm_analytics.schema import Column, Entity, entities
from crm_analytics.warehouse.identifiers import quote_ident

CONTACT_POINTS = ("email", "phone")

_FILLED = """
    select {entity} as entity, unnest([{fields}]) as field, source_system, {owner} as owner_source_id,
        count(*) as row_count, unnest([{counts}]) as filled_count
    from entities.{table} group by source_system, {owner}"""

_VALUES = """
    select {entity} as entity, {field} as field, {target} as target, source_system,
        {owner} as owner_source_id, {column} as value
    from entities.{table} where {column} is not null"""

# One branch for each entity, not for each column: DuckDB plans the view of the entity in every branch.
_LINKS = """
    select entity, field, target, source_system, owner_source_id, value
    from (
        select {entity} as entity, unnest([{fields}]) as field, unnest([{targets}]) as target, source_system,
            {owner} as owner_source_id, unnest([{columns}]) as value
        from entities.{table}
    )
    where value is not null"""

_IDS = "select {entity} as entity, source_system, source_id from entities.{table}"

_OWN = """
    select {entity} as entity, source_system, source_id, customer_source_id
    from entities.{table} where customer_source_id is not null"""


def field_views() -> Iterator[str]:
    """Yield the statements that make the views; those of the entities themselves must be there."""
    known = entities().values()
    ids = [one for one in known if "source_id" in one.column_names]
    contacts = [(one, column) for one in known for column in one.columns if column.name in CONTACT_POINTS]
    related = [column.refers for column in entities()["relations"].columns]
    own = [one for one in known if one.name in related and "customer_source_id" in one.column_names]
    linking = [one for one in known if any(column.refers is not None for column in one.columns)]
    parts = {
        "filled_fields": [_filled(one) for one in known],
        "links": [_links(one) for one in linking],
        "known_ids": [_IDS.format(entity=f"'{one.name}'", table=quote_ident(one.name)) for one in ids],
        "own_customers": [_OWN.format(entity=f"'{one.name}'", table=quote_ident(one.name)) for one in own],
        "contact_points": [_values(one, column) for one, column in contacts],
    }
    for name, selects in parts.items():
        yield f"create or replace view entities.{quote_ident(name)} as {' union all '.join(selects)}"


def _filled(one: Entity) -> str:
    return _FILLED.format(
        entity=f"'{one.name}'",
        owner=_owner(one),
        fields=", ".join(f"'{name}'" for name in one.column_names),
        counts=", ".join(f"count({quote_ident(name)})" for name in one.column_names),
        table=quote_ident(one.name),
    )


def _links(one: Entity) -> str:
    columns = [column for column in one.columns if column.refers is not None]
    return _LINKS.format(
        entity=f"'{one.name}'",
        owner=_owner(one),
        fields=", ".join(f"'{column.name}'" for column in columns),
        targets=", ".join(f"'{column.refers}'" for column in columns),
        columns=", ".join(quote_ident(column.name) for column in columns),
        table=quote_ident(one.name),
    )


def _values(one: Entity, column: Column) -> str:
    return _VALUES.format(
        entity=f"'{one.name}'",
        field=f"'{column.name}'",
        target=f"'{column.refers}'" if column.refers is not None else "cast(null as varchar)",
        owner=_owner(one),
        column=quote_ident(column.name),
        table=quote_ident(one.name),
    )


def _owner(one: Entity) -> str:
    return "coalesce(owner_source_id, '')" if "owner_source_id" in one.column_names else "''"
