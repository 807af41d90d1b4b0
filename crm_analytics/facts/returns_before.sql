-- kind:    facts
-- purpose: What came back before as_of, and for how much?
-- grain:   return_id
-- reads:   entities.returns_known, facts.daily_rates_before, ops.settings
-- columns:
--   return_id      identity of the return
--   order_id       order the goods belonged to, as system:number; NULL where the source tells none
--   customer_id    canonical customer, where the return itself tells it
--   returned_on    business day of the return
--   quantity       pieces that came back, positive; NULL = money only
--   amount         money given back, positive, reporting currency; NULL = no rate
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
)

select
    hex(e.row_id) as return_id,
    e.source_system || ':' || e.order_source_id as order_id,
    e.source_system || ':' || e.customer_source_id as customer_id,
    e.occurred_on as returned_on,
    e.quantity as quantity,
    cast(
        cast(e.amount as decimal(38, 4)) * case when e.currency = reporting.currency then 1 else r.rate end as decimal(38, 4)
    ) as amount
from entities.returns_known(_known_at := $known_at) as e
cross join reporting
left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
    on r.currency = e.currency and r.priced_on = e.occurred_on
where e.occurred_on < cast($as_of as date)
