-- kind:    quality
-- purpose: Which fields are empty, of which entity, from which system and in whose care?
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.filled_fields
-- columns:
--   entity             entity of the rows
--   field              column of the entity
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          rows
--   bad_count          rows in which it is empty
select
    entity as entity,
    field as field,
    source_system as source_system,
    owner_source_id as owner_source_id,
    row_count as row_count,
    row_count - filled_count as bad_count
from entities.filled_fields
order by entity, field, source_system, owner_source_id
