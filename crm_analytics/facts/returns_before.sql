-- kind:    facts
-- purpose: What came back before as_of, and for how much?
-- grain:   return_id
-- reads:   entities.customer_ids, entities.returns_known, facts.order_heads_before, facts.products_before,
--          facts.daily_rates_before, ops.settings
-- columns:
--   return_id      identity of the return
--   order_id       order the goods belonged to, as system:number; NULL where the source tells none
--   customer_id    canonical customer, where the return itself tells it
--   returned_on    business day of the return
--   quantity       pieces that came back, positive; NULL = money only
--   amount         money given back, positive, reporting currency at the rate of the order's day (of the
--                  return's day where the order has no head); NULL = no rate
--   cost_amount    cost of the goods that came back, reporting currency; 0 = money only; NULL = unknown
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
),

dated as (
    select
        e.row_id as row_id,
        e.source_system as source_system,
        e.order_source_id as order_source_id,
        e.customer_source_id as customer_source_id,
        e.product_source_id as product_source_id,
        e.occurred_on as returned_on,
        coalesce(h.ordered_on, e.occurred_on) as priced_on,
        e.quantity as quantity,
        e.amount as amount,
        e.currency as currency
    from entities.returns_known(_known_at := $known_at) as e
    left join facts.order_heads_before($as_of, _known_at := $known_at) as h
        on h.source_system = e.source_system and h.order_source_id = e.order_source_id
    where e.occurred_on < cast($as_of as date)
)

select
    hex(dated.row_id) as return_id,
    dated.source_system || ':' || dated.order_source_id as order_id,
    coalesce(ids.customer_id, dated.source_system || ':' || dated.customer_source_id) as customer_id,
    dated.returned_on as returned_on,
    dated.quantity as quantity,
    cast(
        cast(dated.amount as decimal(38, 4))
        * case when dated.currency = reporting.currency then 1 else r.rate end as decimal(38, 4)
    ) as amount,
    case
        when dated.quantity is null then cast(0 as decimal(38, 4))
        else cast(cast(dated.quantity as decimal(38, 4)) * p.unit_cost_amount as decimal(38, 4))
    end as cost_amount
from dated
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = dated.source_system and ids.source_id = dated.customer_source_id
cross join reporting
left join facts.products_before($as_of, _known_at := $known_at) as p
    on p.product_id = dated.source_system || ':' || dated.product_source_id
left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
    on r.currency = dated.currency and r.priced_on = dated.priced_on
