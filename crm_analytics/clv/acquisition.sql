-- kind:    features
-- purpose: What was spent on advertising before as_of, by month and channel?
-- grain:   spent_month_on, channel
-- reads:   facts.ad_spend_before
-- columns:
--   spent_month_on    first day of the month
--   channel           advertising channel
--   amount            money spent, reporting currency; NULL = a part has no rate
select
    cast(date_trunc('month', spent_on) as date) as spent_month_on,
    channel as channel,
    case when count(*) = count(amount) then cast(sum(amount) as decimal(38, 4)) end as amount
from facts.ad_spend_before($as_of)
group by spent_month_on, channel
order by spent_month_on, channel
