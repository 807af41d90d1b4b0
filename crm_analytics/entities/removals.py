"""Which rows does a full snapshot no longer tell of?  They become versions that say: gone.

A snapshot of an entity in one system holds every row that is there. What the store holds beside it was
removed at the source: nothing is deleted, a version with ``is_deleted`` follows, known since the snapshot
was received. A row that comes back later is there again.
"""

from __future__ import annotations

from datetime import datetime

from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident

# Lines without an id of their own are told by their fields: of equal ones so many stay as the file holds.
_MISSING = """
    create or replace temp table versions_missing as
    with standing as (
        select row_id, content_id, {is_line} as is_line, recorded_at <= $received_at as is_older
        from entities.{entity}
        where source_system = $source_system
    ),
    numbered as (
        select *, row_number() over (partition by is_line, content_id order by row_id) as nth
        from standing
    ),
    told_lines as (
        select content_id, count(*) as copies from {staged} where {is_line} group by content_id
    )
    select row_id
    from numbered
    anti join (select distinct row_id from {staged} where row_id is not null) as told using (row_id)
    left join told_lines on numbered.is_line and told_lines.content_id = numbered.content_id
    where is_older and nth > coalesce(told_lines.copies, 0)"""

# The deletion repeats what was known last. It stands behind all that was received at the same moment.
_INSERT = """
    insert into {versions} by name
    select
        standing.* {derived} replace (
            md5_number('removed ' || hex(standing.content_id)) as content_id,
            $received_at as recorded_at,
            $load_id as load_id,
            greatest(standing.record_number, $rows_in) + 1 as record_number,
            true as is_revision,
            true as is_deleted
            {since}
        )
    from entities.{entity} as standing
    semi join versions_missing using (row_id)"""


def count_standing(wh: Warehouse, entity_name: str, source_system: str) -> int:
    """Return how many rows of an entity a system has now."""
    return int(
        wh.value(
            f"select count(*) from entities.{quote_ident(entity_name)} where source_system = $source_system",
            source_system=source_system,
        )
    )


def remove_missing(
    wh: Warehouse,
    entity_name: str,
    staged: str,
    *,
    load_id: int,
    source_system: str,
    received_at: datetime,
    rows_in: int,
) -> int:
    """Write a deletion for every row that a stored delivery does not tell; return their number.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    entity_name : str
        A name of `crm_analytics.schema.entities`.
    staged : str
        Table of the delivery (`crm_analytics.entities.versions.Staging.table`), after it was stored.
    load_id, source_system, received_at
        Of the load. Rows that became known after `received_at` stay: the snapshot is older than they are.
    rows_in : int
        Records of the file.
    """
    declared = entity(entity_name)
    given = {"source_system": source_system, "received_at": received_at}
    wh.execute(
        _MISSING.format(entity=quote_ident(entity_name), staged=staged, is_line=_is_line(declared)), **given
    )
    is_state = declared.kind == "state"
    removed = wh.execute(
        _INSERT.format(
            versions=f"entities.{quote_ident(entity_name + '_versions')}",
            entity=quote_ident(entity_name),
            derived="exclude (is_held)" if is_state else "",
            since=", greatest(standing.valid_from, $received_at) as valid_from" if is_state else "",
        ),
        received_at=received_at,
        load_id=load_id,
        rows_in=rows_in,
    )
    wh.execute("drop table temp.versions_missing")
    return removed


def _is_line(declared: Entity) -> str:
    return f"{quote_ident(declared.key[0])} is null" if declared.repeat_key else "false"
