-- kind:    facts
-- purpose: Which order lines before as_of have an amount, but no rate to the reporting currency on their day?
--          `facts.orders_before` counts their orders, with an unknown net amount.
-- grain:   line_id
-- reads:   entities.order_lines_known, facts.order_heads_before, facts.order_lines_before
-- columns:
--   line_id           identity of the line
--   order_id          order, as system:number
--   customer_id       canonical customer; NULL for a guest
--   ordered_on        business day of the order
--   source_amount     net total of the line as the source states it, in `currency`; negative = returned
--   currency          ISO 4217 code; NULL = the source tells none
with unpriced as (
    select line_id, order_id, customer_id, ordered_on
    from facts.order_lines_before($as_of, _known_at := $known_at)
    where amount is null
)

select
    u.line_id as line_id,
    u.order_id as order_id,
    u.customer_id as customer_id,
    u.ordered_on as ordered_on,
    l.amount as source_amount,
    coalesce(l.currency, h.currency) as currency
from unpriced as u
join entities.order_lines_known(_known_at := $known_at) as l on hex(l.row_id) = u.line_id
left join facts.order_heads_before($as_of, _known_at := $known_at) as h
    on h.source_system = l.source_system and h.order_source_id = l.order_source_id
where l.amount is not null
