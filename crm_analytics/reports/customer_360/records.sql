-- kind:    kpi
-- purpose: Which source records are the customer?
-- grain:   record_id
-- reads:   facts.source_records_before
-- columns:
--   record_id          source record, as system:id
--   customer_id        canonical customer it belongs to
--   source_system      system of the record
--   source_id          its id there
--   known_on           business day on which the source created it; NULL = the source does not say
--   changed_on         business day since which its last version holds
--   owner_source_id    user who looks after it
--   is_excluded        test or internal record
select
    f.record_id as record_id,
    f.customer_id as customer_id,
    f.source_system as source_system,
    f.source_id as source_id,
    f.known_on as known_on,
    f.changed_on as changed_on,
    f.owner_source_id as owner_source_id,
    f.is_excluded as is_excluded
from facts.source_records_before($as_of) as f
where f.customer_id = $customer_id
order by record_id
