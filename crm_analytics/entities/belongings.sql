-- kind:    entities
-- purpose: Which record belongs to which other, where a relation apart from both says so (held before as_of,
--          or first told after it)?
-- grain:   row_id
-- reads:   entities.relations_at
-- columns:
--   row_id           identity of the relation
--   entity           entity of the record
--   source_system    system of both
--   source_id        id of the record
--   of_entity        entity of what it belongs to: customers, contacts or opportunities
--   of_source_id     its id; NULL = only its name is told
--   of_name          name of the customer as written; NULL = an id is told, or nothing any more
--   is_primary       the source calls it the main one of several
--   is_held          told before as_of
--   told_from        since when it holds
with records as (
    select
        *,
        case
            when interaction_source_id is not null then 'interactions'
            when task_source_id is not null then 'tasks'
            when ticket_source_id is not null then 'tickets'
            when opportunity_source_id is not null then 'opportunities'
            when contact_source_id is not null then 'contacts'
        end as entity,
        coalesce(
            interaction_source_id, task_source_id, ticket_source_id, opportunity_source_id, contact_source_id
        ) as source_id
    from entities.relations_at($as_of, _known_at := $known_at)
)

select
    row_id as row_id,
    entity as entity,
    source_system as source_system,
    source_id as source_id,
    case
        when customer_source_id is not null or customer_name is not null then 'customers'
        when contact_source_id is not null and entity <> 'contacts' then 'contacts'
        when opportunity_source_id is not null and entity <> 'opportunities' then 'opportunities'
        else 'customers'
    end as of_entity,
    case
        when customer_source_id is not null or customer_name is not null then customer_source_id
        when contact_source_id is not null and entity <> 'contacts' then contact_source_id
        when opportunity_source_id is not null and entity <> 'opportunities' then opportunity_source_id
    end as of_source_id,
    case when customer_source_id is null then customer_name end as of_name,
    coalesce(is_primary, false) as is_primary,
    is_held as is_held,
    valid_from as told_from
from records
where entity is not null
