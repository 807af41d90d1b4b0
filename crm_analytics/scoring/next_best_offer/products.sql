-- kind:    features
-- purpose: What could be offered at as_of, and what is a purchase of it worth?
-- grain:   product_id
-- reads:   facts.order_lines_before, facts.products_before
-- columns:
--   product_id       product, as system:id, sold in the last 365 days
--   product_name     name in the product list, else on the last line that has one; NULL = none
--   mean_amount      mean net amount of the lines of one order with it, last 365 days, reporting currency;
--                    NULL = no line has a price
with sold_lines as (
    select
        product_id,
        order_id,
        line_id,
        ordered_on,
        product_name,
        amount
    from facts.order_lines_before($as_of)
    where product_id is not null and quantity > 0 and ordered_on >= cast($as_of as date) - 365
),

sold as (
    select
        product_id,
        sum(amount) as amount,
        count(distinct case when amount is not null then order_id end) as priced_order_count
    from sold_lines
    group by product_id
),

last_names as (
    select product_id, product_name
    from sold_lines
    where product_name is not null
    qualify row_number() over (partition by product_id order by ordered_on desc, line_id desc) = 1
)

select
    sold.product_id as product_id,
    coalesce(listed.name, last_names.product_name) as product_name,
    case
        when priced_order_count > 0 then cast(sold.amount as double) / cast(priced_order_count as double)
    end as mean_amount
from sold
left join facts.products_before($as_of) as listed on listed.product_id = sold.product_id
left join last_names on last_names.product_id = sold.product_id
order by product_id
