-- kind:    facts
-- purpose: What was one unit of each currency worth in the reporting currency, on each day before as_of?
-- grain:   currency, priced_on
-- reads:   entities.exchange_rates_known, ops.settings
-- columns:
--   currency    ISO 4217 code
--   priced_on   day
--   rate        units of the reporting currency for one unit of `currency`; a rate holds until the next
with rates as (
    select
        r.currency as currency,
        r.occurred_on as from_on,
        r.rate as rate
    from entities.exchange_rates_known(_known_at := $known_at) as r
    join ops.settings as s on s.name = 'reporting_currency' and s.value = r.to_currency
    where r.occurred_on < cast($as_of as date)
    qualify row_number() over (
        partition by r.currency, r.occurred_on
        order by r.recorded_at desc, r.row_id desc
    ) = 1
),

periods as (
    select
        currency,
        from_on,
        rate,
        coalesce(lead(from_on) over (partition by currency order by from_on), cast($as_of as date)) as until_on
    from rates
)

select
    currency as currency,
    cast(unnest(range(cast(from_on as timestamp), cast(until_on as timestamp), interval 1 day)) as date) as priced_on,
    rate as rate
from periods
