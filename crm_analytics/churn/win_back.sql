-- kind:    kpi
-- purpose: Which customers have left, and what did they bring in the last year in which they bought?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.customers_before, facts.refusals_known
-- columns:
--   customer_id         canonical customer who bought nothing in the active_days before as_of
--   source_system       system of the leading source record
--   source_id           its id there
--   owner_source_id     user who looked after the customer; NULL = nobody
--   is_refused          wants no marketing on the channel, or on any, by all that is known
--   last_ordered_on     last purchase day
--   silent_days         days from it to as_of - 1
--   order_day_count     days with a purchase
--   last_year_spend     net spend of the 365 days up to the last purchase, reporting currency; NULL = a day has
--                       no price or rate
--   last_year_margin    margin of these days; NULL = a cost is unknown
with days as (
    select
        customer_id,
        ordered_on,
        is_purchase_day,
        net_spend,
        net_margin,
        max(case when is_purchase_day then ordered_on end) over (partition by customer_id) as last_ordered_on
    from facts.order_days_before($as_of)
),

by_customer as (
    select
        customer_id,
        last_ordered_on,
        count(*) filter (where is_purchase_day) as order_day_count,
        case
            when count(*) filter (where ordered_on > last_ordered_on - 365)
                = count(net_spend) filter (where ordered_on > last_ordered_on - 365)
                then sum(net_spend) filter (where ordered_on > last_ordered_on - 365)
        end as last_year_spend,
        case
            when count(*) filter (where ordered_on > last_ordered_on - 365)
                = count(net_margin) filter (where ordered_on > last_ordered_on - 365)
                then sum(net_margin) filter (where ordered_on > last_ordered_on - 365)
        end as last_year_margin
    from days
    where last_ordered_on is not null
    group by customer_id, last_ordered_on
)

select
    by_customer.customer_id as customer_id,
    customers.source_system as source_system,
    customers.source_id as source_id,
    customers.owner_source_id as owner_source_id,
    refused.customer_id is not null as is_refused,
    last_ordered_on as last_ordered_on,
    date_diff('day', last_ordered_on, cast($as_of as date)) - 1 as silent_days,
    order_day_count as order_day_count,
    last_year_spend as last_year_spend,
    last_year_margin as last_year_margin
from by_customer
join facts.customers_before($as_of) as customers on customers.customer_id = by_customer.customer_id
left join facts.refusals_known($as_of, $channel) as refused on refused.customer_id = by_customer.customer_id
where
    not customers.is_excluded
    and last_ordered_on < cast($as_of as date) - cast($active_days as integer)
order by customer_id
