-- kind:    features
-- purpose: How broadly does each customer buy over the range?
-- grain:   customer_id
-- reads:   facts.basket_items_before, facts.products_before
-- columns:
--   customer_id          canonical customer
--   product_count        different products bought
--   category_count       different categories bought; 0 = the products have no category
--   repeated_count       products bought in more than one order
--   newest_item_days     days since a product was bought for the first time
with items as (
    select
        i.customer_id as customer_id,
        i.product_id as product_id,
        i.order_count as order_count,
        p.category as category,
        date_diff('day', i.first_ordered_on, cast($as_of as date)) as first_age_days
    from facts.basket_items_before($as_of) as i
    left join facts.products_before($as_of) as p on p.product_id = i.product_id
)

select
    customer_id as customer_id,
    count(*) as product_count,
    count(distinct category) as category_count,
    cast(sum(case when order_count > 1 then 1 else 0 end) as bigint) as repeated_count,
    min(first_age_days) as newest_item_days
from items
group by customer_id
