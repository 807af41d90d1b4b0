"""Which rows does a full snapshot no longer tell of?  They become versions that say: gone.

A snapshot of an entity in one system holds every row that is there. What the store holds beside it was
removed at the source: nothing is deleted, a version with ``is_deleted`` follows, known since the snapshot
was received. A row that comes back later is there again. What a load told is what it left versions of, and
what it only said again (``ops.repeats``).
"""

from __future__ import annotations

from collections.abc import Sequence

from crm_analytics.entities.storing import Delivery, said_again, versions_table
from crm_analytics.schema import Entity
from crm_analytics.warehouse import Warehouse, quote_ident

# Rows that became known after the snapshot was received stay: it is older than they are.
_MISSING = """
    create or replace temp table versions_missing as
    select row_id
    from entities.{entity}
    anti join (
        select row_id from {versions} where list_contains($told_by, load_id)
        union
        select version.row_id
        from {said_again}
        where again.entity = '{name}' and list_contains($told_by, again.load_id)
    ) as told using (row_id)
    where source_system = $source_system and recorded_at <= $received_at"""

# The deletion repeats what was known last. It stands behind all that was received at the same moment, and
# behind all records of its load.
_INSERT = """
    insert into {versions} by name
    select
        standing.* {derived} replace (
            md5_number('removed ' || hex(standing.content_id)) as content_id,
            $received_at as recorded_at,
            $load_id as load_id,
            greatest(
                standing.record_number,
                (select max(last_record) from ops.deliveries where list_contains($told_by, load_id))
            ) + 1 as record_number,
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


def remove_missing(wh: Warehouse, declared: Entity, delivery: Delivery, *, told_by: Sequence[int]) -> int:
    """Write a deletion for every row that was not told; return their number.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load, after it was stored.
    declared, delivery : Entity, Delivery
        Of what, and of which load the deletions are.
    told_by : sequence of int
        Loads that together tell every row there is.
    """
    names = {"versions": versions_table(declared), "entity": quote_ident(declared.name)}
    # A snapshot that replays completed speaks of the moment when it was received itself.
    moment = wh.value(
        "select min(recorded_at) from ops.deliveries where list_contains($told_by, load_id)",
        told_by=list(told_by),
    )
    told = {"told_by": list(told_by), "received_at": moment}
    missing = _MISSING.format(**names, name=declared.name, said_again=said_again(declared))
    wh.execute(missing, **told, source_system=delivery.source_system)
    is_state = declared.kind == "state"
    removed = wh.execute(
        _INSERT.format(
            **names,
            derived="exclude (is_held)" if is_state else "",
            since=", greatest(standing.valid_from, $received_at) as valid_from" if is_state else "",
        ),
        **told,
        load_id=delivery.load_id,
    )
    wh.execute("drop table temp.versions_missing")
    return removed
