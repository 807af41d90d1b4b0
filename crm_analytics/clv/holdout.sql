-- kind:    label
-- purpose: On how many days of [as_of, as_of + horizon_days) did each customer, seen before or not, buy?
-- grain:   customer_id
-- reads:   facts.purchases_between
-- columns:
--   customer_id           canonical customer with at least one purchase in the window
--   purchase_day_count    days with a purchase
select
    customer_id as customer_id,
    count(*) as purchase_day_count
from facts.purchases_between(
    cast($as_of as date), cast(cast($as_of as date) + cast($horizon_days as integer) as date)
)
group by customer_id
order by customer_id
