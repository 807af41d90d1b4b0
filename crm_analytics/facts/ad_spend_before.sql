-- kind:    facts
-- purpose: What was spent on advertising before as_of, day by day?
-- grain:   spend_id
-- reads:   entities.ad_spend_known, facts.daily_rates_before, ops.settings
-- columns:
--   spend_id       identity of the record
--   spent_on       business day
--   channel        advertising channel
--   campaign_id    campaign, as system:id; NULL = none named
--   amount         money spent, reporting currency at the rate of the day; NULL = no rate
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
)

select
    hex(e.row_id) as spend_id,
    e.occurred_on as spent_on,
    e.channel as channel,
    e.source_system || ':' || e.campaign_source_id as campaign_id,
    cast(
        cast(e.amount as decimal(38, 4)) * case when e.currency = reporting.currency then 1 else r.rate end
        as decimal(38, 4)
    ) as amount
from entities.ad_spend_known(_known_at := $known_at) as e
cross join reporting
left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
    on r.currency = e.currency and r.priced_on = e.occurred_on
where e.occurred_on < cast($as_of as date)
