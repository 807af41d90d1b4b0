-- kind:    features
-- purpose: How many customers came, and how many came back, on each day before as_of (for tracking)?
-- grain:   ordered_on
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   ordered_on          day with a purchase of a customer who was first seen before born_before
--   first_purchases     customers whose first purchase day it was; no test or internal ones
--   repeat_purchases    customers who bought on it again
with days as (
    select
        customer_id,
        ordered_on,
        min(ordered_on) over (partition by customer_id) as first_ordered_on
    from facts.order_days_before($as_of)
    where is_purchase_day
)

select
    days.ordered_on as ordered_on,
    cast(count(*) filter (where days.ordered_on = days.first_ordered_on) as bigint) as first_purchases,
    cast(count(*) filter (where days.ordered_on > days.first_ordered_on) as bigint) as repeat_purchases
from days
join facts.customers_before($as_of) as customers on customers.customer_id = days.customer_id
where not customers.is_excluded and days.first_ordered_on < cast($born_before as date)
group by days.ordered_on
order by ordered_on
