-- kind:    features
-- purpose: How long did each contract run, and has it ended?
-- grain:   contract_id
-- reads:   facts.contracts_before, facts.customers_before
-- columns:
--   contract_id      contract of a customer that is no test or internal one
--   customer_id      canonical customer
--   life_days        days from its first day to the first without it, or to as_of while it runs; at least 1
--   is_ended         cancelled, or the term over without renewing by itself, before as_of
--   end_kind         voluntary (cancelled by the customer, or let run out) or involuntary; NULL = runs
with contracts as (
    select
        contract_id,
        customer_id,
        started_on,
        is_active,
        cancel_kind,
        case
            when is_active then cast($as_of as date)
            -- one that renews ends only by being cancelled, another at the end of its term at the latest
            when coalesce(renews, false) or ends_on is null then cancelled_on
            else least(coalesce(cancelled_on, ends_on + 1), ends_on + 1)
        end as until_on
    from facts.contracts_before($as_of, _known_at := $known_at)
    where customer_id is not null
)

select
    contracts.contract_id as contract_id,
    contracts.customer_id as customer_id,
    greatest(1, date_diff('day', started_on, until_on)) as life_days,
    not is_active as is_ended,
    case when not is_active then coalesce(cancel_kind, 'voluntary') end as end_kind
from contracts
join facts.customers_before($as_of, _known_at := $known_at) as customers on customers.customer_id = contracts.customer_id
where not customers.is_excluded
order by contract_id
