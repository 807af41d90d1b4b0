-- kind:    facts
-- purpose: What can be sold, at which list price and cost as of as_of?  Products created later are not here.
-- grain:   product_id
-- reads:   entities.products_at, facts.daily_rates_before, ops.settings
-- columns:
--   product_id           product, as system:id
--   name                 name
--   category             category
--   brand                brand
--   unit_price_amount    list price of one unit, reporting currency at the last rate before as_of
--   unit_cost_amount     cost of one unit, reporting currency at the last rate before as_of
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
),

last_rates as (
    select currency, rate
    from facts.daily_rates_before($as_of, _known_at := $known_at)
    where priced_on = cast($as_of as date) - 1
)

select
    p.source_system || ':' || p.source_id as product_id,
    p.name as name,
    p.category as category,
    p.brand as brand,
    cast(
        cast(p.unit_price as decimal(38, 4)) * case when p.currency = reporting.currency then 1 else r.rate end as decimal(18, 4)
    ) as unit_price_amount,
    cast(
        cast(p.unit_cost as decimal(38, 4)) * case when p.currency = reporting.currency then 1 else r.rate end as decimal(18, 4)
    ) as unit_cost_amount
from entities.products_at($as_of, _known_at := $known_at) as p
cross join reporting
left join last_rates as r on r.currency = p.currency
where p.created_at is null or p.created_at < cast(cast($as_of as date) as timestamptz)
