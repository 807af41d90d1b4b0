-- kind:    statement
-- purpose: What was loaded, and does every file's account balance?
-- grain:   load_id
-- reads:   ops.loads
-- columns:
--   load_id             number of the load
--   file                name of the file
--   profile             import profile
--   source_system       system the ids are scoped by
--   entity              entity that the records are counted in
--   status              loaded, refused or unchanged
--   rows_in             data records in the file
--   rows_loaded         records that became the current version of their row
--   rows_quarantined    records set aside
--   rows_merged         records that said nothing new
--   reason              why a file was refused
--   received_on         day it was received, in business time
select
    load_id as load_id,
    file as file,
    profile as profile,
    source_system as source_system,
    entity as entity,
    status as status,
    rows_in as rows_in,
    rows_loaded as rows_loaded,
    rows_quarantined as rows_quarantined,
    rows_merged as rows_merged,
    reason as reason,
    cast(received_at as date) as received_on
from ops.loads
order by load_id
