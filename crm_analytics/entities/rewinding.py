"""What becomes of a delivery that comes after others that were received later?  The order of loads is none.

What is known of a thing depends on when each delivery was received, never on when it was loaded. Where later
ones have been loaded already, what they said of the rows concerned is taken out (also what they only said
again, and so left no version of: ``ops.repeats``), the late delivery is stored as if it had come in time,
and the later ones are told again, in the order of their receipt. A row, a time of change or a removal may
come out otherwise than it stood; what was delivered, and when, does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_analytics.entities.digests import repeat_digest
from crm_analytics.entities.removals import remove_missing
from crm_analytics.entities.storing import Delivery, LinesTold, forget, run, store_rows, versions_table
from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident

_LATER = """
    create or replace temp table versions_later as
    select load_id, recorded_at, repeats, last_record, snapshot_loads
    from ops.deliveries
    anti join ops.withdrawals using (load_id)
    where entity = '{entity}' and source_system = $source_system and recorded_at > $received_at"""

# Rows that the late delivery is about: those that it tells, the lines of its documents, or all.
_TOUCHED_ROWS = """
    create or replace temp table versions_touched as
    select distinct row_id from {staged} where row_id is not null"""
_TOUCHED_LINES = """
    insert into versions_touched
    select distinct row_id
    from {versions}
    semi join (select {document} from {staged} where {key} is null) using ({document})
    where source_system = $source_system and {key} is null"""
_TOUCHED_ALL = """
    create or replace temp table versions_touched as
    select distinct row_id from {versions} where source_system = $source_system"""

_AGAIN = """
    create or replace temp table versions_again as
    select
        again.load_id, again.record_number, version.load_id as version_load_id,
        version.record_number as version_record_number, version.row_id, again.row_part
    from ops.repeats as again
    semi join versions_later on versions_later.load_id = again.load_id
    join {versions} as version
        on version.load_id = again.version_load_id
        and version.record_number = again.version_record_number
        and cast(version.row_id & 4294967295 as uinteger) = again.row_part
    semi join versions_touched on versions_touched.row_id = version.row_id
    where again.entity = '{entity}'"""

_UNDONE = """
    create or replace temp table {undone} as
    select version.load_id, version.record_number, is_deleted, {columns}, content_id, row_id
    from {versions} as version
    semi join versions_touched using (row_id)
    join versions_later using (load_id)
    where version.record_number <= versions_later.last_record
    union
    select again.load_id, again.record_number, is_deleted, {columns}, content_id, version.row_id
    from versions_again as again
    join {versions} as version
        on version.load_id = again.version_load_id
        and version.record_number = again.version_record_number
        and version.row_id = again.row_id"""

_FORGET_REPEATS = """
    delete from ops.repeats
    where entity = '{entity}'
        and (load_id, record_number, version_load_id, version_record_number, row_part) in (
            select load_id, record_number, version_load_id, version_record_number, row_part
            from versions_again
        )"""

_FORGET_VERSIONS = """
    delete from {versions}
    where load_id in (select load_id from versions_later)
        and row_id in (select row_id from versions_touched)"""

_RETOLD = """
    create or replace temp table versions_retold as
    select
        record_number, is_deleted, {columns}, content_id,
        case when {is_line} then null else row_id end as row_id,
        case when {is_line} then {repeat_id} end as repeat_id
    from {undone}
    where load_id = {load_id}
    order by record_number, content_id"""

_SAID_AGAIN = """
    insert into ops.repeats
    select
        $as_load, '{entity}', $received_at, version.record_number, version.load_id, version.record_number,
        cast(version.row_id & 4294967295 as uinteger)
    from {versions} as version
    join ops.deliveries as delivery
        on delivery.load_id = version.load_id and delivery.entity = '{entity}'
    where version.load_id = $load_id and version.record_number <= delivery.last_record
    union all
    select
        $as_load, entity, $received_at, record_number, version_load_id, version_record_number, row_part
    from ops.repeats
    where load_id = $load_id and entity = '{entity}'"""

_DELIVERED_AGAIN = """
    insert into ops.deliveries
    select
        $as_load, entity, source_system, $received_at, repeats, last_record,
        case when snapshot_loads is not null then [cast($as_load as bigint)] end, is_held_back
    from ops.deliveries
    where load_id = $load_id"""


@dataclass(frozen=True)
class Rewound:
    """The later loads whose words on some rows were taken out; to be told again."""

    later: tuple[tuple[Any, ...], ...]


def has_later(wh: Warehouse, declared: Entity, delivery: Delivery) -> bool:
    """Was anything of the entity loaded already that was received after a delivery?"""
    return bool(
        run(
            wh,
            delivery,
            "select 1 from ops.deliveries anti join ops.withdrawals using (load_id) "
            f"where entity = '{declared.name}' and source_system = $source_system "
            "and recorded_at > $received_at limit 1",
        )
    )


def rewind(
    wh: Warehouse, declared: Entity, delivery: Delivery, *, staged: str | None, covers_all: bool
) -> Rewound:
    """Take out what later loads said of the rows that a late delivery is about.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    declared, delivery : Entity, Delivery
        What is told, and by which delivery.
    staged : str, optional
        Table of what it tells; None only where it covers all.
    covers_all : bool
        Is it about every row there is, as a snapshot?
    """
    names = {"versions": versions_table(declared), "entity": declared.name, "staged": staged}
    names["undone"] = _undone(declared)
    if declared.repeat_key:
        names |= {"document": quote_ident(declared.repeat_key[0]), "key": quote_ident(declared.key[0])}
    columns = ", ".join(quote_ident(name) for name in declared.column_names)
    run(wh, delivery, _LATER.format(**names))
    if covers_all or staged is None:
        run(wh, delivery, _TOUCHED_ALL.format(**names))
    else:
        run(wh, delivery, _TOUCHED_ROWS.format(**names))
        if declared.repeat_key:
            run(wh, delivery, _TOUCHED_LINES.format(**names))
    for statement in (_AGAIN, _UNDONE, _FORGET_REPEATS, _FORGET_VERSIONS):
        run(wh, delivery, statement.format(**names, columns=columns))
    found = wh.rows(
        "select load_id, recorded_at, repeats, snapshot_loads from versions_later "
        f"where snapshot_loads is not null or load_id in (select load_id from {names['undone']}) "
        "order by recorded_at, load_id"
    )
    for name in ("later", "touched", "again"):
        wh.execute(f"drop table temp.versions_{name}")
    return Rewound(tuple(found))


def tell_again(wh: Warehouse, declared: Entity, delivery: Delivery, rewound: Rewound) -> LinesTold:
    """Store again what was taken out, in the order of receipt, after the late delivery was stored.

    Returns
    -------
    LinesTold
        What is to be said of the later lines, against those of the late delivery.
    """
    told = LinesTold()
    is_line, repeat_id = "false", "cast(null as uhugeint)"
    if declared.repeat_key:
        is_line, repeat_id = f"{quote_ident(declared.key[0])} is null", repeat_digest(declared)
    for load_id, recorded_at, repeats, snapshot_loads in rewound.later:
        one = Delivery(load_id, delivery.source_system, recorded_at, repeats)
        wh.execute(
            _RETOLD.format(
                columns=", ".join(quote_ident(name) for name in declared.column_names),
                is_line=is_line,
                repeat_id=repeat_id,
                load_id=int(load_id),
                undone=_undone(declared),
            )
        )
        told += store_rows(
            wh,
            declared,
            one,
            staged="versions_retold",
            has_lines=bool(declared.repeat_key),
            against=delivery.load_id,
        ).lines
        forget(wh)
        if snapshot_loads is not None:
            remove_missing(wh, declared, one, told_by=snapshot_loads)
    wh.execute("drop table if exists temp.versions_retold")
    wh.execute(f"drop table temp.{_undone(declared)}")
    return told


def say_again(wh: Warehouse, load_id: int, *, as_load: int, received_at: datetime) -> None:
    """Record that the bytes of a load were delivered once more, later, and said nothing new.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    load_id : int
        Load of the same bytes by the same profile.
    as_load, received_at : int, datetime
        Number of the later one, and when it was received.
    """
    given = {"load_id": load_id, "as_load": as_load, "received_at": received_at}
    for [name] in wh.rows("select entity from ops.deliveries where load_id = $load_id", load_id=load_id):
        versions = versions_table(entity(name))
        wh.execute(_SAID_AGAIN.format(versions=versions, entity=name), **given)
    wh.execute(_DELIVERED_AGAIN, **given)


def _undone(declared: Entity) -> str:
    name: str = quote_ident(f"versions_undone_{declared.name}")
    return name
