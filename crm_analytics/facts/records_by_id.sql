-- kind:    statement
-- purpose: Which source records of customers have this id, in whatever system?
-- grain:   source_system
-- reads:   entities.customers_versions
-- columns:
--   source_system    system that knows the id
select distinct source_system as source_system
from entities.customers_versions
where source_id = $source_id
order by source_system
