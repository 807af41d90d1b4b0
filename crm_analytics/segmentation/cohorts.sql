-- kind:    features
-- purpose: Of the customers who first bought in a period, how many bought again in each later period, and for how much?
-- grain:   cohort_on, age
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   cohort_on         first day of the period of the first purchase
--   age               periods since then; 0 = the period of the first purchase
--   customer_count    customers of the cohort who bought in that period
--   cohort_size       customers of the cohort
--   net_spend         what the cohort spent in that period, net of returns; NULL = a part has no price
--   is_complete       the period was over at as_of
-- $period is month or quarter. Periods in which nobody of a cohort bought are rows too, up to that of as_of - 1.
with days as (
    select
        d.customer_id as customer_id,
        date_trunc($period, d.ordered_on) as period_on,
        d.is_purchase_day as is_purchase_day,
        d.net_spend as net_spend
    from facts.order_days_before($as_of) as d
    join facts.customers_before($as_of) as c on c.customer_id = d.customer_id
    where not c.is_excluded
),

firsts as (
    select customer_id, min(period_on) as cohort_on
    from days
    where is_purchase_day
    group by customer_id
),

cohorts as (
    select cohort_on, count(*) as cohort_size from firsts group by cohort_on
),

activity as (
    select
        firsts.cohort_on as cohort_on,
        date_diff($period, firsts.cohort_on, days.period_on) as age,
        count(distinct case when days.is_purchase_day then days.customer_id end) as customer_count,
        case when count(*) = count(days.net_spend) then sum(days.net_spend) end as net_spend
    from days
    join firsts on firsts.customer_id = days.customer_id
    group by firsts.cohort_on, age
),

ages as (
    select
        cohort_on,
        cohort_size,
        unnest(range(date_diff($period, cohort_on, cast($as_of as date) - 1) + 1)) as age
    from cohorts
)

select
    ages.cohort_on as cohort_on,
    ages.age as age,
    coalesce(activity.customer_count, 0) as customer_count,
    ages.cohort_size as cohort_size,
    cast(case when activity.cohort_on is null then 0 else activity.net_spend end as decimal(38, 4)) as net_spend,
    date_diff($period, ages.cohort_on, cast($as_of as date)) > ages.age as is_complete
from ages
left join activity on activity.cohort_on = ages.cohort_on and activity.age = ages.age
order by cohort_on, age
