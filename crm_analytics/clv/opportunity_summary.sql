-- kind:    features
-- purpose: Which of its opportunities to buy, one per period, did each customer use before as_of (for BG/BB)?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   customer_id      canonical customer with at least one purchase day; no test or internal one
--   source_system    system of the leading source record
--   source_id        its id there
--   frequency        periods with a purchase after the period of the first purchase
--   recency          days from the period of the first to that of the last purchase, a multiple of period_days
--   T                days from the period of the first purchase to the last period before as_of, likewise
--   period_days      length of a period, in days
-- Periods are counted back from as_of, so that all of them are over: period 0 ends on the day before as_of.
with used as (
    select distinct
        customer_id,
        (cast($as_of as date) - 1 - ordered_on) // cast($period_days as bigint) as periods_ago
    from facts.order_days_before($as_of)
    where is_purchase_day
),

histories as (
    select
        customer_id,
        count(*) - 1 as frequency,
        max(periods_ago) as first_period,
        min(periods_ago) as last_period
    from used
    group by customer_id
)

select
    histories.customer_id as customer_id,
    customers.source_system as source_system,
    customers.source_id as source_id,
    cast(frequency as bigint) as frequency,
    cast((first_period - last_period) * cast($period_days as bigint) as bigint) as recency,
    cast(first_period * cast($period_days as bigint) as bigint) as "T",
    cast($period_days as bigint) as period_days
from histories
join facts.customers_before($as_of) as customers on customers.customer_id = histories.customer_id
where not customers.is_excluded
order by customer_id
