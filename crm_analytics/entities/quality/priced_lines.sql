-- kind:    quality
-- purpose: Which order lines tell no amount or no currency, so that revenue and value cannot be known?
-- gate:    stop above 0.5
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.order_lines, entities.orders
-- columns:
--   entity             entity of the rows
--   field              amount, or currency (of the line or of its order)
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          order lines
--   bad_count          lines without it
with heads as (
    select source_system, source_id, max(currency) as currency
    from entities.orders
    group by source_system, source_id
),

lines as (
    select
        line.source_system as source_system,
        line.amount is null as lacks_amount,
        coalesce(line.currency, heads.currency) is null as lacks_currency
    from entities.order_lines as line
    left join heads
        on heads.source_system = line.source_system
        and heads.source_id = line.order_source_id
)

select
    'order_lines' as entity,
    'amount' as field,
    source_system as source_system,
    '' as owner_source_id,
    count(*) as row_count,
    count(*) filter (lacks_amount) as bad_count
from lines
group by source_system
union all
select
    'order_lines' as entity,
    'currency' as field,
    source_system as source_system,
    '' as owner_source_id,
    count(*) as row_count,
    count(*) filter (lacks_currency) as bad_count
from lines
group by source_system
order by field, source_system
