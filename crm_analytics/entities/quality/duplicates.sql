-- kind:    quality
-- purpose: Which customers, people and products share with another row what should be theirs alone?
-- gate:    warn above 0.05
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.contacts, entities.customers, entities.leads, entities.products
-- columns:
--   entity             entity of the rows
--   field              column whose value two rows of one system share
--   source_system      system they came from
--   owner_source_id    user who looks after them; empty where the entity has no owner or the row none
--   row_count          rows in which it is filled
--   bad_count          rows whose value another row of the system has too
with filled as (
    select 'contacts' as entity, 'email' as field, source_system,
        coalesce(owner_source_id, '') as owner, lower(trim(email)) as told
    from entities.contacts where lower(trim(email)) is not null
    union all
    select 'customers' as entity, 'email' as field, source_system,
        coalesce(owner_source_id, '') as owner, lower(trim(email)) as told
    from entities.customers where lower(trim(email)) is not null
    union all
    select 'leads' as entity, 'email' as field, source_system,
        coalesce(owner_source_id, '') as owner, lower(trim(email)) as told
    from entities.leads where lower(trim(email)) is not null
    union all
    select 'customers' as entity, 'phone' as field, source_system,
        coalesce(owner_source_id, '') as owner, nullif(regexp_replace(phone, '[^0-9۰-۹٠-٩]', '', 'g'), '') as told
    from entities.customers where nullif(regexp_replace(phone, '[^0-9۰-۹٠-٩]', '', 'g'), '') is not null
    union all
    select 'leads' as entity, 'phone' as field, source_system,
        coalesce(owner_source_id, '') as owner, nullif(regexp_replace(phone, '[^0-9۰-۹٠-٩]', '', 'g'), '') as told
    from entities.leads where nullif(regexp_replace(phone, '[^0-9۰-۹٠-٩]', '', 'g'), '') is not null
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
    select *, count(*) over (partition by entity, field, source_system, told) > 1 as is_shared from filled
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
