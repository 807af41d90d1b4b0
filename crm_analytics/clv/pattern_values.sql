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
--   status                     ok, low_information, fallback or excluded (statuses.py); numbers are missing
--                              where excluded
--   status_reason              why, in words; empty if ok
-- Reasons: those of the history (fault) and of the models ($everybody, $remark) are given, those of the
-- customer decided here, the first that holds, in the words of statuses.py.
-- Gamma-Gamma: a customer without usable spend gets the mean of all; one whose repeat purchases brought
-- nothing gets 0.
with priced as (
    select
        customer_id,
        frequency,
        recency,
        "T",
        monetary_value,
        unpriced_order_count,
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
),

-- the join keeps impossible histories too, whose numbers may be missing
joined as (
    select
        valued.*,
        scored.* exclude (frequency, recency, "T"),
        case
            when scored.fault <> '' then scored.fault
            when $everybody <> '' then $everybody
            when odd.customer_id is not null then $odd
            when valued.is_worthless then $worthless
            when valued.frequency > 0 and valued.counted = 0 then $priceless
            when valued.frequency > 0
                and abs((ln(case when valued.mean_spend > 0 then valued.mean_spend end) - $usual_log_spend)
                    / $spend_spread) > $spend_limit then $odd_spend
            when valued.frequency = 0 then $one_time
            when valued.unpriced_order_count > 0 then $unpriced
            else $remark
        end as status_reason
    from valued
    join clv_scored_patterns as scored
        on scored.frequency is not distinct from valued.frequency
        and scored.recency is not distinct from valued.recency
        and scored."T" is not distinct from valued."T"
    left join clv_odd_customers as odd on odd.customer_id = valued.customer_id
)

select
    customer_id as customer_id,
    cast($horizon_days as double) as horizon_days,
    frequency as frequency,
    recency as recency,
    "T" as "T",
    monetary_value as monetary_value,
    case when not $is_mean_rate then probability_alive end as probability_alive,
    expected_purchases as expected_purchases,
    expected_purchases_low as expected_purchases_low,
    expected_purchases_high as expected_purchases_high,
    next_purchase_days as next_purchase_days,
    next_purchase_days_low as next_purchase_days_low,
    next_purchase_days_high as next_purchase_days_high,
    expected_purchases * each as expected_spend,
    discounted_purchases * each as lifetime_revenue,
    spend_low * each as lifetime_revenue_low,
    spend_high * each as lifetime_revenue_high,
    case
        when fault <> '' then 'excluded'
        when $everybody <> '' then 'fallback'
        when status_reason <> '' then 'low_information'
        else 'ok'
    end as status,
    status_reason as status_reason
from joined
