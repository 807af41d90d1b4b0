-- kind:    facts
-- purpose: What did each campaign cost that ended before as_of?  While one runs, its cost is not settled.
-- grain:   campaign_id
-- reads:   entities.campaigns_at, facts.daily_rates_before, ops.settings
-- columns:
--   campaign_id    campaign, as system:id
--   channel        channel
--   started_on     first day
--   ended_on       last day
--   cost_amount    actual cost, reporting currency at the rate of the last day; NULL = unknown or no rate
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
)

select
    e.source_system || ':' || e.source_id as campaign_id,
    e.channel as channel,
    e.started_on as started_on,
    e.ended_on as ended_on,
    cast(
        cast(e.cost_amount as decimal(38, 4)) * case when e.currency = reporting.currency then 1 else r.rate end
        as decimal(38, 4)
    ) as cost_amount
from entities.campaigns_at($as_of, _known_at := $known_at) as e
cross join reporting
left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
    on r.currency = e.currency and r.priced_on = e.ended_on
where e.ended_on < cast($as_of as date)
