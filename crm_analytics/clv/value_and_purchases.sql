-- kind:    label
-- purpose: What did a night expect of each customer, and what came before until_on?
-- grain:   customer_id
-- reads:   scores.clv, facts.purchases_between, facts.source_records_before
-- columns:
--   customer_id             canonical customer, as that night knew it
--   horizon_days            days ahead that the predictions cover
--   frequency               days with a purchase after the first such day
--   recency                 days from the first to the last purchase day
--   T                       days from the first purchase day to as_of - 1
--   monetary_value          mean net spend per repeat purchase day, reporting currency
--   is_scored               false = that night excluded it
--   purchase_day_count      days with a purchase in [as_of, until_on)
--   net_spend               net amount of these days, reporting currency; NULL = a part has no price
with predicted as (
    select
        clv.*,
        -- who has been merged into another customer since buys under that one's id
        coalesce(records.customer_id, clv.customer_id) as present_id
    from scores.clv as clv
    left join facts.source_records_before($until_on) as records on records.record_id = clv.customer_id
    where clv.as_of = cast($as_of as date)
),

came as (
    select
        customer_id,
        count(*) as purchase_day_count,
        case when count(net_spend) = count(*) then sum(net_spend) end as net_spend
    from facts.purchases_between(cast($as_of as date), cast($until_on as date))
    group by customer_id
),

-- what a merged customer bought is counted once
placed as (
    select
        *,
        row_number() over (partition by present_id order by customer_id) = 1 as is_first
    from predicted
)

select
    placed.customer_id as customer_id,
    placed.horizon_days as horizon_days,
    placed.frequency as frequency,
    placed.recency as recency,
    placed."T" as "T",
    placed.monetary_value as monetary_value,
    placed.status <> 'excluded' as is_scored,
    coalesce(came.purchase_day_count, 0) as purchase_day_count,
    case when came.customer_id is null then 0 else came.net_spend end as net_spend
from placed
left join came on came.customer_id = placed.present_id and placed.is_first
order by customer_id
