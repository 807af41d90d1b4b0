-- kind:    statement
-- purpose: What is each customer worth, given the scores of its purchase history (clv_scored_patterns)?
-- grain:   customer_id
-- reads:   none
-- columns:
--   customer_id                canonical customer
--   horizon_days               days ahead that all predictions cover
--   frequency                  days with a purchase after the first such day
--   recency                    days from the first to the last purchase day
--   T                          days from the first purchase day to the last observed day
--   monetary_value             mean net spend per repeat purchase day; 0 if frequency = 0
--   probability_alive          0..1, that the customer has not left for good
--   expected_purchases         expected days with a purchase in the horizon
--   expected_purchases_low     lower limit of the actual number
--   expected_purchases_high    upper limit
--   next_purchase_days         days until the next purchase has come with probability 1/2; NULL = may never
--   next_purchase_days_low     lower limit of the actual number of days
--   next_purchase_days_high    upper limit
--   expected_spend             expected net spend in the horizon, not discounted
--   lifetime_revenue           the same, discounted to as_of
--   lifetime_revenue_low       lower limit of the actual, discounted
--   lifetime_revenue_high      upper limit
-- Gamma-Gamma: a customer without usable spend gets the mean of all; one whose repeat purchases brought
-- nothing gets 0.
with priced as (
    select
        customer_id,
        frequency,
        recency,
        "T",
        monetary_value,
        case
            when frequency > 0 and monetary_value > 0 and isfinite(monetary_value) then cast(frequency as double)
            else cast(0 as double)
        end as counted,
        case
            when frequency > 0 and monetary_value > 0 and isfinite(monetary_value) then monetary_value
            else cast(0 as double)
        end as mean_spend,
        frequency > 0 and monetary_value <= 0 as is_worthless
    from clv_summary
),

valued as (
    select
        *,
        case
            when is_worthless then cast(0 as double)
            else cast($spend_p as double) * (cast($spend_v as double) + counted * mean_spend)
                / (cast($spend_p as double) * counted + cast($spend_q as double) - cast(1 as double))
        end as each
    from priced
)

select
    valued.customer_id as customer_id,
    cast($horizon_days as double) as horizon_days,
    valued.frequency as frequency,
    valued.recency as recency,
    valued."T" as "T",
    valued.monetary_value as monetary_value,
    scored.probability_alive as probability_alive,
    scored.expected_purchases as expected_purchases,
    scored.expected_purchases_low as expected_purchases_low,
    scored.expected_purchases_high as expected_purchases_high,
    scored.next_purchase_days as next_purchase_days,
    scored.next_purchase_days_low as next_purchase_days_low,
    scored.next_purchase_days_high as next_purchase_days_high,
    scored.expected_purchases * valued.each as expected_spend,
    scored.discounted_purchases * valued.each as lifetime_revenue,
    scored.spend_low * valued.each as lifetime_revenue_low,
    scored.spend_high * valued.each as lifetime_revenue_high
from valued
join clv_scored_patterns as scored
    on scored.frequency = valued.frequency and scored.recency = valued.recency and scored."T" = valued."T"
