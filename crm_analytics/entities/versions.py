"""How does what a file says become versions, so that nothing known is overwritten or counted twice?

One call stores the typed records of one delivery in ``entities.<name>_versions``:

- *Keyed rows* (customers, orders ...): the row is its key within its source system. A record that
  equals the version before it says nothing new and is merged. Of several different records of one
  row in one delivery all become versions; the last one counts, the others are merged in the account.
- *Lines without an id of their own* (schema ``repeat_key``): the row is all of its fields and, where
  equal lines are separate facts, its n-th occurrence. A line that matches nothing while the store
  holds a line of the same order and product, and of the same customer or time, that the delivery does
  not repeat, is an edit.

Versions of a row are ordered by ``recorded_at``, ``record_number``, ``content_id``, never by the order
of the loads: files that repeat one another may come in any order. Files of one ``received_at`` that
contradict one another on a line without an id, or on a thing without ``modified_at``, may not.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from crm_analytics.errors import UsageError
from crm_analytics.schema import Column, Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident, quote_table

if TYPE_CHECKING:
    import pyarrow as pa

_TEMPORARY = ("delivered", "lines", "stored", "named", "known", "contested", "kept")

# The delivery, typed and digested. row_id stays empty for lines that have no id of their own.
_DELIVERED = """
    create or replace temp table versions_delivered as
    select *, md5_number({content}) as content_id, {row_id} as row_id, {repeat_id} as repeat_id
    from (
        select cast(record_number as bigint) as record_number, {deleted} as is_deleted, {typed} from {staged}
    )"""

_NAMED_BY_KEY = """
    create or replace temp table versions_named as
    select record_number, row_id from versions_delivered"""

# Without stored lines every line is a new row: its fields and how often they came before.
_NAMED_AFRESH = """
    create or replace temp table versions_named as
    select record_number, row_id from versions_delivered where row_id is not null
    union all
    select record_number, {new_row} from versions_lines as unmatched where $repeats = 'keep' or nth = 1"""

_LINES = """
    create or replace temp table versions_lines as
    select
        record_number, content_id, repeat_id, {agreeing},
        row_number() over (partition by content_id order by record_number) as nth
    from versions_delivered
    where row_id is null"""

# Lines now in the store that the delivery could mean: those of the documents it speaks of.
_STORED = """
    create or replace temp table versions_stored as
    select
        row_id, content_id, {repeat_id} as repeat_id, {agreeing}, recorded_at, record_number,
        row_number() over (partition by content_id order by row_id) as nth
    from entities.{entity}
    semi join (select {document} from versions_delivered where row_id is null) using ({document})
    where source_system = $source_system and {key} is null"""

# Which row is each record about? Repeated lines (of the file or the store) are about none: merged.
_NAMED = """
    create or replace temp table versions_named as
    with distinct_lines as (
        select * from versions_lines where $repeats = 'keep' or nth = 1
    ),
    unmatched as (
        select
            *,
            row_number() over (partition by repeat_id order by record_number) as position
        from distinct_lines
        anti join versions_stored using (content_id, nth)
    ),
    not_repeated as (
        select
            row_id, repeat_id, {agreeing},
            row_number() over (partition by repeat_id order by recorded_at, record_number, row_id) as position
        from versions_stored
        anti join (
            select content_id, case when $repeats = 'keep' then nth else 0 end as copy from versions_lines
        ) as line
            on line.content_id = versions_stored.content_id
            and line.copy = case when $repeats = 'keep' then versions_stored.nth else 0 end
    ),
    placed as (
        select
            unmatched.record_number,
            not_repeated.row_id as edited,
            {new_row} as fresh,
            {other_row} as other
        from unmatched
        left join not_repeated
            on not_repeated.repeat_id = unmatched.repeat_id
            and not_repeated.position = unmatched.position
            and ({agrees})
    )
    select record_number, row_id from versions_delivered where row_id is not null
    union all
    -- A line that takes back the fields another line had before its edit is a row of its own.
    select
        placed.record_number,
        coalesce(placed.edited, case when taken.row_id is null then placed.fresh else placed.other end)
    from placed
    left join (select distinct row_id from versions_stored) as taken on taken.row_id = placed.fresh"""

_KNOWN = """
    create or replace temp table versions_known as
    select row_id, content_id, recorded_at, record_number
    from {versions}
    semi join versions_named using (row_id)"""

_CONTESTED = """
    create or replace temp table versions_contested as
    select row_id from versions_known
    union
    select row_id from versions_named group by row_id having count(*) > 1"""

# The records that say something new. Equal neighbours in a row's history are one run: a run that holds
# a version known by then adds nothing, any other run is kept once, by its last record.
_KEPT = """
    create or replace temp table versions_kept as
    with delivered as (
        select named.row_id, delivered.content_id, delivered.record_number, {modified} as modified_at,
            {created} as created_at
        from versions_named as named
        join versions_delivered as delivered using (record_number)
        semi join versions_contested on versions_contested.row_id = named.row_id
    ),
    sequence as (
        select row_id, content_id, recorded_at, record_number, false as is_new, null as modified_at
        from versions_known
        union all
        select row_id, content_id, $received_at, record_number, true, modified_at
        from delivered
    ),
    marked as (
        select *, case when content_id = lag(content_id) over history then 0 else 1 end as starts_run
        from sequence
        window history as (partition by row_id order by recorded_at, record_number, content_id, is_new)
    ),
    numbered as (
        select *, sum(starts_run) over history as run
        from marked
        window history as (partition by row_id order by recorded_at, record_number, content_id, is_new)
    ),
    in_runs as (
        select
            *,
            bool_or(not is_new and recorded_at <= $received_at) over (partition by row_id, run) as is_known,
            max(case when is_new then record_number end) over (partition by row_id, run) as last_new
        from numbered
    ),
    known_contents as (
        select distinct row_id, content_id, true as was_known from versions_known
    ),
    -- A delivery that tells a row's history again, up to what is known last, adds nothing to the row.
    retold as (
        select row_id
        from sequence
        left join known_contents using (row_id, content_id)
        group by row_id
        having bool_and(coalesce(was_known, false))
            and max(case when is_new then {{'number': record_number, 'content': content_id}} end).content
                = max(
                    case
                        when not is_new and recorded_at <= $received_at
                        then {{'at': recorded_at, 'number': record_number, 'content': content_id}}
                    end
                ).content
    ),
    fresh as (
        select row_id, record_number
        from in_runs
        left join known_contents using (row_id, content_id)
        anti join retold using (row_id)
        where is_new
            and not is_known
            and record_number = last_new
            -- The source's own time of change says that this very state was delivered before.
            and not (modified_at is not null and coalesce(was_known, false))
    ),
    known_rows as (
        select row_id, min(recorded_at) as first_recorded_at from versions_known group by row_id
    ),
    since as (
        select
            row_id, record_number,
            -- A later record of the file must not be overtaken by an earlier one that was created later.
            min(created_at) over (
                partition by row_id order by record_number rows between current row and unbounded following
            ) as created_at
        from delivered
    )
    select
        fresh.record_number,
        fresh.row_id,
        known_rows.row_id is not null
            or row_number() over (partition by fresh.row_id order by fresh.record_number) > 1 as is_revision,
        case
            when known_rows.row_id is null or known_rows.first_recorded_at >= $received_at
            then since.created_at
        end as created_at
    from fresh
    join since using (row_id, record_number)
    left join known_rows using (row_id)
    union all
    select named.record_number, named.row_id, false, {created}
    from versions_named as named
    join versions_delivered as delivered using (record_number)
    anti join versions_contested on versions_contested.row_id = named.row_id"""

_INSERT = """
    insert into {versions} by name
    select
        $source_system as source_system,
        kept.row_id,
        delivered.content_id,
        $received_at as recorded_at,
        $load_id as load_id,
        delivered.record_number,
        kept.is_revision,
        delivered.is_deleted,
        {time},
        {columns}
    from versions_delivered as delivered
    join versions_kept as kept using (record_number)"""

_CURRENT = """
    select
        (select count(*) from versions_kept anti join versions_contested using (row_id))
        + (
            select count(*)
            from (
                select load_id
                from {versions}
                semi join versions_contested using (row_id)
                qualify row_number() over (
                    partition by row_id
                    order by {valid_from} recorded_at desc, record_number desc, content_id desc
                ) = 1
            )
            where load_id = $load_id
        )"""


@dataclass(frozen=True)
class Stored:
    """What became of the records of one delivery.

    Attributes
    ----------
    loaded : int
        Rows whose current version came with this delivery.
    merged : int
        Records that say nothing new, or that a later record of the delivery or store outdates.
    """

    loaded: int
    merged: int


def store_versions(
    wh: Warehouse,
    entity_name: str,
    staged: pa.Table | str,
    *,
    load_id: int,
    source_system: str,
    received_at: datetime,
    repeats: Literal["merge", "keep"] = "merge",
) -> Stored:
    """Store one delivery's typed records as versions, in the caller's transaction.

    Parameters
    ----------
    wh : Warehouse
        Where to.
    entity_name : str
        A name of `crm_analytics.schema.entities`.
    staged : pyarrow.Table or str
        Columns of the entity (those that are missing are empty), ``record_number`` (unique) and, where
        rows can go, ``is_deleted``; or the name of a table or view that has them.
    load_id : int
        Number of the load in ``ops.loads``; must be new.
    source_system : str
        System that the ids are scoped by.
    received_at : datetime
        When it was received, with a time zone; becomes ``recorded_at``.
    repeats : {"merge", "keep"}, default "merge"
        Are equal lines of one file one fact, or several? Only for lines without an id of their own.

    Returns
    -------
    Stored
        ``loaded + merged`` is the number of staged records.

    Raises
    ------
    UsageError
        For an unknown entity, staged columns it lacks, or a time without time zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import pyarrow as pa
    >>> staged = pa.table({"record_number": [1, 2], "source_id": ["C1", "C2"], "name": ["Ada", "Bob"]})
    >>> same = {"source_system": "shop", "received_at": datetime(2024, 5, 1, tzinfo=UTC)}
    >>> with Warehouse.open() as wh:
    ...     [store_versions(wh, "customers", staged, load_id=load_id, **same) for load_id in (1, 2)]
    [Stored(loaded=2, merged=0), Stored(loaded=0, merged=2)]
    """
    declared = entity(entity_name)
    if not source_system or ":" in source_system:
        raise UsageError(
            f"source_system={source_system!r} must be a name without ':', "
            "which parts system and id in customer_id."
        )
    if received_at.tzinfo is None:
        raise UsageError(f"received_at={received_at} has no time zone. Give one, for example tzinfo=UTC.")
    with ExitStack() as stack:
        stack.enter_context(wh.transaction())
        if isinstance(staged, str):
            relation = quote_table(staged) if "." in staged else quote_ident(staged)
        else:
            relation = quote_ident("versions_staged")
            stack.enter_context(wh.registered(versions_staged=staged))
        given = [row[0] for row in wh.rows(f"select column_name from (describe select * from {relation})")]
        _check_columns(declared, given)
        return _store(wh, declared, relation, given, load_id, source_system, received_at, repeats)


def _check_columns(declared: Entity, given: list[str]) -> None:
    unknown = set(given) - {*declared.column_names, "record_number", "is_deleted"}
    if unknown or "record_number" not in given:
        raise UsageError(
            f"{declared.name}: staged columns unknown {sorted(unknown)}; record_number is needed. "
            f"Columns: {', '.join(declared.column_names)}."
        )


def _store(
    wh: Warehouse,
    declared: Entity,
    relation: str,
    given: list[str],
    load_id: int,
    source_system: str,
    received_at: datetime,
    repeats: str,
) -> Stored:
    versions = f"entities.{quote_ident(declared.name + '_versions')}"
    has = set(declared.column_names)
    modified = "delivered.modified_at" if "modified_at" in has else "cast(null as timestamptz)"
    created = "delivered.created_at" if "created_at" in has else "cast(null as timestamptz)"
    has_lines = bool(declared.repeat_key) and _holds_lines(wh, declared, source_system)
    wh.execute(_delivered(declared, relation, given, has_lines=has_lines), source_system=source_system)
    if declared.repeat_key:
        _name_lines(wh, declared, load_id, source_system, repeats, has_lines=has_lines)
    else:
        wh.execute(_NAMED_BY_KEY)
    wh.execute(_KNOWN.format(versions=versions))
    wh.execute(_CONTESTED)
    wh.execute(_KEPT.format(modified=modified, created=created), received_at=received_at)
    if declared.kind == "event":
        time = "cast(delivered.occurred_at as date) as occurred_on"
    else:
        time = f"coalesce({modified}, kept.created_at, $received_at) as valid_from"
    wh.execute(
        _INSERT.format(
            versions=versions,
            time=time,
            columns=", ".join(f"delivered.{quote_ident(name)}" for name in declared.column_names),
        ),
        source_system=source_system,
        received_at=received_at,
        load_id=load_id,
    )
    valid_from = "valid_from desc," if declared.kind == "state" else ""
    loaded = int(wh.value(_CURRENT.format(versions=versions, valid_from=valid_from), load_id=load_id))
    records = int(wh.value("select count(*) from versions_delivered"))
    for name in _TEMPORARY:
        wh.execute(f"drop table if exists temp.{quote_ident('versions_' + name)}")
    return Stored(loaded=loaded, merged=records - loaded)


def _delivered(declared: Entity, relation: str, given: list[str], *, has_lines: bool) -> str:
    typed = ", ".join(
        f"cast({quote_ident(c.name) if c.name in given else 'null'} as {c.sql_type}) as {quote_ident(c.name)}"
        for c in declared.columns
    )
    has_deleted = "is_deleted" in given
    content = _digest_text(declared, declared.column_names)
    if has_deleted:
        content += " || case when is_deleted then '-' else '' end"
    row_id = _row_digest(declared.name, _digest_text(declared, declared.key))
    if declared.repeat_key:
        row_id = f"case when {quote_ident(declared.key[0])} is not null then {row_id} end"
    repeat_id = "null"
    if has_lines:
        repeat_id = _repeat_id(declared)
    return _DELIVERED.format(
        content=content,
        row_id=row_id,
        repeat_id=repeat_id,
        deleted="coalesce(cast(is_deleted as boolean), false)" if has_deleted else "false",
        typed=typed,
        staged=relation,
    )


def _holds_lines(wh: Warehouse, declared: Entity, source_system: str) -> bool:
    """Does the store hold lines without an id of their own, which a delivery could repeat or edit?"""
    found = wh.rows(
        f"select 1 from entities.{quote_ident(declared.name + '_versions')} "
        f"where source_system = $source_system and {quote_ident(declared.key[0])} is null limit 1",
        source_system=source_system,
    )
    return bool(found)


def _name_lines(
    wh: Warehouse, declared: Entity, load_id: int, source_system: str, repeats: str, *, has_lines: bool
) -> None:
    agreeing = ", ".join(quote_ident(name) for name in declared.repeat_agrees)
    wh.execute(_LINES.format(agreeing=agreeing))
    line = "'line', hex(unmatched.content_id), unmatched.nth"  # a cast to varchar takes 100 microseconds
    new_row = _row_digest(declared.name, line)
    if not has_lines:
        wh.execute(_NAMED_AFRESH.format(new_row=new_row), source_system=source_system, repeats=repeats)
        return
    wh.execute(
        _STORED.format(
            entity=quote_ident(declared.name),
            repeat_id=_repeat_id(declared),
            agreeing=agreeing,
            document=quote_ident(declared.repeat_key[0]),
            key=quote_ident(declared.key[0]),
        ),
        source_system=source_system,
    )
    wh.execute(
        _NAMED.format(
            new_row=new_row,
            other_row=_row_digest(declared.name, f"{line}, $load_id"),
            agreeing=agreeing,
            agrees=" or ".join(
                f"not_repeated.{quote_ident(name)} = unmatched.{quote_ident(name)}"
                for name in declared.repeat_agrees
            ),
        ),
        source_system=source_system,
        repeats=repeats,
        load_id=load_id,
    )


def _row_digest(entity_name: str, text: str) -> str:
    return f"md5_number(concat_ws(chr(31), strlen($source_system), $source_system, '{entity_name}', {text}))"


def _repeat_id(declared: Entity) -> str:
    """Return SQL for the digest of the repeat key; "a|b" stands for a, else b."""
    texts = []
    for name in declared.repeat_key:
        first, _, second = name.partition("|")
        text = _field_text(declared.column(first))
        if second:
            other = _field_text(declared.column(second))
            text = f"case when {quote_ident(first)} is null then 'else ' || {other} else {text} end"
        texts.append(text)
    return f"md5_number(concat_ws(chr(31), {', '.join(texts)}))"


def _digest_text(declared: Entity, names: tuple[str, ...]) -> str:
    """Return SQL for a text that differs whenever one of the columns does (NULL is not '')."""
    return f"concat_ws(chr(31), {', '.join(_field_text(declared.column(name)) for name in names)})"


def _field_text(column: Column) -> str:
    name = quote_ident(column.name)
    if column.sql_type == "VARCHAR":
        # The length in front keeps fields apart whatever characters they hold.
        return f"coalesce(strlen({name}) || ':' || {name}, '-')"
    if column.sql_type == "TIMESTAMPTZ":
        return f"coalesce(cast(epoch_us({name}) as varchar), '-')"
    return f"coalesce(cast({name} as varchar), '-')"
