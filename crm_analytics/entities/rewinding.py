"""What becomes of a delivery that comes after others that were received later?  The order of loads is none.

What is known of a thing depends on when each delivery was received, never on when it was loaded. Where later
ones have been loaded already, what they said of the rows concerned is taken out (also what they only said
again, and so left no version of: ``ops.repeats``), the late delivery is stored as if it had come in time,
and the later ones are told again, in the order of their receipt. A row, a time of change or a removal may
come out otherwise than it stood; what was delivered, and when, does not change.

Deliveries of one moment are parts of one. Where they share an order number that several customers have, whose
order it is is decided by all parts: the others are taken out and told again as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_analytics.entities.digests import repeat_digest
from crm_analytics.entities.removals import remove_missing
from crm_analytics.entities.storing import (
    Delivery,
    LinesTold,
    Replaced,
    forget,
    run,
    said_again,
    store_rows,
    versions_table,
)
from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident

_LATER = """
    create or replace temp table versions_later as
    select load_id, recorded_at, repeats, last_record, snapshot_loads, recorded_at = $received_at as is_beside
    from ops.deliveries
    anti join ops.withdrawals using (load_id)
    where entity = '{entity}' and source_system = $source_system
        and recorded_at >= $received_at and load_id <> $load_id"""

# Numbers of the delivery's lines that another one of the same moment tells as well, that several customers
# have, and that were known before that moment: only what was known before can be corrected.
_SHARED = """
    create or replace temp table versions_shared as
    with beside as (
        select load_id
        from ops.deliveries
        anti join ops.withdrawals using (load_id)
        where entity = '{entity}' and source_system = $source_system
            and recorded_at = $received_at and load_id <> $load_id
    )
    select document
    from (
        select
            {document} as document, coalesce({whose}, '') as whose, false as is_before, false as is_beside
        from {staged}
        where {key} is null
        union all
        select
            {document}, coalesce({whose}, ''), version.recorded_at < $received_at,
            beside.load_id is not null or again.row_part is not null
        from {versions} as version
        semi join (select {document} from {staged} where {key} is null) using ({document})
        anti join ops.withdrawals using (load_id)
        left join beside on beside.load_id = version.load_id
        left join (
            select distinct version_load_id, version_record_number, row_part
            from ops.repeats
            semi join beside using (load_id)
            where entity = '{entity}'
        ) as again
            on again.version_load_id = version.load_id
            and again.version_record_number = version.record_number
            and again.row_part = cast(version.row_id & 4294967295 as uinteger)
        where source_system = $source_system and {key} is null
    )
    group by document
    having min(whose) <> max(whose) and bool_or(is_before) and bool_or(is_beside)"""

# Rows that the late delivery is about: those that it tells, the lines of its documents, or all.
_TOUCHED_ROWS = """
    create or replace temp table versions_touched as
    select distinct row_id, false as is_shared from {staged} where row_id is not null"""
_TOUCHED_LINES = """
    insert into versions_touched
    select distinct row_id, {document} in (select document from versions_shared)
    from {versions}
    semi join (select {document} from {staged} where {key} is null) using ({document})
    where source_system = $source_system and {key} is null"""
_TOUCHED_ALL = """
    create or replace temp table versions_touched as
    select distinct row_id, false as is_shared from {versions} where source_system = $source_system"""
_TOUCHED_SHARED = """
    insert into versions_touched
    select distinct row_id, true
    from {versions}
    semi join versions_shared on versions_shared.document = {document}
    where source_system = $source_system and {key} is null"""

_AGAIN = """
    create or replace temp table versions_again as
    select
        again.load_id, again.record_number, version.load_id as version_load_id,
        version.record_number as version_record_number, version.row_id, again.row_part
    from {said_again}
    join versions_later as later on later.load_id = again.load_id
    semi join versions_touched as touched
        on touched.row_id = version.row_id and (touched.is_shared or not later.is_beside)
    where again.entity = '{entity}'"""

_UNDONE = """
    create or replace temp table {undone} as
    select version.load_id, version.record_number, is_deleted, {columns}, content_id, row_id
    from {versions} as version
    join versions_later as later on later.load_id = version.load_id
    semi join versions_touched as touched
        on touched.row_id = version.row_id and (touched.is_shared or not later.is_beside)
    where version.record_number <= later.last_record
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
    where load_id in (select load_id from versions_later where not is_beside)
        and row_id in (select row_id from versions_touched)"""
_FORGET_BESIDE = """
    delete from {versions}
    where load_id in (select load_id from versions_later where is_beside)
        and row_id in (select row_id from versions_touched where is_shared)"""

_RETOLD = """
    create or replace temp table versions_retold as
    select
        record_number, is_deleted, {columns}, content_id,
        case when {is_line} then null else row_id end as row_id,
        case when {is_line} then {repeat_id} end as repeat_id,
        {former_row} as former_row
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


def find_shared(wh: Warehouse, declared: Entity, delivery: Delivery, *, staged: str) -> bool:
    """Does another delivery of the same moment tell of orders that are to be decided with this one's?

    Leaves the temporary table ``versions_shared`` for `rewind` where it does.
    """
    has_beside = run(
        wh,
        delivery,
        "select 1 from ops.deliveries anti join ops.withdrawals using (load_id) "
        f"where entity = '{declared.name}' and source_system = $source_system "
        "and recorded_at = $received_at and load_id <> $load_id limit 1",
    )
    if not has_beside:
        return False
    run(wh, delivery, _SHARED.format(**_names(declared), staged=staged))
    if wh.rows("select 1 from versions_shared limit 1"):
        return True
    wh.execute("drop table temp.versions_shared")
    return False


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
    names = _names(declared) | {"staged": staged, "undone": undone(declared)}
    wh.execute("create temp table if not exists versions_shared (document varchar)")
    columns = ", ".join(quote_ident(name) for name in declared.column_names)
    run(wh, delivery, _LATER.format(**names))
    if covers_all or staged is None:
        run(wh, delivery, _TOUCHED_ALL.format(**names))
        if declared.repeat_key:
            run(wh, delivery, _TOUCHED_SHARED.format(**names))
    else:
        run(wh, delivery, _TOUCHED_ROWS.format(**names))
        if declared.repeat_key:
            run(wh, delivery, _TOUCHED_LINES.format(**names))
    for statement in (_AGAIN, _UNDONE, _FORGET_REPEATS, _FORGET_VERSIONS, _FORGET_BESIDE):
        run(wh, delivery, statement.format(**names, columns=columns))
    found = wh.rows(
        "select load_id, recorded_at, repeats, snapshot_loads from versions_later "
        "where (snapshot_loads is not null and not is_beside) "
        f"or load_id in (select load_id from {names['undone']}) "
        "order by recorded_at, load_id"
    )
    for name in ("later", "touched", "again", "shared"):
        wh.execute(f"drop table temp.versions_{name}")
    return Rewound(tuple(found))


def tell_again(
    wh: Warehouse, declared: Entity, delivery: Delivery, rewound: Rewound, *, keeps_rows: bool = False
) -> tuple[LinesTold, Replaced]:
    """Store again what was taken out, in the order of receipt, after the late delivery was stored.

    Parameters
    ----------
    wh, declared, delivery : Warehouse, Entity, Delivery
        As of `rewind`.
    rewound : Rewound
        What it took out.
    keeps_rows : bool, default False
        Does a line without an id stay in the row it was in, where that is free now? So what was known while
        a load stood that is withdrawn since is counted once.

    Returns
    -------
    LinesTold
        What is to be said of the later lines, against those of the late delivery; of lines that were told at
        the same moment, what is decided anew.
    Replaced
        What of the late delivery the later ones tell of another customer or amount; without records.
    """
    told, decided = LinesTold(), delivery.received_at
    customers = amounts = 0
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
                undone=undone(declared),
                former_row="row_id" if keeps_rows else "cast(null as uhugeint)",
            )
        )
        is_beside = recorded_at == delivery.received_at
        outcome = store_rows(
            wh,
            declared,
            one,
            staged="versions_retold",
            has_lines=bool(declared.repeat_key),
            against=None if is_beside else delivery.load_id,
            beside=undone(declared),
            is_decided=bool(declared.repeat_key) and recorded_at == decided,
            former_row="staged.former_row",
        )
        lines = outcome.lines
        if is_beside:
            lines = LinesTold(corrections=lines.corrections, shared=lines.shared)
        told += lines
        customers += outcome.replaced.customers
        amounts += outcome.replaced.amounts
        decided = recorded_at
        forget(wh)
        if snapshot_loads is not None:
            remove_missing(wh, declared, one, told_by=snapshot_loads)
    wh.execute("drop table if exists temp.versions_retold")
    wh.execute(f"drop table temp.{undone(declared)}")
    return told, Replaced(customers=customers, amounts=amounts)


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


def undone(declared: Entity) -> str:
    """Return the quoted name of the table of what `rewind` took out."""
    name: str = quote_ident(f"versions_undone_{declared.name}")
    return name


def _names(declared: Entity) -> dict[str, str | None]:
    names: dict[str, str | None] = {
        "versions": versions_table(declared),
        "said_again": said_again(declared),
        "entity": declared.name,
    }
    if declared.repeat_key:
        names |= {
            "document": quote_ident(declared.repeat_key[0]),
            "whose": quote_ident(declared.repeat_agrees[0]),
            "key": quote_ident(declared.key[0]),
        }
    return names
