-- kind:    features
-- purpose: Who has ever had a contract, and which record leads?  The customers of contractual churn.
-- grain:   customer_id
-- reads:   facts.contracts_before, facts.customers_before
-- columns:
--   customer_id      canonical customer with a contract begun before as_of
--   source_system    system of the leading source record
--   source_id        its id there
--   excluded_as      test record or internal record; NULL = is asked about
with holders as (
    select distinct customer_id from facts.contracts_before($as_of, _known_at := $known_at) where customer_id is not null
)

select
    holders.customer_id as customer_id,
    known.source_system as source_system,
    known.source_id as source_id,
    known.excluded_as as excluded_as
from holders
join facts.customers_before($as_of, _known_at := $known_at) as known on known.customer_id = holders.customer_id
order by customer_id
