-- kind:    facts
-- purpose: What was one unit of each currency worth in the reporting currency, on each day before as_of?  Only rates
--          between the two count: nothing is priced through a third currency.
-- grain:   currency, priced_on
-- reads:   entities.exchange_rates_known, ops.settings
-- columns:
--   currency    ISO 4217 code; never the reporting currency
--   priced_on   day
--   rate        units of the reporting currency for one unit of `currency`; a rate holds until the next
with told as (
    select
        case when r.to_currency = s.value then r.currency else r.to_currency end as currency,
        r.occurred_on as from_on,
        -- a rate from the reporting currency into another holds the other way round; twelve places, since
        -- one unit may be worth a millionth
        try_cast(
            case
                when r.to_currency = s.value then r.rate
                else cast(1 as double) / cast(r.rate as double)
            end as decimal(22, 12)
        ) as rate,
        r.to_currency <> s.value as is_turned,
        coalesce(r.is_undated, false) as is_undated,
        r.recorded_at as recorded_at,
        r.row_id as row_id
    from entities.exchange_rates_known(_known_at := $known_at) as r
    join ops.settings as s on s.name = 'reporting_currency' and s.value in (r.currency, r.to_currency)
    where r.occurred_on < cast($as_of as date) and r.rate > 0 and r.currency <> r.to_currency
),

rates as (
    select
        currency,
        from_on,
        rate
    from told
    where rate > 0
    -- a rate without a first day of its own counts only before the first dated one
    qualify row_number() over (
        partition by currency, from_on
        order by is_undated, is_turned, recorded_at desc, row_id desc
    ) = 1
    and (
        not is_undated
        or coalesce(from_on < min(case when not is_undated then from_on end) over (partition by currency), true)
    )
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
