"""Which row is an order line without an id of its own about?  Templates of `crm_analytics.entities.storing`.

In braces stand quoted identifiers and expressions made of them; ``$name`` are values. Temporary tables are
named ``versions_...``; `place` is the row of the staged table, `nth` counts equal lines. The rules are
those of decision 0001.
"""

from __future__ import annotations

# Lines of one order number, product and customer are of one order if they are not further apart.
SAME_ORDER_DAYS = 31

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
        {moment} as moment, cast({moment} as date) as day, {former_row} as former_row,
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
    from {said_again}
    anti join ops.withdrawals on ops.withdrawals.load_id = again.load_id
    where again.entity = '{entity}' and again.recorded_at = $received_at and again.load_id <> $load_id"""

# Lines that other deliveries of the same moment tell of shared numbers: all parts decide as one delivery.
BESIDE = """
        union
        select document, whose, moment, day, repeat_id, numbers, content_id, nth
        from (
            select
                {document} as document, coalesce({whose}, '') as whose, {moment} as moment,
                cast({moment} as date) as day, {repeat_id} as repeat_id, {numbers} as numbers, content_id,
                delivery.repeats,
                row_number() over (partition by load_id, content_id order by record_number) as nth
            from {undone} as undone
            join ops.deliveries as delivery using (load_id)
            where delivery.entity = '{entity}' and delivery.recorded_at = $received_at
                and load_id <> $load_id and {key} is null
        )
        where repeats = 'keep' or nth = 1"""

# Which orders are known of another customer? Decided by the whole order: the lines of a number and customer
# that are no more than SAME_ORDER_DAYS days apart.
# - An order that is new to the store and says every line of a stored one exactly (product, time, quantity,
#   price), where no third order of the number has the same lines and the delivery does not repeat the stored
#   one, is that order, of another customer (is_whole).
# - Where all stored or all delivered lines of a number name no customer and the others name one, they are of
#   one order.
# Anything else is another order.
CORRECTED = """
    create or replace temp table versions_corrected as
    with told as (
        select document, whose, moment, day, repeat_id, numbers, content_id, nth
        from versions_lines
        where $repeats = 'keep' or nth = 1
        {beside}
    ),
    several as (
        select document
        from (select document, whose from told union all select document, whose from versions_stored)
        group by document
        having min(whose) <> max(whose)
    ),
    near as (
        select
            *,
            day - lag(day) over (partition by document order by day) > {same_order_days} as begins_number,
            day - lag(day) over (partition by document, whose order by day)
                > {same_order_days} as begins_order
        from (
            select
                document, whose, coalesce(day, date '0001-01-01') as day,
                hash(repeat_id, moment, numbers) as line, true as is_told
            from told
            semi join several using (document)
            union all
            select
                document, whose, coalesce(day, date '0001-01-01'),
                hash(repeat_id, moment, numbers), recorded_at = $received_at or now.row_id is not null
            from versions_stored
            semi join several using (document)
            left join (select distinct row_id from versions_told_now) as now using (row_id)
        )
    ),
    dated as (
        select
            *,
            count(*) filter (begins_number) over (partition by document order by day) as of_number,
            count(*) filter (begins_order) over (partition by document, whose order by day) as of_order
        from near
    ),
    -- An order as one side tells it, the delivery or the store; is_alone = the other side has no line of it.
    sides as (
        select
            document, min(of_number) as of_number, whose, is_told,
            count(*) over (partition by document, whose, of_order) = 1 as is_alone,
            count(*) as line_count, sum(cast(line as hugeint)) as content,
            min(day) as first_day, max(day) as last_day
        from dated
        group by document, whose, of_order, is_told
    ),
    whole as (
        select
            document, min(of_number) as of_number, min(whose) filter (is_told) as whose,
            min(whose) filter (not is_told) as known_whose,
            min(first_day) as first_day, max(last_day) as last_day
        from sides
        group by document, line_count, content
        having count(*) filter (is_told) = 1 and count(*) filter (not is_told) = 1 and bool_and(is_alone)
            and min(whose) filter (is_told) <> ''
    ),
    unnamed as (
        select
            document, of_number, min(whose) filter (is_told) as whose,
            min(whose) filter (not is_told) as known_whose,
            min(day) as first_day, max(day) as last_day
        from dated
        anti join whole using (document, of_number)
        group by document, of_number
        having count(distinct whose) filter (is_told) = 1 and count(distinct whose) filter (not is_told) = 1
            and count(distinct whose) = 2 and min(whose) = ''
    )
    select document, whose, known_whose, first_day, last_day, true as is_whole
    from whole
    union all
    select document, whose, known_whose, first_day, last_day, false from unnamed"""

# Which row is each line about? Repeated lines (of the file or the store) are about none: merged. Lines more
# than SAME_ORDER_DAYS days apart are of two orders: their numbers began anew.
NAMED = """
    create or replace temp table versions_named as
    with distinct_lines as (
        select * from versions_lines where $repeats = 'keep' or nth = 1
    ),
    paired_lines as (
        select distinct_lines.*, {line_pairing} as pairing
        from distinct_lines
        left join versions_corrected as corrected
            on corrected.document = distinct_lines.document and corrected.whose = distinct_lines.whose
            and coalesce(day, date '0001-01-01') between first_day and last_day
        anti join versions_stored using (content_id, nth)
    ),
    paired_stored as (
        select versions_stored.*, {stored_pairing} as pairing
        from versions_stored
        left join versions_corrected as corrected
            on corrected.document = versions_stored.document
            and corrected.known_whose = versions_stored.whose
            and coalesce(day, date '0001-01-01') between first_day and last_day
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
                place, null as row_id, repeat_id, pairing, whose, day, content_id, nth, former_row,
                false as is_stored
            from paired_lines
            union all
            select null, row_id, repeat_id, pairing, whose, day, content_id, nth, null, true
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
    positioned as (
        select
            *,
            row_number() over (
                partition by repeat_id, pairing, of_order, is_stored
                order by day nulls first, content_id, nth
            ) as position
        from ordered
    ),
    placed as (
        select
            unmatched.place,
            unmatched.former_row,
            not_repeated.row_id as edited,
            not_repeated.whose <> unmatched.whose as is_correction,
            not_repeated.day is distinct from unmatched.day as is_moved,
            {new_row} as fresh,
            {other_row} as other
        from (select * from positioned where not is_stored) as unmatched
        left join (select * from positioned where is_stored) as not_repeated
            on not_repeated.repeat_id = unmatched.repeat_id
            and not_repeated.pairing = unmatched.pairing
            and not_repeated.of_order = unmatched.of_order
            and not_repeated.position = unmatched.position
            and coalesce(abs(not_repeated.day - unmatched.day) <= {same_order_days}, true)
    )
    -- A line that takes back the fields another line had before its edit is a row of its own; one that
    -- is told again without a withdrawn load stays in the row it was in, where no standing line is.
    select
        placed.place,
        coalesce(
            placed.edited,
            case when former_taken.row_id is null then placed.former_row end,
            case
                when taken.row_id is null and former.former_row is null then placed.fresh
                else placed.other
            end
        ) as row_id,
        placed.edited,
        coalesce(placed.edited is not null and placed.is_correction, false) as is_correction,
        placed.edited is not null and placed.is_moved as is_moved
    from placed
    left join (select distinct row_id from versions_stored) as taken on taken.row_id = placed.fresh
    left join (select distinct row_id from versions_stored) as former_taken
        on former_taken.row_id = placed.former_row
    left join (select distinct former_row from versions_lines) as former
        on former.former_row = placed.fresh"""

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
                on stored.repeat_id = line.repeat_id and stored.whose <> line.whose and stored.whose <> ''
                and stored.moment is not distinct from line.moment
                and stored.recorded_at < $received_at
            where named.edited is null and line.whose <> '')"""

PAIRING = """case
            when corrected.is_whole
                then concat_ws(
                    ' ', 'as', coalesce(cast(epoch_us(moment) as varchar), ''), numbers, corrected.known_whose
                )
            when corrected.document is not null or {line}.whose = ''
                then 'at ' || coalesce(cast(epoch_us(moment) as varchar), '')
            else 'of ' || {line}.whose
        end"""

NAME = """
    update {staged} as staged set row_id = named.row_id
    from versions_named as named where staged.rowid = named.place"""

LINES_SAID_AGAIN = """
    insert into ops.repeats
    select
        $load_id, '{entity}', $received_at, line.record_number, stored.load_id, stored.record_number,
        cast(stored.row_id & 4294967295 as uinteger)
    from versions_lines as line
    join versions_stored as stored using (content_id, nth)
    where $repeats = 'keep' or line.nth = 1"""
