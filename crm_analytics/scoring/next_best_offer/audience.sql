-- kind:    features
-- purpose: To whom can something be offered at as_of, and how active are they?
-- grain:   customer_id
-- reads:   facts.customers_before, facts.order_days_before, facts.refusals_known
-- columns:
--   customer_id              canonical customer; test and internal records are not here
--   source_system            system of the leading source record
--   source_id                its id there
--   segment                  country, the segment in which popularity is counted; NULL = unknown
--   order_day_count          days with a purchase; 0 = none yet
--   days_since_last_order    days from the last purchase day to as_of - 1; NULL = none yet
--   is_refused               wants no marketing on the channel, or on any, by all that is known: nothing is offered
with activity as (
    select
        customer_id,
        count(*) as order_day_count,
        date_diff('day', max(ordered_on), cast($as_of as date)) - 1 as days_since_last_order
    from facts.order_days_before($as_of)
    where is_purchase_day
    group by customer_id
)

select
    c.customer_id as customer_id,
    c.source_system as source_system,
    c.source_id as source_id,
    c.country as segment,
    coalesce(activity.order_day_count, 0) as order_day_count,
    activity.days_since_last_order as days_since_last_order,
    refused.customer_id is not null as is_refused
from facts.customers_before($as_of) as c
left join activity on activity.customer_id = c.customer_id
left join facts.refusals_known($as_of, $channel) as refused on refused.customer_id = c.customer_id
where not c.is_excluded
order by customer_id
