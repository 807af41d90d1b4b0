-- kind:    quality
-- purpose: Which records has nobody touched for long before as_of, though they are said to be live?
-- gate:    warn above 0.5
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.contacts, entities.customers, entities.leads, entities.opportunities, entities.tasks,
--          entities.tickets
-- columns:
--   entity             entity of the rows
--   field              modified_at: nothing changed for long; due_on, expected_close_on: a day that has passed
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          live rows: open deals, tickets, tasks; leads not converted; customers, contacts
--   bad_count          rows that are stale: see the days in the query
with live as (
    -- people and organisations: two years without a change
    select 'customers' as entity, 'modified_at' as field, source_system, coalesce(owner_source_id, '') as owner,
        cast(valid_from as date) + 730 as stale_on
    from entities.customers
    union all
    select 'contacts', 'modified_at', source_system, coalesce(owner_source_id, ''),
        cast(valid_from as date) + 730
    from entities.contacts
    union all
    -- sales: a quarter
    select 'leads', 'modified_at', source_system, coalesce(owner_source_id, ''),
        cast(valid_from as date) + 90
    from entities.leads where not coalesce(is_converted, false)
    union all
    select 'opportunities', 'modified_at', source_system, coalesce(owner_source_id, ''),
        cast(valid_from as date) + 90
    from entities.opportunities where stage_kind = 'open'
    union all
    select 'opportunities', 'expected_close_on', source_system, coalesce(owner_source_id, ''),
        expected_close_on + 1
    from entities.opportunities where stage_kind = 'open' and expected_close_on is not null
    union all
    -- service and work: a month, and every day that was promised
    select 'tickets', 'modified_at', source_system, coalesce(owner_source_id, ''),
        cast(valid_from as date) + 30
    from entities.tickets where resolved_at is null
    union all
    select 'tasks', 'due_on', source_system, coalesce(owner_source_id, ''),
        due_on + 1
    from entities.tasks where status = 'open' and due_on is not null
)

select
    entity as entity,
    field as field,
    source_system as source_system,
    owner as owner_source_id,
    count(*) as row_count,
    count(*) filter (stale_on <= cast($as_of as date)) as bad_count
from live
group by entity, field, source_system, owner
order by entity, field, source_system, owner_source_id
