-- kind:    quality
-- purpose: Which records name their customer by a name that no customer of the system has, or several have?
-- gate:    warn above 0.05
-- grain:   entity, field, source_system, owner_source_id
-- reads:   entities.belongings, entities.customers, entities.customers_of, entities.own_customers
-- columns:
--   entity             entity of the records
--   field              customer_name (of entities.relations)
--   source_system      system they came from
--   owner_source_id    always empty: a relation has no owner
--   row_count          records that name their customer, and by no id that a customer has
--   bad_count          those whose customer is not known by it
with identified as (
    select own.entity, own.source_system, own.source_id
    from entities.own_customers as own
    semi join entities.customers as customer
        on customer.source_system = own.source_system and customer.source_id = own.customer_source_id
),

named as (
    select entity, source_system, source_id
    from entities.belongings(date '9999-12-31')
    anti join identified using (entity, source_system, source_id)
    where of_name is not null
),

-- a system that delivers no customers says nothing about their names
judged as (
    select named.entity, named.source_system, related.customer_source_id is null as is_bad
    from named
    semi join entities.customers as delivered on delivered.source_system = named.source_system
    left join entities.customers_of(date '9999-12-31') as related
        on related.entity = named.entity
        and related.source_system = named.source_system
        and related.source_id = named.source_id
)

select
    entity as entity,
    'customer_name' as field,
    source_system as source_system,
    '' as owner_source_id,
    count(*) as row_count,
    count(*) filter (is_bad) as bad_count
from judged
group by entity, source_system
order by entity, field, source_system, owner_source_id
