-- kind:    kpi
-- purpose: What was sold month by month, to how many customers, and how many of them were new?
-- grain:   month_on
-- reads:   facts.orders_before
-- columns:
--   month_on               first day of the month
--   order_count            purchases
--   net_spend              reporting currency, net of returns by the order's date; unpriced orders left out
--   customer_count         customers who bought (guests are not customers)
--   new_customer_count     of them, those who bought for the first time
with purchases as (
    select
        cast(date_trunc('month', ordered_on) as date) as month_on,
        customer_id,
        net_amount,
        min(ordered_on) over (partition by customer_id) as first_ordered_on
    from facts.orders_before($as_of)
    where is_purchase
)

select
    month_on as month_on,
    count(*) as order_count,
    coalesce(sum(net_amount), 0) as net_spend,
    count(distinct customer_id) as customer_count,
    count(distinct case
        when date_trunc('month', first_ordered_on) = month_on then customer_id
    end) as new_customer_count
from purchases
group by month_on
order by month_on
