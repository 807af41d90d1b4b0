-- kind:    facts
-- purpose: What can be sold, at which list price and cost as of as_of?  Products created later are not here.
--          Prices and costs from before the first known version are taken to be those of that version.
-- grain:   product_id
-- reads:   entities.products_at, facts.last_rates_before
-- columns:
--   product_id           product, as system:id
--   name                 name
--   category             category
--   brand                brand
--   unit_price_amount    list price of one unit, reporting currency at the last rate before as_of
--   unit_cost_amount     cost of one unit, reporting currency at the last rate before as_of
select
    p.source_system || ':' || p.source_id as product_id,
    p.name as name,
    p.category as category,
    p.brand as brand,
    cast(
        cast(p.unit_price as decimal(38, 4)) * r.rate as decimal(18, 4)
    ) as unit_price_amount,
    cast(
        cast(p.unit_cost as decimal(38, 4)) * r.rate as decimal(18, 4)
    ) as unit_cost_amount
from entities.products_at($as_of, _known_at := $known_at) as p
left join facts.last_rates_before($as_of, _known_at := $known_at) as r on r.currency = p.currency
where p.created_at is null or p.created_at < cast(cast($as_of as date) as timestamptz)
