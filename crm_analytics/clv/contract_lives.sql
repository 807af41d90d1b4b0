-- kind:    features
-- purpose: How many periods did each contract last, and has it ended (for the shifted beta-geometric model)?
-- grain:   contract_id
-- reads:   facts.contracts_before, facts.customers_before
-- columns:
--   contract_id      contract with a known period, of a customer that is no test or internal one
--   customer_id      canonical customer
--   cohort           first day of the month in which it began
--   started_on       first day
--   period_days      days from one renewal to the next: as asked for, else its billing period
--   periods          ended: the period (1, 2, ...) after which it was not renewed; running: renewals so far
--   has_ended        cancelled, or the term over without renewing by itself, before as_of
--   period_amount    price per billing period, reporting currency
with contracts as (
    select
        contract_id,
        customer_id,
        started_on,
        coalesce(cast($period_days as bigint), billing_period_days) as period_days,
        not is_active as has_ended,
        ended_on,
        period_amount
    from facts.contracts_before($as_of)
)

-- cancelled on the day of renewal = not renewed; that day itself is seen only if it lies before as_of
select
    contracts.contract_id as contract_id,
    contracts.customer_id as customer_id,
    cast(date_trunc('month', started_on) as date) as cohort,
    started_on as started_on,
    period_days as period_days,
    cast(
        case
            when has_ended then greatest((ended_on - started_on + period_days - 1) // period_days, 1)
            else (cast($as_of as date) - 1 - started_on) // period_days
        end as bigint
    ) as periods,
    has_ended as has_ended,
    period_amount as period_amount
from contracts
join facts.customers_before($as_of) as customers on customers.customer_id = contracts.customer_id
where period_days > 0 and not customers.is_excluded
order by contract_id
