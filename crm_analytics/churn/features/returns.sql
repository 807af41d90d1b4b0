-- kind:    features
-- purpose: How much did each customer send back?
-- grain:   customer_id
-- reads:   facts.order_days_before
-- columns:
--   customer_id            canonical customer
--   return_day_count       order days of which something came back
--   returned_rate          returned amount / (net spend + returned amount), 0..1; NULL = nothing priced
--   returned_rate_180      ... of the orders of the last 180 days
--   days_since_returned    days since the last order of which something came back; NULL = never
with days as (
    select
        customer_id,
        date_diff('day', ordered_on, cast($as_of as date)) as age_days,
        coalesce(net_spend, 0) + coalesce(returned_amount, 0) as ordered_amount,
        coalesce(returned_amount, 0) as returned_amount
    from facts.order_days_before($as_of, _known_at := $known_at)
),

by_customer as (
    select
        customer_id,
        sum(case when returned_amount > 0 then 1 else 0 end) as return_day_count,
        sum(returned_amount) as returned_amount,
        sum(ordered_amount) as ordered_amount,
        sum(case when age_days <= 180 then returned_amount end) as returned_amount_180,
        sum(case when age_days <= 180 then ordered_amount end) as ordered_amount_180,
        min(case when returned_amount > 0 then age_days end) as days_since_returned
    from days
    group by customer_id
)

select
    customer_id as customer_id,
    cast(return_day_count as bigint) as return_day_count,
    case
        when ordered_amount > 0 then least(1, cast(returned_amount as double) / cast(ordered_amount as double))
    end as returned_rate,
    case
        when ordered_amount_180 > 0
            then least(1, cast(returned_amount_180 as double) / cast(ordered_amount_180 as double))
    end as returned_rate_180,
    days_since_returned as days_since_returned
from by_customer
