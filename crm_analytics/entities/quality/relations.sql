-- kind:    quality
-- purpose: Which ids point to a row that nobody delivered, in a system that delivers such rows?
-- gate:    warn above 0.05
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.ad_spend, entities.campaign_members, entities.consents, entities.contacts,
--          entities.contracts, entities.customers, entities.feedback, entities.interactions,
--          entities.leads, entities.opportunities, entities.opportunity_stages, entities.order_lines,
--          entities.orders, entities.payments, entities.returns, entities.tasks, entities.ticket_statuses,
--          entities.tickets, entities.campaigns, entities.products, entities.users
-- columns:
--   entity             entity of the rows
--   field              column that holds the ids
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          rows in which it is filled
--   bad_count          rows whose id is found nowhere
with links as (
    select 'ad_spend' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.ad_spend
    union all by name
    select 'campaign_members' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.campaign_members
    union all by name
    select 'consents' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.consents
    union all by name
    select 'contacts' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        columns('_source_id$')
    from entities.contacts
    union all by name
    select 'contracts' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.contracts
    union all by name
    select 'customers' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        columns('_source_id$')
    from entities.customers
    union all by name
    select 'feedback' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.feedback
    union all by name
    select 'interactions' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.interactions
    union all by name
    select 'leads' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        columns('_source_id$')
    from entities.leads
    union all by name
    select 'opportunities' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        columns('_source_id$')
    from entities.opportunities
    union all by name
    select 'opportunity_stages' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.opportunity_stages
    union all by name
    select 'order_lines' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.order_lines
    union all by name
    select 'orders' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        columns('_source_id$')
    from entities.orders
    union all by name
    select 'payments' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.payments
    union all by name
    select 'returns' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.returns
    union all by name
    select 'tasks' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        columns('_source_id$')
    from entities.tasks
    union all by name
    select 'ticket_statuses' as entity, source_system as system, '' as owner,
        columns('_source_id$')
    from entities.ticket_statuses
    union all by name
    select 'tickets' as entity, source_system as system, coalesce(owner_source_id, '') as owner,
        columns('_source_id$')
    from entities.tickets
),

named as (
    select entity, system, owner, field, id, count(*) as row_count
    from (unpivot links on columns('_source_id$') into name field value id)
    group by all
),

-- a consent may be that of a contact person or lead who is no customer
targets as (
    select unnest([
        {'field': 'campaign_source_id', 'only': '', 'target': 'campaigns'},
        {'field': 'contact_source_id', 'only': '', 'target': 'contacts'},
        {'field': 'converted_customer_source_id', 'only': '', 'target': 'customers'},
        {'field': 'customer_source_id', 'only': '', 'target': 'customers'},
        {'field': 'lead_source_id', 'only': '', 'target': 'leads'},
        {'field': 'opportunity_source_id', 'only': '', 'target': 'opportunities'},
        {'field': 'order_source_id', 'only': '', 'target': 'orders'},
        {'field': 'owner_source_id', 'only': '', 'target': 'users'},
        {'field': 'parent_source_id', 'only': '', 'target': 'customers'},
        {'field': 'product_source_id', 'only': '', 'target': 'products'},
        {'field': 'ticket_source_id', 'only': '', 'target': 'tickets'},
        {'field': 'user_source_id', 'only': '', 'target': 'users'},
        {'field': 'customer_source_id', 'only': 'consents', 'target': 'contacts'},
        {'field': 'customer_source_id', 'only': 'consents', 'target': 'leads'}
    ], recursive := true)
),

known as (
    select 'campaigns' as target, source_system as system, source_id as id from entities.campaigns
    union all
    select 'contacts' as target, source_system as system, source_id as id from entities.contacts
    union all
    select 'customers' as target, source_system as system, source_id as id from entities.customers
    union all
    select 'leads' as target, source_system as system, source_id as id from entities.leads
    union all
    select 'opportunities' as target, source_system as system, source_id as id from entities.opportunities
    union all
    select 'orders' as target, source_system as system, source_id as id from entities.orders
    union all
    -- lines that tell their own time are documents without a head (flat layouts)
    select 'orders' as target, source_system as system, order_source_id as id
    from entities.order_lines where occurred_at is not null
    union all
    select 'products' as target, source_system as system, source_id as id from entities.products
    union all
    select 'tickets' as target, source_system as system, source_id as id from entities.tickets
    union all
    select 'users' as target, source_system as system, source_id as id from entities.users
),

-- a system that delivers none of the rows meant says nothing about its ids
judged as (
    select
        named.entity, named.system, named.owner, named.field, named.id, named.row_count,
        bool_or(known.id is not null) as is_found
    from named
    join targets on targets.field = named.field and targets.only in ('', named.entity)
    semi join known as delivered on delivered.target = targets.target and delivered.system = named.system
    left join (select distinct target, system, id from known) as known
        on known.target = targets.target and known.system = named.system and known.id = named.id
    group by all
)

select
    entity as entity,
    field as field,
    system as source_system,
    owner as owner_source_id,
    cast(sum(row_count) as bigint) as row_count,
    cast(sum(case when is_found then 0 else row_count end) as bigint) as bad_count
from judged
group by entity, field, system, owner
order by entity, field, source_system, owner_source_id
