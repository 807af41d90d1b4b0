-- kind:    label
-- purpose: Which products did each customer buy in the horizon_days from as_of on?
-- grain:   customer_id, product_id
-- reads:   facts.basket_items_before
-- columns:
--   customer_id    canonical customer
--   product_id     product bought in [as_of, as_of + horizon_days), and not all of it sent back
select
    customer_id as customer_id,
    product_id as product_id
from facts.basket_items_before(cast(cast($as_of as date) + cast($horizon_days as integer) as date))
where last_ordered_on >= cast($as_of as date)
order by customer_id, product_id
