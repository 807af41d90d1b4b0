-- kind:    facts
-- purpose: What was ordered (and returned as a negative line) before as_of, by whom, for how much?
-- grain:   line_id
-- reads:   entities.customer_ids, entities.order_lines_known, facts.order_heads_before, facts.products_before,
--          facts.daily_rates_before, ops.settings
-- columns:
--   line_id         identity of the line
--   order_id        order, as system:number
--   customer_id     canonical customer; NULL for a guest
--   ordered_on      business day of the order
--   product_id      product, as system:id; NULL where the line names none
--   product_name    name on the line, else in the product list
--   quantity        pieces; negative = returned
--   amount          net total of the line, reporting currency; NULL = no price or no rate
--   cost_amount     quantity x unit cost of the product, reporting currency; NULL = cost unknown
with lines as (
    select
        hex(l.row_id) as line_id,
        l.source_system as source_system,
        l.order_source_id as order_source_id,
        coalesce(l.customer_source_id, h.customer_source_id) as customer_source_id,
        coalesce(l.occurred_on, h.ordered_on) as ordered_on,
        coalesce(l.currency, h.currency) as currency,
        l.product_source_id as product_source_id,
        l.product_name as product_name,
        l.quantity as quantity,
        l.amount as amount
    from entities.order_lines_known(_known_at := $known_at) as l
    left join facts.order_heads_before($as_of, _known_at := $known_at) as h
        on h.source_system = l.source_system and h.order_source_id = l.order_source_id
    -- a line without a head is a confirmed order of its own (flat layouts)
    where coalesce(h.counts, true) and coalesce(l.occurred_on, h.ordered_on) < cast($as_of as date)
),

reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
)

select
    lines.line_id as line_id,
    lines.source_system || ':' || lines.order_source_id as order_id,
    coalesce(ids.customer_id, lines.source_system || ':' || lines.customer_source_id) as customer_id,
    lines.ordered_on as ordered_on,
    lines.source_system || ':' || lines.product_source_id as product_id,
    coalesce(lines.product_name, p.name) as product_name,
    lines.quantity as quantity,
    cast(
        case when lines.currency = reporting.currency then lines.amount else lines.amount * r.rate end
        as decimal(38, 4)
    ) as amount,
    cast(cast(lines.quantity as decimal(38, 4)) * p.unit_cost_amount as decimal(38, 4)) as cost_amount
from lines
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = lines.source_system and ids.source_id = lines.customer_source_id
cross join reporting
left join facts.products_before($as_of, _known_at := $known_at) as p
    on p.product_id = lines.source_system || ':' || lines.product_source_id
left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
    on r.currency = lines.currency and r.priced_on = lines.ordered_on
