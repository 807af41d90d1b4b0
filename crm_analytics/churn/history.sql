-- kind:    statement
-- purpose: How far back do purchases reach, and after which pauses do customers come back?
-- grain:   none
-- reads:   facts.order_days_before
-- columns:
--   first_ordered_on    first purchase day of all; NULL = no purchase
--   customer_count      customers with a purchase
--   gap_count           pauses between purchase days of a customer
--   usual_gap_days      length that 95 of 100 pauses do not exceed, days; NULL = nobody bought twice
with purchase_days as (
    select
        customer_id,
        ordered_on,
        date_diff(
            'day', lag(ordered_on) over (partition by customer_id order by ordered_on), ordered_on
        ) as gap_days
    from facts.order_days_before($as_of, _known_at := $known_at)
    -- odd customers (a test account that buys every day) say nothing of the pauses of others
    where is_purchase_day and not list_contains(cast($odd as varchar[]), customer_id)
)

select
    min(ordered_on) as first_ordered_on,
    count(distinct customer_id) as customer_count,
    count(gap_days) as gap_count,
    quantile_disc(gap_days, 0.95) as usual_gap_days
from purchase_days
