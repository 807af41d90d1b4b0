-- kind:    features
-- purpose: Did each customer buy in the same weeks of last year as those we predict?
-- grain:   customer_id
-- reads:   facts.order_days_before
-- columns:
--   customer_id            canonical customer
--   same_window_count      purchase days in [as_of - 365, as_of - 365 + horizon_days), before as_of;
--                          NULL = not yet a customer when that window began
--   same_window_share      same_window_count / purchase days of the last 365 days; NULL = none
with purchase_days as (
    select
        customer_id,
        ordered_on,
        date_diff('day', ordered_on, cast($as_of as date)) as age_days
    from facts.order_days_before($as_of, _known_at := $known_at)
    where is_purchase_day
),

by_customer as (
    select
        customer_id,
        max(age_days) as tenure_days,
        sum(case when age_days <= 365 then 1 else 0 end) as count_365,
        -- age 365 is the first day of last year's window, 365 - horizon_days + 1 its last
        sum(
            case when age_days <= 365 and age_days > 365 - cast($horizon_days as integer) then 1 else 0 end
        ) as window_count
    from purchase_days
    group by customer_id
)

select
    customer_id as customer_id,
    case when tenure_days >= 365 then cast(window_count as bigint) end as same_window_count,
    case
        when tenure_days >= 365 and count_365 > 0 then cast(window_count as double) / cast(count_365 as double)
    end as same_window_share
from by_customer
