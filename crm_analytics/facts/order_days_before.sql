-- kind:    facts
-- purpose: On which days did each customer buy before as_of, and what is each day worth net of returns?
-- grain:   customer_id, ordered_on
-- reads:   facts.orders_before, facts.returns_before
-- columns:
--   customer_id             canonical customer (guests have none and are not here)
--   ordered_on              business day
--   order_count             purchases on that day
--   net_spend               net amount of the day, reporting currency, returns at the day of their order
--                           where they name one; NULL = a part has no price or rate
--   net_margin              net_spend - cost of the goods; NULL = a cost is unknown
--   returned_amount         returned goods of the day's orders, positive, reporting currency
--   is_purchase_day         false = only returns or cancelled-out orders on that day
--   unpriced_order_count    orders without a price or rate: counted, not priced
--   previous_ordered_on     last purchase day of the customer before this day; NULL = none
with signed as (
    select
        customer_id,
        ordered_on,
        cast(is_purchase as bigint) as order_count,
        net_amount as net_amount,
        net_amount - cost_amount as margin,
        returned_amount as returned_amount,
        cast(net_amount is null as bigint) as unpriced_order_count
    from facts.orders_before($as_of, _known_at := $known_at)
    where customer_id is not null
    union all
    -- a return that names no order lowers the day on which it came back
    select
        customer_id,
        returned_on,
        cast(0 as bigint),
        -amount,
        cost_amount - amount,
        amount,
        cast(0 as bigint)
    from facts.returns_before($as_of, _known_at := $known_at)
    where order_id is null and customer_id is not null
),

days as (
    select
        customer_id,
        ordered_on,
        cast(sum(order_count) as bigint) as order_count,
        case when count(*) = count(net_amount) then sum(net_amount) end as net_spend,
        case when count(*) = count(margin) then sum(margin) end as net_margin,
        sum(returned_amount) as returned_amount,
        sum(order_count) > 0 as is_purchase_day,
        cast(sum(unpriced_order_count) as bigint) as unpriced_order_count
    from signed
    group by customer_id, ordered_on
)

select
    customer_id as customer_id,
    ordered_on as ordered_on,
    order_count as order_count,
    net_spend as net_spend,
    net_margin as net_margin,
    returned_amount as returned_amount,
    is_purchase_day as is_purchase_day,
    unpriced_order_count as unpriced_order_count,
    lag(case when is_purchase_day then ordered_on end ignore nulls) over (
        partition by customer_id order by ordered_on
    ) as previous_ordered_on
from days
