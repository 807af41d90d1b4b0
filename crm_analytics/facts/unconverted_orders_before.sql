-- kind:    facts
-- purpose: Which orders before as_of, known by their total alone, have no rate to the reporting currency on their day?
--          They count nowhere else: `facts.orders_before` holds what has a value.
-- grain:   order_id
-- reads:   entities.customer_ids, facts.order_heads_before, facts.order_lines_before, facts.daily_rates_before,
--          ops.settings
-- columns:
--   order_id          order, as system:number
--   customer_id       canonical customer; NULL for a guest
--   ordered_on        business day on which it was placed
--   source_amount     total as the source states it, in `currency`
--   currency          ISO 4217 code; NULL = the source tells none
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
)

select
    h.source_system || ':' || h.order_source_id as order_id,
    coalesce(ids.customer_id, h.source_system || ':' || h.customer_source_id) as customer_id,
    h.ordered_on as ordered_on,
    h.total_amount as source_amount,
    h.currency as currency
from facts.order_heads_before($as_of, _known_at := $known_at) as h
cross join reporting
left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
    on r.currency = h.currency and r.priced_on = h.ordered_on
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = h.source_system and ids.source_id = h.customer_source_id
anti join facts.order_lines_before($as_of, _known_at := $known_at) as l
    on l.order_id = h.source_system || ':' || h.order_source_id
where h.counts
    and h.total_amount is not null
    and r.rate is null
    and h.currency is distinct from reporting.currency
