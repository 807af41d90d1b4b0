-- kind:    facts
-- purpose: Which contact persons were known before as_of, and to which customer did they belong?
-- grain:   contact_id
-- reads:   entities.contacts_at, entities.customer_ids, entities.customers_of
-- columns:
--   contact_id         contact person, as system:id
--   customer_id        canonical customer the person belongs to, as the last version before as_of says
--   known_on           business day on which the record was made, or first told of
--   job_title          position in the organisation
--   department         department in the organisation
--   owner_source_id    user who looks after the person
select
    c.source_system || ':' || c.source_id as contact_id,
    coalesce(
        ids.customer_id, c.source_system || ':' || coalesce(c.customer_source_id, related.customer_source_id)
    ) as customer_id,
    cast(coalesce(c.created_at, c.valid_from) as date) as known_on,
    c.job_title as job_title,
    c.department as department,
    c.owner_source_id as owner_source_id
from entities.contacts_at($as_of, _known_at := $known_at) as c
left join entities.customers_of($as_of, _known_at := $known_at) as related
    on related.entity = 'contacts'
    and related.source_system = c.source_system
    and related.source_id = c.source_id
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = c.source_system
    and ids.source_id = coalesce(c.customer_source_id, related.customer_source_id)
-- what only a later version tells was not known
where c.is_held and coalesce(c.created_at, c.valid_from) < cast(cast($as_of as date) as timestamptz)
