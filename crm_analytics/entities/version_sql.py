"""Which statements make versions of a delivery?  Templates of `crm_analytics.entities.versions`, in order.

In braces stand quoted identifiers and expressions made of them; ``$name`` are values. Temporary tables are
named ``versions_...``; `place` is the row of the staged table, `nth` counts equal lines.
"""

from __future__ import annotations

# Lines of one order number, product and customer are of one order if they are not further apart.
SAME_ORDER_DAYS = 31

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

# Without stored lines every line is a new row: its fields and how often they came before.
NAMED_AFRESH = """
    create or replace temp table versions_named as
    select place, case when $repeats = 'keep' then {new_row} end as row_id
    from (
        select
            staged.rowid as place, content_id,
            row_number() over (partition by row_id order by record_number, staged.rowid) as nth
        from {staged} as staged
        semi join versions_repeated using (row_id)
        where {key} is null
    ) as unmatched
    where nth > 1"""

# Whose a line is and when: two lines of one order and product are the same line, edited, where these agree.
LINES = """
    create or replace temp table versions_lines as
    select
        staged.rowid as place, record_number, content_id, repeat_id, {numbers} as numbers,
        {document} as document, coalesce({whose}, '') as whose,
        {moment} as moment, cast({moment} as date) as day,
        row_number() over (partition by content_id order by record_number, staged.rowid) as nth
    from {staged} as staged
    where {key} is null"""

# Lines now in the store that the delivery could mean: those of the documents it speaks of.
STORED = """
    create or replace temp table versions_stored as
    select
        row_id, content_id, {repeat_id} as repeat_id, {numbers} as numbers, {document} as document,
        coalesce({whose}, '') as whose,
        {moment} as moment, cast({moment} as date) as day, recorded_at, load_id, record_number,
        row_number() over (partition by content_id order by row_id) as nth
    from entities.{entity}
    semi join (select {document} from {staged} where {key} is null) using ({document})
    where source_system = $source_system and {key} is null"""

# What another delivery of the same moment said again stands: the two are parts of one.
TOLD_NOW = """
    create or replace temp table versions_told_now as
    select version.row_id
    from ops.repeats as again
    join {versions} as version
        on version.load_id = again.version_load_id
        and version.record_number = again.version_record_number
        and cast(version.row_id & 4294967295 as uinteger) = again.row_part
    anti join ops.withdrawals on ops.withdrawals.load_id = again.load_id
    where again.entity = '{entity}' and again.recorded_at = $received_at and again.load_id <> $load_id"""

# Which row is each line about? Repeated lines (of the file or the store) are about none: merged. Another
# customer is an edit only where neither the delivery nor the store knows several for the document, and where
# no number of the line differs (another customer with another quantity is another order). Lines more than
# SAME_ORDER_DAYS days apart are of two orders: their numbers began anew.
NAMED = """
    create or replace temp table versions_named as
    with distinct_lines as (
        select * from versions_lines where $repeats = 'keep' or nth = 1
    ),
    corrected as (
        select document, stored.whose <> '' and delivered.whose <> '' as is_other
        from (
            select document, min(whose) as whose
            from versions_lines
            group by document
            having count(distinct whose) = 1
        ) as delivered
        join (
            select document, min(whose) as whose
            from versions_stored
            group by document
            having count(distinct whose) = 1
        ) as stored using (document)
        where stored.whose <> delivered.whose
    ),
    paired_lines as (
        select distinct_lines.*, coalesce(corrected.is_other, false) as is_other, {pairing} as pairing
        from distinct_lines
        left join corrected using (document)
        anti join versions_stored using (content_id, nth)
    ),
    paired_stored as (
        select versions_stored.*, coalesce(corrected.is_other, false) as is_other, {pairing} as pairing
        from versions_stored
        left join corrected using (document)
        anti join (
            select content_id, case when $repeats = 'keep' then nth else 0 end as copy from versions_lines
        ) as line
            on line.content_id = versions_stored.content_id
            and line.copy = case when $repeats = 'keep' then versions_stored.nth else 0 end
        anti join versions_told_now using (row_id)
        where recorded_at < $received_at
    ),
    -- The lines of one number in the order of their days; a gap of more than that begins another order.
    dated as (
        select
            *,
            case
                when day - lag(day) over (
                    partition by repeat_id, pairing order by day nulls first, content_id, nth, is_stored
                ) > {same_order_days} then 1
                else 0
            end as begins_order
        from (
            select
                place, null as row_id, repeat_id, pairing, is_other, whose, day, content_id, nth,
                false as is_stored
            from paired_lines
            union all
            select null, row_id, repeat_id, pairing, is_other, whose, day, content_id, nth, true
            from paired_stored
        )
    ),
    ordered as (
        select
            *,
            sum(begins_order) over (
                partition by repeat_id, pairing order by day nulls first, content_id, nth, is_stored
            ) as of_order
        from dated
    ),
    unmatched as (
        select
            *,
            row_number() over (
                partition by repeat_id, pairing, of_order order by day nulls first, content_id, nth
            ) as position
        from ordered
        where not is_stored
    ),
    not_repeated as (
        select
            *,
            row_number() over (
                partition by repeat_id, pairing, of_order order by day nulls first, content_id, nth
            ) as position
        from ordered
        where is_stored
    ),
    placed as (
        select
            unmatched.place,
            not_repeated.row_id as edited,
            not_repeated.whose <> unmatched.whose as is_correction,
            not_repeated.day is distinct from unmatched.day as is_moved,
            unmatched.is_other,
            {new_row} as fresh,
            {other_row} as other
        from unmatched
        left join not_repeated
            on not_repeated.repeat_id = unmatched.repeat_id
            and not_repeated.pairing = unmatched.pairing
            and not_repeated.of_order = unmatched.of_order
            and not_repeated.position = unmatched.position
            and coalesce(abs(not_repeated.day - unmatched.day) <= {same_order_days}, true)
    )
    -- A line that takes back the fields another line had before its edit is a row of its own.
    select
        placed.place,
        coalesce(
            placed.edited, case when taken.row_id is null then placed.fresh else placed.other end
        ) as row_id,
        placed.edited,
        coalesce(placed.edited is not null and placed.is_correction, false) as is_correction,
        placed.edited is not null and placed.is_moved as is_moved,
        placed.edited is null and placed.is_other as is_other
    from placed
    left join (select distinct row_id from versions_stored) as taken on taken.row_id = placed.fresh"""

# What is said of lines without an id, beside those that are new or repeated. Told against everything stored,
# or against the lines of one load ($against).
LINES_TOLD = """
    with stored as (
        select * from versions_stored where $against is null or load_id = $against
    ),
    -- Stored lines of the same order, product and customer that the delivery does not repeat.
    others as (
        select
            named.place,
            bool_or(stored.recorded_at = $received_at and is_near and not is_repeated) as is_beside,
            bool_or(not is_near and named.edited is null) as is_used_again
        from versions_named as named
        join versions_lines as line using (place)
        join (
            select
                stored.*, line_content.content_id is not null as is_repeated
            from stored
            left join (select distinct content_id from versions_lines) as line_content using (content_id)
        ) as stored
            on stored.repeat_id = line.repeat_id and stored.whose = line.whose
        cross join lateral (
            select coalesce(abs(stored.day - line.day) <= {same_order_days}, true) as is_near
        )
        group by named.place
    )
    select
        (select count(*) from versions_named semi join stored on stored.row_id = edited where is_correction),
        (select count(*) from others where is_beside),
        (select count(*) from versions_named semi join stored on stored.row_id = edited
            where not is_correction),
        (select count(*) from versions_named semi join stored on stored.row_id = edited
            where not is_correction and is_moved),
        (select count(*) from others where is_used_again),
        (select count(*) from versions_named as named
            join versions_lines as line using (place)
            semi join stored
                on stored.repeat_id = line.repeat_id and stored.moment is not distinct from line.moment
                and stored.recorded_at < $received_at
            where is_other)"""

PAIRING = """case
            when corrected.is_other
                then concat_ws(' ', 'as', coalesce(cast(epoch_us(moment) as varchar), ''), numbers)
            when corrected.document is not null or whose = ''
                then 'at ' || coalesce(cast(epoch_us(moment) as varchar), '')
            else 'of ' || whose
        end"""

NAME = """
    update {staged} as staged set row_id = named.row_id
    from versions_named as named where staged.rowid = named.place"""

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

LINES_SAID_AGAIN = """
    insert into ops.repeats
    select
        $load_id, '{entity}', $received_at, line.record_number, stored.load_id, stored.record_number,
        cast(stored.row_id & 4294967295 as uinteger)
    from versions_lines as line
    join versions_stored as stored using (content_id, nth)
    where $repeats = 'keep' or line.nth = 1"""

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
