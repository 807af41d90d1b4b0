-- kind:    features
-- purpose: In which rhythm did each customer buy, and how long has the silence lasted against it?
-- grain:   customer_id
-- reads:   facts.order_days_before
-- columns:
--   customer_id              canonical customer
--   days_since_last_order    days from the last purchase day to as_of - 1, the last day seen
--   order_day_count          days with a purchase
--   tenure_days              days from the first purchase day to as_of - 1
--   mean_gap_days            mean days between purchase days; NULL = bought on one day only
--   longest_gap_days         longest such gap
--   last_gap_days            gap before the last purchase day
--   gap_deviation_days       standard deviation of the gaps; NULL = fewer than two gaps
--   silence_ratio            days_since_last_order / mean_gap_days
--   order_day_count_30       purchase days in the last 30 days
--   order_day_count_90       ... in the last 90 days
--   order_day_count_180      ... in the last 180 days
--   order_day_count_365      ... in the last 365 days
with purchase_days as (
    select
        customer_id,
        ordered_on,
        date_diff('day', ordered_on, cast($as_of as date)) as age_days,
        date_diff('day', previous_ordered_on, ordered_on) as gap_days
    from facts.order_days_before($as_of, _known_at := $known_at)
    where is_purchase_day
),

by_customer as (
    select
        customer_id,
        min(age_days) - 1 as days_since_last_order,
        max(age_days) - 1 as tenure_days,
        count(*) as order_day_count,
        count(gap_days) as gap_count,
        sum(gap_days) as gap_sum,
        sum(gap_days * gap_days) as gap_square_sum,
        max(gap_days) as longest_gap_days,
        max_by(gap_days, ordered_on) as last_gap_days,
        sum(case when age_days <= 30 then 1 else 0 end) as order_day_count_30,
        sum(case when age_days <= 90 then 1 else 0 end) as order_day_count_90,
        sum(case when age_days <= 180 then 1 else 0 end) as order_day_count_180,
        sum(case when age_days <= 365 then 1 else 0 end) as order_day_count_365
    from purchase_days
    group by customer_id
)

select
    customer_id as customer_id,
    days_since_last_order as days_since_last_order,
    order_day_count as order_day_count,
    tenure_days as tenure_days,
    case when gap_count > 0 then cast(gap_sum as double) / cast(gap_count as double) end as mean_gap_days,
    longest_gap_days as longest_gap_days,
    last_gap_days as last_gap_days,
    -- from whole numbers, so that the result does not depend on the order of summing
    case
        when gap_count > 1
            then sqrt(
                cast(gap_count * gap_square_sum - gap_sum * gap_sum as double)
                / cast(gap_count * (gap_count - 1) as double)
            )
    end as gap_deviation_days,
    case
        when gap_count > 0
            then cast(days_since_last_order * gap_count as double) / cast(gap_sum as double)
    end as silence_ratio,
    cast(order_day_count_30 as bigint) as order_day_count_30,
    cast(order_day_count_90 as bigint) as order_day_count_90,
    cast(order_day_count_180 as bigint) as order_day_count_180,
    cast(order_day_count_365 as bigint) as order_day_count_365
from by_customer
