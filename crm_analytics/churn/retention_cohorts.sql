-- kind:    kpi
-- purpose: Of the customers won in a month, how many bought in each month after it, and for how much?
-- grain:   cohort_on, age_months
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   cohort_on         first day of the month of the first purchase
--   age_months        whole months after it; 0 = the month itself
--   cohort_count      customers of the cohort
--   active_count      of these, bought in that month; 0 where nobody did
--   net_spend         their net spend in that month, reporting currency; NULL = a part has no price
with days as (
    select
        bought.customer_id as customer_id,
        cast(date_trunc('month', bought.ordered_on) as date) as month_on,
        bought.is_purchase_day as is_purchase_day,
        bought.net_spend as net_spend
    from facts.order_days_before($as_of) as bought
    anti join (
        select customer_id from facts.customers_before($as_of) where is_excluded
    ) as excluded on excluded.customer_id = bought.customer_id
    -- a month that as_of cuts would look as if customers had gone
    where bought.ordered_on < date_trunc('month', cast($as_of as date))
),

firsts as (
    select customer_id, min(month_on) as cohort_on from days where is_purchase_day group by customer_id
),

sizes as (
    select cohort_on, count(*) as cohort_count from firsts group by cohort_on
),

ages as (
    select
        cohort_on,
        cohort_count,
        unnest(range(
            date_diff('month', cohort_on, cast(date_trunc('month', cast($as_of as date)) as date))
        )) as age_months
    from sizes
),

by_age as (
    select
        firsts.cohort_on as cohort_on,
        date_diff('month', firsts.cohort_on, days.month_on) as age_months,
        count(distinct case when days.is_purchase_day then days.customer_id end) as active_count,
        case when count(*) = count(days.net_spend) then sum(days.net_spend) end as net_spend
    from days
    join firsts on firsts.customer_id = days.customer_id and firsts.cohort_on <= days.month_on
    group by firsts.cohort_on, date_diff('month', firsts.cohort_on, days.month_on)
)

select
    ages.cohort_on as cohort_on,
    ages.age_months as age_months,
    ages.cohort_count as cohort_count,
    coalesce(by_age.active_count, 0) as active_count,
    case when by_age.cohort_on is null then 0 else by_age.net_spend end as net_spend
from ages
left join by_age on by_age.cohort_on = ages.cohort_on and by_age.age_months = ages.age_months
order by cohort_on, age_months
