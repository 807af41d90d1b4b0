-- kind:    features
-- purpose: How much did each customer spend, and is it becoming less?
-- grain:   customer_id
-- reads:   facts.order_days_before
-- columns:
--   customer_id         canonical customer
--   net_spend           net of returns over all time, reporting currency; unpriced days add nothing
--   net_spend_90        ... in the last 90 days
--   net_spend_365       ... in the last 365 days
--   net_margin_365      margin of the last 365 days; NULL = no day with a known cost
--   mean_day_spend      net_spend per priced purchase day
--   last_day_spend      net spend of the last priced purchase day
--   spend_share_180     spend of the last 180 days / spend of the last 360 days; 0.5 = steady, 0 = dried up
with days as (
    select
        customer_id,
        ordered_on,
        date_diff('day', ordered_on, cast($as_of as date)) as age_days,
        net_spend,
        net_margin,
        is_purchase_day
    from facts.order_days_before($as_of, _known_at := $known_at)
),

by_customer as (
    select
        customer_id,
        sum(net_spend) as net_spend,
        sum(case when age_days <= 90 then net_spend end) as net_spend_90,
        sum(case when age_days <= 180 then net_spend end) as net_spend_180,
        sum(case when age_days <= 360 then net_spend end) as net_spend_360,
        sum(case when age_days <= 365 then net_spend end) as net_spend_365,
        sum(case when age_days <= 365 then net_margin end) as net_margin_365,
        sum(case when is_purchase_day and net_spend is not null then 1 else 0 end) as priced_day_count,
        max_by(net_spend, ordered_on) filter (where is_purchase_day and net_spend is not null) as last_day_spend
    from days
    group by customer_id
)

select
    customer_id as customer_id,
    cast(coalesce(net_spend, 0) as double) as net_spend,
    cast(coalesce(net_spend_90, 0) as double) as net_spend_90,
    cast(coalesce(net_spend_365, 0) as double) as net_spend_365,
    cast(net_margin_365 as double) as net_margin_365,
    case
        when priced_day_count > 0 then cast(net_spend as double) / cast(priced_day_count as double)
    end as mean_day_spend,
    cast(last_day_spend as double) as last_day_spend,
    case
        when net_spend_360 > 0
            then cast(coalesce(net_spend_180, 0) as double) / cast(net_spend_360 as double)
    end as spend_share_180
from by_customer
