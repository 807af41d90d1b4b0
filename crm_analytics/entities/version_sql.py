"""Which statements make versions of a delivery?  Templates of `crm_analytics.entities.versions`, in order.

In braces stand quoted identifiers and expressions made of them; ``$name`` are values. Temporary tables are
named ``versions_...``; `place` is the row of the staged table, `nth` counts equal lines.
"""

from __future__ import annotations

# The delivery, typed and digested. row_id is empty where it is not known yet, and in the end where a record
# is about no row.
STAGED = """
    create or replace temp table {staged} (
        record_number bigint, is_deleted boolean, {columns}, content_id uhugeint, row_id uhugeint,
        repeat_id uhugeint
    )"""

APPEND = """
    insert into {staged}
    select *, {row_id}, {repeat_id}
    from (
        select *, {content} as content_id
        from (
            select cast(record_number as bigint) as record_number, {deleted} as is_deleted, {typed}
            from versions_given
        )
    )"""

# Rows of which the delivery holds several records.
REPEATED = """
    create or replace temp table versions_repeated as
    select row_id, min(content_id) <> max(content_id) as differs
    from {staged} where row_id is not null group by row_id having count(*) > 1"""

# Rows of which records of one delivery that claim the same moment say different things; one such record.
DIFFERING = """
    select count(distinct row_id), min(record_number)
    from (
        select row_id, max(record_number) as record_number
        from {staged} as staged
        semi join (select row_id from versions_repeated where differs) using (row_id)
        group by row_id, {modified}
        having count(distinct content_id) > 1
    )"""

KNOWN = """
    create or replace temp table versions_known as
    select row_id, content_id, recorded_at, load_id, record_number, is_deleted, {modified} as modified_at
    from {versions} as staged
    semi join {staged} using (row_id)
    anti join ops.withdrawals using (load_id)"""

# Rows of which the store holds versions, or the delivery several records; all others are simply new.
CONTESTED = """
    create or replace temp table versions_contested as
    select row_id from versions_known
    union
    select row_id from versions_repeated"""

# The records of contested rows that say something new. Equal neighbours in a row's history are one run: a run
# that holds a version known by then adds nothing, any other run is kept once, by its last record.
KEPT = """
    create or replace temp table versions_kept as
    with delivered as (
        select
            staged.row_id, staged.content_id, staged.record_number, staged.rowid as place,
            {modified} as modified_at, {created} as created_at
        from {staged} as staged
        semi join versions_contested using (row_id)
    ),
    sequence as (
        select
            row_id, content_id, recorded_at, record_number, null as place, false as is_new,
            null as modified_at
        from versions_known
        union all
        select row_id, content_id, $received_at, record_number, place, true, modified_at
        from delivered
    ),
    marked as (
        select *, case when content_id = lag(content_id) over history then 0 else 1 end as starts_run
        from sequence
        window history as (
            partition by row_id order by recorded_at, record_number, content_id, is_new, place
        )
    ),
    numbered as (
        select *, sum(starts_run) over history as run
        from marked
        window history as (
            partition by row_id order by recorded_at, record_number, content_id, is_new, place
        )
    ),
    in_runs as (
        select
            *,
            bool_or(not is_new and recorded_at <= $received_at) over (partition by row_id, run) as is_known,
            max(case when is_new then {{'number': record_number, 'place': place}} end)
                over (partition by row_id, run) as last_new
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
            and max(
                case when is_new then {{'number': record_number, 'content': content_id}} end
            ).content
                = max(
                    case
                        when not is_new and recorded_at <= $received_at
                        then {{'at': recorded_at, 'number': record_number, 'content': content_id}}
                    end
                ).content
    ),
    -- Rows that were gone: what the source has not changed since is there again, from now on.
    gone as (
        select row_id, last.modified_at as modified_at
        from (
            select
                row_id,
                max(
                    case
                        when recorded_at <= $received_at
                        then {{'at': recorded_at, 'number': record_number, 'content': content_id,
                               'is_deleted': is_deleted, 'modified_at': modified_at}}
                    end
                ) as last
            from versions_known
            group by row_id
        )
        where last.is_deleted
    ),
    fresh as (
        select
            row_id, record_number, place,
            coalesce(in_runs.modified_at >= gone.modified_at, false) as returns
        from in_runs
        left join known_contents using (row_id, content_id)
        left join gone using (row_id)
        anti join retold using (row_id)
        where is_new
            and not is_known
            and place = last_new.place
            -- The source's own time of change says that this very state was delivered before.
            and (
                not (in_runs.modified_at is not null and coalesce(was_known, false))
                or coalesce(in_runs.modified_at >= gone.modified_at, false)
            )
    ),
    known_rows as (
        select row_id, min(recorded_at) as first_recorded_at from versions_known group by row_id
    ),
    since as (
        select
            place,
            -- A later record of the file must not be overtaken by an earlier one that was created later.
            min(created_at) over (
                partition by row_id order by record_number, place
                rows between current row and unbounded following
            ) as created_at
        from delivered
    )
    select
        fresh.place,
        known_rows.row_id is not null
            or row_number() over (partition by fresh.row_id order by fresh.record_number, fresh.place) > 1
            as is_revision,
        case when fresh.returns then $received_at end as returned_at,
        case
            when known_rows.row_id is null or known_rows.first_recorded_at >= $received_at
            then since.created_at
        end as created_at
    from fresh
    join since using (place)
    left join known_rows using (row_id)"""

INSERT = """
    insert into {versions} by name
    select
        $source_system as source_system,
        staged.row_id,
        staged.content_id,
        $received_at as recorded_at,
        $load_id as load_id,
        staged.record_number,
        {is_revision} as is_revision,
        staged.is_deleted,
        {time},
        {columns}
    from {staged} as staged
    {chosen}
    {side_by_side}"""

UNCONTESTED = "anti join versions_contested using (row_id) where staged.row_id is not null"

# Rows with an id of their own that other deliveries know of another customer (both named), or of the same
# customer with another amount; and a record of the delivery that says so.
REPLACED = """
    with last_told as (
        select staged.row_id, staged.record_number, staged.content_id, {whose} as whose, {amount} as amount
        from {staged} as staged
        join versions_kept as kept on kept.place = staged.rowid
        where kept.is_revision and {has_id} and not coalesce(staged.is_deleted, false)
        qualify row_number() over (
            partition by staged.row_id order by staged.record_number desc, staged.content_id desc
        ) = 1
    ),
    known as (
        select staged.row_id, {whose} as whose, {amount} as amount, staged.load_id, staged.is_deleted
        from {versions} as staged
        join last_told using (row_id)
        anti join ops.withdrawals using (load_id)
        where staged.load_id <> $load_id
            and (
                staged.recorded_at < $received_at
                or staged.recorded_at = $received_at
                and (staged.record_number, staged.content_id)
                    < (last_told.record_number, last_told.content_id)
            )
        qualify row_number() over (
            partition by staged.row_id
            order by staged.recorded_at desc, staged.record_number desc, staged.content_id desc
        ) = 1
    ),
    compared as (
        select
            last_told.record_number,
            coalesce(last_told.whose <> known.whose, false) as is_other,
            coalesce(last_told.amount <> known.amount, false) as is_amount
        from last_told
        join known using (row_id)
        where not known.is_deleted and ($against is null or known.load_id = $against)
    )
    select
        count(*) filter (is_other), coalesce(min(record_number) filter (is_other), 0),
        count(*) filter (is_amount and not is_other),
        coalesce(min(record_number) filter (is_amount and not is_other), 0)
    from compared"""

# What was said again, record by record: it dates nothing anew, but a late delivery must not come in between.
SAID_AGAIN = """
    insert into ops.repeats
    select
        $load_id, '{entity}', $received_at, staged.record_number,
        known.version.load_id, known.version.record_number, cast(staged.row_id & 4294967295 as uinteger)
    from {staged} as staged
    semi join versions_contested using (row_id)
    anti join versions_kept on versions_kept.place = staged.rowid
    join (
        select
            row_id, content_id,
            max_by(
                {{'load_id': load_id, 'record_number': record_number}},
                {{'at': recorded_at, 'number': record_number}}
            ) as version
        from versions_known
        group by row_id, content_id
    ) as known using (row_id, content_id)"""

# What counts of the contested rows once the delivery is stored.
CURRENT = """
    create or replace temp table versions_counting as
    select row_id, content_id, recorded_at, load_id, record_number
    from {versions}
    semi join versions_contested using (row_id)
    anti join ops.withdrawals using (load_id)
    qualify row_number() over (
        partition by row_id
        order by {valid_from} recorded_at desc, record_number desc, content_id desc
    ) = 1"""

# Record numbers of the delivery that count.
CURRENT_RECORDS = "select record_number from versions_counting where load_id = $load_id"

# The same, but of equal records the first: what repeats an earlier record of its file is merged as a whole.
FIRST_CURRENT_RECORDS = """
    select min(staged.record_number) as record_number
    from {staged} as staged
    join versions_counting as counting
        on counting.row_id = staged.row_id and counting.content_id = staged.content_id
    where counting.load_id = $load_id
    group by staged.row_id"""

# Records of a row that the delivery tells several times, but for the one that counts: of the last content the
# first. Of lines without an id, equal ones are the same row, unless they are to be kept.
SAID_TWICE = """
    create or replace temp table {said_twice} as
    with told as (
        select
            rowid as place, record_number, content_id,
            case when {is_line} then content_id else row_id end as of_row
        from {staged}
        where not ({is_line} and $repeats = 'keep')
    ),
    ordered as (
        select
            place, record_number,
            row_number() over (
                partition by of_row order by content_id = last_content desc, record_number, place
            ) as position
        from (
            select *, max_by(content_id, {{'n': record_number, 'p': place}}) over (partition by of_row)
                as last_content
            from told
            semi join (select of_row from told group by of_row having count(*) > 1) using (of_row)
        )
    )
    select place, record_number from ordered where position > 1"""

# Rows told otherwise than they are known now, though another load told what counts: an older state.
# Of those the ones that another delivery of the same moment tells: neither is the later one.
OUTDATED = """
    select
        count(distinct row_id) filter (counting.recorded_at <> $received_at),
        count(distinct row_id) filter (counting.recorded_at = $received_at)
    from {staged}
    join versions_counting as counting using (row_id)
    where counting.load_id <> $load_id
        and row_id not in (
            select row_id from {staged} as staged
            semi join versions_counting as same
                on same.row_id = staged.row_id and same.content_id = staged.content_id
        )"""
