-- kind:    quality
-- purpose: Which fields are empty, of which entity, from which system and in whose care?
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.ad_spend, entities.campaign_members, entities.campaigns, entities.consents,
--          entities.contacts, entities.contracts, entities.customers, entities.exchange_rates,
--          entities.feedback, entities.interactions, entities.leads, entities.opportunities,
--          entities.opportunity_stages, entities.order_lines, entities.orders, entities.payments,
--          entities.products, entities.returns, entities.tasks, entities.ticket_statuses,
--          entities.tickets, entities.users
-- columns:
--   entity             entity of the rows
--   field              column of the entity
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          rows
--   bad_count          rows in which it is empty
with counted as (
    select 'ad_spend' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.ad_spend group by all
    union all by name
    select 'campaign_members' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.campaign_members group by all
    union all by name
    select 'campaigns' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.campaigns group by all
    union all by name
    select 'consents' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.consents group by all
    union all by name
    select 'contacts' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        count(*) as row_count, count(columns(*))
    from entities.contacts group by all
    union all by name
    select 'contracts' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.contracts group by all
    union all by name
    select 'customers' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        count(*) as row_count, count(columns(*))
    from entities.customers group by all
    union all by name
    select 'exchange_rates' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.exchange_rates group by all
    union all by name
    select 'feedback' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.feedback group by all
    union all by name
    select 'interactions' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.interactions group by all
    union all by name
    select 'leads' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        count(*) as row_count, count(columns(*))
    from entities.leads group by all
    union all by name
    select 'opportunities' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        count(*) as row_count, count(columns(*))
    from entities.opportunities group by all
    union all by name
    select 'opportunity_stages' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.opportunity_stages group by all
    union all by name
    select 'order_lines' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.order_lines group by all
    union all by name
    select 'orders' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        count(*) as row_count, count(columns(*))
    from entities.orders group by all
    union all by name
    select 'payments' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.payments group by all
    union all by name
    select 'products' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.products group by all
    union all by name
    select 'returns' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.returns group by all
    union all by name
    select 'tasks' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        count(*) as row_count, count(columns(*))
    from entities.tasks group by all
    union all by name
    select 'ticket_statuses' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.ticket_statuses group by all
    union all by name
    select 'tickets' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        count(*) as row_count, count(columns(*))
    from entities.tickets group by all
    union all by name
    select 'users' as entity, source_system as system, '' as owner,
        count(*) as row_count, count(columns(*))
    from entities.users group by all
),

-- one line per column; columns that an entity does not have are NULL and fall away
filled as (
    unpivot counted on columns(* exclude (entity, system, owner, row_count)) into name field value filled_count
)

select
    entity as entity,
    field as field,
    system as source_system,
    owner as owner_source_id,
    row_count as row_count,
    row_count - filled_count as bad_count
from filled
-- what the loader adds to every row is no field of the source
where field not in (
    'source_system', 'row_id', 'content_id', 'recorded_at', 'load_id', 'record_number', 'is_revision',
    'is_deleted', 'occurred_on', 'valid_from', 'is_held'
)
order by entity, field, source_system, owner_source_id
