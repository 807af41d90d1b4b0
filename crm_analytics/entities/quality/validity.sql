-- kind:    quality
-- purpose: Which values cannot be right: addresses, phone numbers, days out of order, negative prices?
-- gate:    warn above 0.05
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.campaigns, entities.contact_points, entities.contracts, entities.customers,
--          entities.opportunities, entities.order_lines, entities.orders, entities.products,
--          entities.tasks, entities.tickets
-- columns:
--   entity             entity of the rows
--   field              column that is judged
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          rows in which it is filled (and the day before which it must not lie)
--   bad_count          rows whose value cannot be right
with judged as (
    select entity, field, source_system, owner_source_id as owner,
        case field
            when 'email' then not regexp_full_match(value, '[^@\s]+@[^@\s]+\.[^@\s]+')
            else length(regexp_replace(value, '[^0-9۰-۹٠-٩]', '', 'g')) not between 5 and 20
        end as is_bad
    from entities.contact_points
    union all
    select 'customers' as entity, 'birth_on' as field, source_system, coalesce(owner_source_id, '') as owner,
        birth_on < date '1900-01-01' or birth_on > cast(recorded_at as date) as is_bad
    from entities.customers
    where birth_on is not null
    union all
    select 'contracts' as entity, 'ends_on' as field, source_system, '' as owner,
        ends_on < started_on as is_bad
    from entities.contracts
    where ends_on is not null and started_on is not null
    union all
    select 'orders' as entity, 'cancelled_at' as field, source_system, coalesce(owner_source_id, '') as owner,
        cancelled_at < occurred_at as is_bad
    from entities.orders
    where cancelled_at is not null and occurred_at is not null
    union all
    select 'tickets' as entity, 'resolved_at' as field, source_system, coalesce(owner_source_id, '') as owner,
        resolved_at < created_at as is_bad
    from entities.tickets
    where resolved_at is not null and created_at is not null
    union all
    select 'opportunities' as entity, 'closed_on' as field, source_system, coalesce(owner_source_id, '') as owner,
        closed_on < cast(created_at as date) as is_bad
    from entities.opportunities
    where closed_on is not null and created_at is not null
    union all
    select 'tasks' as entity, 'done_at' as field, source_system, coalesce(owner_source_id, '') as owner,
        done_at < created_at as is_bad
    from entities.tasks
    where done_at is not null and created_at is not null
    union all
    select 'campaigns' as entity, 'ended_on' as field, source_system, '' as owner,
        ended_on < started_on as is_bad
    from entities.campaigns
    where ended_on is not null and started_on is not null
    union all
    select 'order_lines' as entity, 'unit_price' as field, source_system, '' as owner,
        unit_price < 0 as is_bad
    from entities.order_lines
    where unit_price is not null
    union all
    select 'products' as entity, 'unit_cost' as field, source_system, '' as owner,
        unit_cost < 0 as is_bad
    from entities.products
    where unit_cost is not null
    union all
    select 'opportunities' as entity, 'probability_rate' as field, source_system, coalesce(owner_source_id, '') as owner,
        probability_rate not between 0 and 1 as is_bad
    from entities.opportunities
    where probability_rate is not null
)

select
    entity as entity,
    field as field,
    source_system as source_system,
    owner as owner_source_id,
    count(*) as row_count,
    count(*) filter (is_bad) as bad_count
from judged
group by entity, field, source_system, owner
order by entity, field, source_system, owner_source_id
