-- kind:    statement
-- purpose: Which ids of customers look most like this one?  Ids that are e-mail addresses are left out.
-- grain:   source_system, source_id
-- reads:   entities.customers_versions
-- columns:
--   source_system    system of the record
--   source_id        its id there
--   distance         letters that differ
with ids as (
    select distinct source_system, source_id
    from entities.customers_versions
    where not contains(source_id, '@') and abs(length(source_id) - length($source_id)) <= 2
)

select
    source_system as source_system,
    source_id as source_id,
    levenshtein(lower(source_id), lower($source_id)) as distance
from ids
where levenshtein(lower(source_id), lower($source_id)) <= 2
order by distance, source_id, source_system
limit 3
