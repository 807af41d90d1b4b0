-- kind:    quality
-- purpose: Which ids point to a row that nobody delivered, in a system that delivers such rows?
-- gate:    warn above 0.05
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.known_ids, entities.links, entities.order_lines
-- columns:
--   entity             entity of the rows
--   field              column that holds the ids
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          rows in which it is filled
--   bad_count          rows whose id is found nowhere
with named as (
    select entity, field, target, source_system, owner_source_id, value as id, count(*) as row_count
    from entities.links
    group by all
),

-- a consent may be that of a contact person or lead who is no customer
targets as (
    select distinct entity, field, target from named
    union all
    select distinct named.entity, named.field, other.target
    from named
    cross join (select unnest(['contacts', 'leads']) as target) as other
    where named.entity = 'consents' and named.target = 'customers'
),

known as (
    select entity as target, source_system, source_id as id from entities.known_ids
    union
    -- lines that tell their own time are documents without a head (flat layouts)
    select 'orders' as target, source_system, order_source_id as id
    from entities.order_lines
    where occurred_at is not null
),

-- a system that delivers none of the rows meant says nothing about its ids
judged as (
    select
        named.entity, named.field, named.source_system, named.owner_source_id, named.id, named.row_count,
        bool_or(known.id is not null) as is_found
    from named
    join targets
        on targets.entity = named.entity and targets.field = named.field
    semi join known as delivered
        on delivered.target = targets.target and delivered.source_system = named.source_system
    left join known
        on known.target = targets.target and known.source_system = named.source_system
        and known.id = named.id
    group by all
)

select
    entity as entity,
    field as field,
    source_system as source_system,
    owner_source_id as owner_source_id,
    cast(sum(row_count) as bigint) as row_count,
    cast(sum(case when is_found then 0 else row_count end) as bigint) as bad_count
from judged
group by entity, field, source_system, owner_source_id
order by entity, field, source_system, owner_source_id
