-- kind:    facts
-- purpose: Which source records described customers before as_of, and whose are they?
-- grain:   record_id
-- reads:   entities.customers_at, entities.customer_ids
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
    e.source_system || ':' || e.source_id as record_id,
    coalesce(ids.customer_id, e.source_system || ':' || e.source_id) as customer_id,
    e.source_system as source_system,
    e.source_id as source_id,
    case when e.created_at < cast(cast($as_of as date) as timestamptz) then cast(e.created_at as date) end
        as known_on,
    cast(e.valid_from as date) as changed_on,
    e.owner_source_id as owner_source_id,
    coalesce(e.is_test, false) or coalesce(e.is_internal, false) as is_excluded
from entities.customers_at($as_of, _known_at := $known_at) as e
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = e.source_system and ids.source_id = e.source_id
-- what only a later version tells was not known
where e.is_held
