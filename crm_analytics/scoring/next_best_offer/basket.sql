-- kind:    features
-- purpose: Which products does each customer own by purchases before as_of, and since when?
-- grain:   customer_id, product_id
-- reads:   facts.basket_items_before
-- columns:
--   customer_id         canonical customer
--   product_id          product, as system:id
--   order_count         orders with it
--   days_since_first    days from the first purchase of it to as_of
--   days_since_last     days from the last purchase of it to as_of
select
    customer_id as customer_id,
    product_id as product_id,
    order_count as order_count,
    date_diff('day', first_ordered_on, cast($as_of as date)) as days_since_first,
    date_diff('day', last_ordered_on, cast($as_of as date)) as days_since_last
from facts.basket_items_before($as_of)
order by customer_id, product_id
