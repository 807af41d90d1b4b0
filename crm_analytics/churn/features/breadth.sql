-- kind:    features
-- purpose: How broadly does each customer buy over the range, and how much at a time?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.products_before, facts.order_lines_before
-- columns:
--   customer_id          canonical customer with a purchase in the active_days before as_of (NULL = at any time)
--   product_count        different products bought; NULL = no line names a product
--   category_count       different categories bought; 0 = the products have no category
--   repeated_count       products bought on more than one day
--   newest_item_days     days since a product was bought for the first time
--   mean_day_lines       lines with a positive quantity per day with such a line
--   last_day_lines       ... on the last such day
--   mean_day_quantity    pieces of such lines per day with such a line
-- numbers for the customers: grouping millions of lines by text takes half as long again
with buyers as (
    select customer_id, cast(row_number() over (order by customer_id) as integer) as customer_number
    from (
        select distinct customer_id
        from facts.order_days_before($as_of, _known_at := $known_at)
        where $active_days is null or is_purchase_day and ordered_on >= cast($as_of as date) - cast($active_days as integer)
    )
),

lines as (
    select
        buyers.customer_number as customer_number,
        l.product_id as product_id,
        l.ordered_on as ordered_on,
        l.quantity as quantity
    from facts.order_lines_before($as_of, _known_at := $known_at) as l
    join buyers on buyers.customer_id = l.customer_id
),

days as (
    select
        customer_number,
        ordered_on,
        count(*) as line_count,
        sum(quantity) as quantity
    from lines
    where quantity > 0
    group by customer_number, ordered_on
),

sizes as (
    select
        customer_number,
        cast(sum(line_count) as double) / cast(count(*) as double) as mean_day_lines,
        max_by(line_count, ordered_on) as last_day_lines,
        cast(sum(quantity) as double) / cast(count(*) as double) as mean_day_quantity
    from days
    group by customer_number
),

bought as (
    select
        customer_number,
        product_id,
        min(case when quantity > 0 then ordered_on end) as first_ordered_on,
        max(case when quantity > 0 then ordered_on end) as last_ordered_on
    from lines
    where product_id is not null
    group by customer_number, product_id
    -- what came back as a whole was not bought
    having sum(quantity) > 0
),

items as (
    select
        bought.customer_number as customer_number,
        p.category as category,
        bought.last_ordered_on > bought.first_ordered_on as is_repeated,
        date_diff('day', bought.first_ordered_on, cast($as_of as date)) as first_age_days
    from bought
    left join facts.products_before($as_of, _known_at := $known_at) as p on p.product_id = bought.product_id
),

-- by category first: counting different ones per customer in one step takes twice as long
by_category as (
    select
        customer_number,
        category,
        count(*) as product_count,
        sum(case when is_repeated then 1 else 0 end) as repeated_count,
        min(first_age_days) as newest_item_days
    from items
    group by customer_number, category
),

ranges as (
    select
        customer_number,
        cast(sum(product_count) as bigint) as product_count,
        count(category) as category_count,
        cast(sum(repeated_count) as bigint) as repeated_count,
        min(newest_item_days) as newest_item_days
    from by_category
    group by customer_number
)

select
    buyers.customer_id as customer_id,
    ranges.product_count as product_count,
    ranges.category_count as category_count,
    ranges.repeated_count as repeated_count,
    ranges.newest_item_days as newest_item_days,
    sizes.mean_day_lines as mean_day_lines,
    sizes.last_day_lines as last_day_lines,
    sizes.mean_day_quantity as mean_day_quantity
from sizes
join buyers on buyers.customer_number = sizes.customer_number
left join ranges on ranges.customer_number = sizes.customer_number
