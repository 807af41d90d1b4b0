-- kind:    features
-- purpose: How often, how recently and for how much did each customer buy before as_of (for CLV models)?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   customer_id             canonical customer with at least one purchase day; no test or internal one
--   source_system           system of the leading source record
--   source_id               its id there
--   frequency               days with a purchase after the first such day
--   recency                 days from the first to the last purchase day; 0 if frequency = 0
--   T                       days from the first purchase day to the last observed day, as_of - 1
--   monetary_value          mean net spend per repeat purchase day, returns deducted, reporting currency;
--                           0 if frequency = 0; NULL = no repeat day has a price
--   log_gap_sum             sum of the natural logarithms of the days between neighbouring purchase days
--                           (how regular they are, for the CNBD-k models); 0 if frequency = 0
--   log_spend_sum           sum of the natural logarithms of the net spend of the repeat purchase days, reporting
--                           currency (for spend models that learn from single amounts); 0 if frequency = 0;
--                           NULL = a repeat day has no price or is not worth more than nothing, or goods
--                           came back on another day
--   first_ordered_on        first purchase day
--   last_ordered_on         last purchase day
--   order_count             orders
--   net_spend               net of returns, first day included, reporting currency;
--                           NULL = a part has no price or rate
--   net_margin              net spend - cost of goods, reporting currency; NULL = a cost is unknown
--   unpriced_order_count    orders without a price or rate: counted in frequency, not in amounts
-- A repeat day has a purchase day before it. A day on which goods only came back is no purchase, but what
-- came back lowers the spend of the repeat days if it came back after the first purchase day.
with histories as (
    select
        customer_id,
        min(case when is_purchase_day then ordered_on end) as first_ordered_on,
        max(case when is_purchase_day then ordered_on end) as last_ordered_on,
        sum(case when is_purchase_day then 1 else 0 end) - 1 as frequency,
        sum(case when previous_ordered_on is not null then net_spend end) as repeat_spend,
        sum(
            case
                when is_purchase_day and previous_ordered_on is not null and net_spend is not null then 1
                else 0
            end
        ) as priced_repeat_days,
        sum(
            case
                when is_purchase_day and previous_ordered_on is not null and net_spend > 0
                    then cast(ln(cast(net_spend as double)) as decimal(18, 15))
            end
        ) as log_spend_sum,
        sum(
            case
                when previous_ordered_on is not null and is_purchase_day and net_spend > 0 then 0
                when previous_ordered_on is not null then 1
                else 0
            end
        ) as worthless_repeat_days,
        -- summed as decimals: a sum of doubles depends on the order in which threads deliver the rows
        sum(
            case
                when is_purchase_day and previous_ordered_on is not null
                    then cast(ln(ordered_on - previous_ordered_on) as decimal(18, 15))
            end
        ) as log_gap_sum,
        sum(order_count) as order_count,
        case when count(*) = count(net_spend) then sum(net_spend) end as net_spend,
        case when count(*) = count(net_margin) then sum(net_margin) end as net_margin,
        sum(unpriced_order_count) as unpriced_order_count
    from facts.order_days_before($as_of, _known_at := $known_at)
    group by customer_id
    having bool_or(is_purchase_day)
)

select
    histories.customer_id as customer_id,
    customers.source_system as source_system,
    customers.source_id as source_id,
    cast(frequency as bigint) as frequency,
    cast(last_ordered_on - first_ordered_on as bigint) as recency,
    cast(cast($as_of as date) - 1 - first_ordered_on as bigint) as "T",
    case
        when frequency = 0 then cast(0 as double)
        when priced_repeat_days > 0 then cast(repeat_spend as double) / cast(priced_repeat_days as double)
    end as monetary_value,
    cast(coalesce(log_gap_sum, 0) as double) as log_gap_sum,
    case when worthless_repeat_days = 0 then cast(coalesce(log_spend_sum, 0) as double) end as log_spend_sum,
    first_ordered_on as first_ordered_on,
    last_ordered_on as last_ordered_on,
    cast(order_count as bigint) as order_count,
    cast(net_spend as decimal(38, 4)) as net_spend,
    cast(net_margin as decimal(38, 4)) as net_margin,
    cast(unpriced_order_count as bigint) as unpriced_order_count
from histories
join facts.customers_before($as_of, _known_at := $known_at) as customers on customers.customer_id = histories.customer_id
where not customers.is_excluded
order by customer_id
