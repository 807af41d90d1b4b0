-- kind:    features
-- purpose: How recently, how often and for how much did each customer buy before as_of, compared with the others?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   customer_id              canonical customer with at least one purchase in the window
--   source_system            system of the leading source record
--   source_id                its id there
--   days_since_last_order    days from the last purchase day to as_of - 1 (the last day seen)
--   order_count              purchases in the window
--   net_spend                net of returns, reporting currency; NULL = a part has no price or rate
--   r_score                  1..5, 5 = fewest days since the last order
--   f_score                  1..5, 5 = most orders
--   m_score                  1..5, 5 = highest spend; NULL = spend unknown
-- A score is 1 + five times the share of customers who are strictly worse, rounded down: equal values
-- always share a score, and one-time buyers, being the worst by frequency, get 1 however many they are.
with bought as (
    select
        customer_id,
        cast(sum(order_count) as bigint) as order_count,
        case when count(*) = count(net_spend) then sum(net_spend) end as net_spend,
        max(case when is_purchase_day then ordered_on end) as last_ordered_on
    from facts.order_days_before($as_of)
    where ordered_on >= cast($as_of as date) - cast($window_days as integer)
    group by customer_id
    having sum(order_count) > 0
),

counted as (
    select
        b.customer_id as customer_id,
        c.source_system as source_system,
        c.source_id as source_id,
        date_diff('day', b.last_ordered_on, cast($as_of as date)) - 1 as days_since_last_order,
        b.order_count as order_count,
        b.net_spend as net_spend
    from bought as b
    join facts.customers_before($as_of) as c on c.customer_id = b.customer_id
    where not c.is_excluded
)

select
    customer_id as customer_id,
    source_system as source_system,
    source_id as source_id,
    days_since_last_order as days_since_last_order,
    order_count as order_count,
    net_spend as net_spend,
    1 + (5 * (rank() over (order by days_since_last_order desc) - 1)) // count(*) over () as r_score,
    1 + (5 * (rank() over (order by order_count) - 1)) // count(*) over () as f_score,
    case
        when net_spend is not null
            then 1 + (5 * (rank() over (partition by net_spend is null order by net_spend) - 1))
                // count(*) over (partition by net_spend is null)
    end as m_score
from counted
order by customer_id
