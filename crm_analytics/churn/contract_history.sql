-- kind:    statement
-- purpose: How far back do contracts reach?
-- grain:   none
-- reads:   facts.contracts_before
-- columns:
--   first_started_on    first day of the first contract; NULL = no contract
--   contract_count      contracts begun before as_of
select
    min(started_on) as first_started_on,
    count(*) as contract_count
from facts.contracts_before($as_of, _known_at := $known_at)
where customer_id is not null
