-- kind:    statement
-- purpose: Do the totals of the orders that a load speaks of agree with the sums of their lines?
-- grain:   control, scope, source_id
-- reads:   entities.order_lines, entities.order_lines_versions, entities.orders, entities.orders_versions
-- columns:
--   control       order_total (a sum, or one order), or orders_agreeing (a count)
--   scope         currency of the orders; empty where they name none
--   source_id     number of the order; empty where all compared ones are added up
--   theirs        total of the heads; orders compared
--   ours          sum of the lines, less discount, plus shipping and tax; orders that agree to the cent
--   difference    ours - theirs
with touched as (
    select source_system, source_id from entities.orders_versions where load_id = $load_id
    union
    select source_system, order_source_id from entities.order_lines_versions where load_id = $load_id
),

heads as (
    select
        head.source_system as source_system,
        head.source_id as source_id,
        coalesce(head.currency, '') as currency,
        cast(head.total_amount as decimal(38, 4)) as total_amount,
        cast(coalesce(head.shipping_amount, 0) - coalesce(head.discount_amount, 0) as decimal(38, 4)) as extra,
        cast(coalesce(head.tax_amount, 0) as decimal(38, 4)) as tax_amount
    from entities.orders as head
    semi join touched using (source_system, source_id)
    where head.total_amount is not null
    -- a number may stand for a quote and for the order it became: the order speaks
    qualify row_number() over (
        partition by head.source_system, head.source_id
        order by case when coalesce(head.kind, 'order') = 'order' then 0 else 1 end, head.row_id
    ) = 1
),

lines as (
    select
        line.source_system as source_system,
        line.order_source_id as source_id,
        cast(sum(line.amount) as decimal(38, 4)) as amount
    from entities.order_lines as line
    semi join touched
        on touched.source_system = line.source_system
        and touched.source_id = line.order_source_id
    group by line.source_system, line.order_source_id
    -- a line without a price leaves the sum unknown
    having count(*) = count(line.amount)
),

-- Tax comes on top of the lines, or is in them: the reading that is nearer to the total is the source's.
compared as (
    select
        heads.currency as currency,
        heads.source_id as source_id,
        heads.total_amount as theirs,
        lines.amount + heads.extra + case
            when abs(lines.amount + heads.extra + heads.tax_amount - heads.total_amount)
                <= abs(lines.amount + heads.extra - heads.total_amount)
            then heads.tax_amount
            else 0
        end as ours
    from heads
    join lines using (source_system, source_id)
),

worst as (
    select
        currency,
        source_id,
        theirs,
        ours
    from compared
    where abs(ours - theirs) >= 0.01
    order by abs(ours - theirs) desc, source_id
    limit 5
),

told as (
    select
        1 as place, 'orders_agreeing' as control, currency, '' as source_id,
        cast(count(*) as decimal(38, 4)) as theirs,
        cast(count(*) filter (abs(ours - theirs) < 0.01) as decimal(38, 4)) as ours
    from compared group by currency
    union all
    select 2, 'order_total', currency, '', cast(sum(theirs) as decimal(38, 4)), cast(sum(ours) as decimal(38, 4))
    from compared group by currency
    union all
    select 3, 'order_total', currency, source_id, theirs, cast(ours as decimal(38, 4)) from worst
)

select
    control as control,
    currency as scope,
    source_id as source_id,
    theirs as theirs,
    ours as ours,
    cast(ours - theirs as decimal(38, 4)) as difference
from told
order by place, scope, abs(ours - theirs) desc, source_id
