-- kind:    score
-- purpose: What is each customer still expected to bring, as the night of as_of said?
-- grain:   customer_id
-- reads:   scores.clv
-- columns:
--   customer_id         canonical customer
--   lifetime_revenue    expected net spend in the value horizon, reporting currency
--   lifetime_value      expected margin in the value horizon; NULL = margin unknown
select
    customer_id as customer_id,
    lifetime_revenue as lifetime_revenue,
    lifetime_value as lifetime_value
from scores.clv
where as_of = cast($as_of as date)
order by customer_id
