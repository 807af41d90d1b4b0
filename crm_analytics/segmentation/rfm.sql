-- kind:    features
-- purpose: How recently, how often and for how much did each customer buy before as_of?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   customer_id              canonical customer with at least one purchase in the window
--   source_system            system of the leading source record
--   source_id                its id there
--   days_since_last_order    days from the last purchase day to as_of - 1 (the last day seen)
--   order_count              purchases in the window
--   net_spend                net of returns, reporting currency; NULL = a part has no price or rate
--   net_margin               net_spend less cost of the goods; NULL = a cost is unknown
--   first_pause_days         days between first and second purchase day in the window; NULL = one such day
with days as (
    select * from facts.order_days_before($as_of, _known_at := $known_at)
    where ordered_on >= cast($as_of as date) - cast($window_days as integer)
),

pauses as (
    select
        customer_id,
        date_diff('day', ordered_on, lead(ordered_on) over (partition by customer_id order by ordered_on))
            as first_pause_days
    from days
    where is_purchase_day
    qualify row_number() over (partition by customer_id order by ordered_on) = 1
),

bought as (
    select
        customer_id,
        cast(sum(order_count) as bigint) as order_count,
        case when count(*) = count(net_spend) then sum(net_spend) end as net_spend,
        case when count(*) = count(net_margin) then sum(net_margin) end as net_margin,
        max(case when is_purchase_day then ordered_on end) as last_ordered_on
    from days
    group by customer_id
    having sum(order_count) > 0
)

select
    b.customer_id as customer_id,
    c.source_system as source_system,
    c.source_id as source_id,
    date_diff('day', b.last_ordered_on, cast($as_of as date)) - 1 as days_since_last_order,
    b.order_count as order_count,
    b.net_spend as net_spend,
    b.net_margin as net_margin,
    pauses.first_pause_days as first_pause_days
from bought as b
left join pauses on pauses.customer_id = b.customer_id
join facts.customers_before($as_of, _known_at := $known_at) as c on c.customer_id = b.customer_id
where not c.is_excluded
order by customer_id
