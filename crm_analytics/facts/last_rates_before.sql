-- kind:    facts
-- purpose: What was one unit of each currency worth in the reporting currency on the last day before as_of?
-- grain:   currency
-- reads:   facts.daily_rates_before, ops.settings
-- columns:
--   currency    ISO 4217 code; the reporting currency itself is among them
--   rate        units of the reporting currency for one unit of `currency`
select
    currency as currency,
    rate as rate
from facts.daily_rates_before($as_of, _known_at := $known_at)
where priced_on = cast($as_of as date) - 1
union all
select
    value,
    cast(1 as decimal(22, 12))
from ops.settings
where name = 'reporting_currency'
