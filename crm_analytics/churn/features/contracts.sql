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
with contracts as (
    select
        customer_id,
        is_active,
        case
            when is_active and not coalesce(renews, false) then date_diff('day', cast($as_of as date), ends_on)
        end as days_to_end,
        date_diff('day', cancelled_on, cast($as_of as date)) as cancelled_age_days
    from facts.contracts_before($as_of)
    where customer_id is not null
)

select
    customer_id as customer_id,
    cast(sum(case when is_active then 1 else 0 end) as bigint) as active_contract_count,
    cast(sum(case when is_active then 0 else 1 end) as bigint) as ended_contract_count,
    min(days_to_end) as days_to_contract_end,
    min(cancelled_age_days) as days_since_cancelled
from contracts
group by customer_id
