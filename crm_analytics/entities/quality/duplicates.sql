-- kind:    quality
-- purpose: Which customers, people and products share with another row what should be theirs alone?
-- gate:    warn above 0.05
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.contact_points, entities.customers, entities.products
-- columns:
--   entity             entity of the rows
--   field              column whose value two rows of one system share
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          rows in which it is filled
--   bad_count          rows whose value another row of the system has too
with filled as (
    select entity, field, source_system, owner_source_id as owner,
        case field
            when 'email' then nullif(lower(trim(value)), '')
            else nullif(regexp_replace(value, '[^0-9۰-۹٠-٩]', '', 'g'), '')
        end as told
    from entities.contact_points
    -- colleagues share the phone of their company
    where not (entity = 'contacts' and field = 'phone')
    union all
    select 'customers' as entity, 'national_id' as field, source_system,
        coalesce(owner_source_id, '') as owner, nullif(trim(national_id), '') as told
    from entities.customers where nullif(trim(national_id), '') is not null
    union all
    select 'products' as entity, 'name' as field, source_system,
        '' as owner, nullif(lower(trim(name)), '') as told
    from entities.products where nullif(lower(trim(name)), '') is not null
),

shared as (
    select *, count(*) over (partition by entity, field, source_system, told) > 1 as is_shared
    from filled
    where told is not null
)

select
    entity as entity,
    field as field,
    source_system as source_system,
    owner as owner_source_id,
    count(*) as row_count,
    count(*) filter (is_shared) as bad_count
from shared
group by entity, field, source_system, owner
order by entity, field, source_system, owner_source_id
