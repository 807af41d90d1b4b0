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
select
    contracts.contract_id as contract_id,
    contracts.customer_id as customer_id,
    greatest(
        1, date_diff('day', contracts.started_on, coalesce(contracts.ended_on, cast($as_of as date)))
    ) as life_days,
    not contracts.is_active as is_ended,
    contracts.end_kind as end_kind
from facts.contracts_before($as_of, _known_at := $known_at) as contracts
join facts.customers_before($as_of, _known_at := $known_at) as customers on customers.customer_id = contracts.customer_id
where not customers.is_excluded
order by contract_id
