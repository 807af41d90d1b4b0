-- kind:    score
-- purpose: From which histories were the models of the night of as_of fitted?
-- grain:   customer_id
-- reads:   scores.clv
-- columns:
--   customer_id       canonical customer, as that night knew it
--   frequency         days with a purchase after the first such day
--   recency           days from the first to the last purchase day
--   T                 days from the first purchase day to as_of - 1
--   monetary_value    mean net spend per repeat purchase day, reporting currency
select
    customer_id as customer_id,
    frequency as frequency,
    recency as recency,
    "T" as "T",
    monetary_value as monetary_value
from scores.clv
where as_of = cast($as_of as date) and status <> 'excluded'
order by customer_id
