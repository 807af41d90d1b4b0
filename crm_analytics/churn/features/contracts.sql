-- kind:    features
-- purpose: Does a contract of the customer come to its end?
-- grain:   customer_id
-- reads:   facts.contracts_before
-- columns:
--   customer_id               canonical customer
--   active_contract_count     contracts running on the day before as_of
--   ended_contract_count      contracts that have ended or were cancelled before as_of
--   days_to_contract_end      days from as_of to the first end of a running contract that does not renew by itself;
--                             NULL = none such
--   days_since_cancelled      days since a contract was last cancelled; NULL = never
--   contract_age_days         days since the oldest running contract began; NULL = none runs
--   renewing_contract_count   running contracts that renew by themselves or have no end
--   contract_amount_30        price of the running contracts per 30 days, reporting currency;
--                             NULL = none runs, or none has a price and a billing period
with contracts as (
    select
        customer_id,
        is_active,
        case
            when is_active and not coalesce(renews, false) then date_diff('day', cast($as_of as date), ends_on)
        end as days_to_end,
        date_diff('day', cancelled_on, cast($as_of as date)) as cancelled_age_days,
        case when is_active then date_diff('day', started_on, cast($as_of as date)) end as age_days,
        is_active and (ends_on is null or coalesce(renews, false)) as is_renewing,
        case
            when is_active and billing_period_days > 0
                then cast(
                    cast(period_amount as decimal(38, 4)) * 30 / billing_period_days as decimal(38, 4)
                )
        end as amount_30
    from facts.contracts_before($as_of, _known_at := $known_at)
    where customer_id is not null
)

select
    customer_id as customer_id,
    cast(sum(case when is_active then 1 else 0 end) as bigint) as active_contract_count,
    cast(sum(case when is_active then 0 else 1 end) as bigint) as ended_contract_count,
    min(days_to_end) as days_to_contract_end,
    min(cancelled_age_days) as days_since_cancelled,
    max(age_days) as contract_age_days,
    cast(sum(case when is_renewing then 1 else 0 end) as bigint) as renewing_contract_count,
    cast(sum(amount_30) as double) as contract_amount_30
from contracts
group by customer_id
