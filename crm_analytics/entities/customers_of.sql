-- kind:    entities
-- purpose: Which customer does a record belong to, where only a relation says so, or the customer's name?
-- grain:   entity, source_system, source_id
-- reads:   entities.belongings, entities.contacts_versions, entities.opportunities_versions,
--          entities.customers_versions, ops.withdrawals
-- columns:
--   entity                entity of the record
--   source_system         system of both
--   source_id             id of the record
--   customer_source_id    id of the customer: the one told, else that of the contact person, else of the deal
with told as (
    select
        *,
        nullif(lower(trim(regexp_replace(nfc_normalize(of_name), '\s\s+', ' ', 'g'))), '') as folded_name
    from entities.belongings($as_of, _known_at := $known_at)
),

names as (
    select distinct source_system, folded_name from told where folded_name is not null
),

-- only what is asked for is read: without relations nothing is
versions as (
    select
        'contacts' as entity, source_system, source_id, customer_source_id, cast(null as varchar) as name,
        created_at, row_id, content_id, valid_from, recorded_at, load_id, record_number, is_deleted
    from entities.contacts_versions
    semi join (
        select source_system, of_source_id as source_id from told where of_entity = 'contacts'
    ) as asked using (source_system, source_id)
    union all
    select
        'opportunities', source_system, source_id, customer_source_id, null,
        created_at, row_id, content_id, valid_from, recorded_at, load_id, record_number, is_deleted
    from entities.opportunities_versions
    semi join (
        select source_system, of_source_id as source_id from told where of_entity = 'opportunities'
    ) as asked using (source_system, source_id)
    union all
    -- a customer that had the name once may have another now
    select
        'customers', source_system, source_id, source_id, name,
        created_at, row_id, content_id, valid_from, recorded_at, load_id, record_number, is_deleted
    from entities.customers_versions
    semi join (
        select customer.row_id
        from entities.customers_versions as customer
        semi join names
            on names.source_system = customer.source_system
            and names.folded_name = lower(trim(regexp_replace(nfc_normalize(customer.name), '\s\s+', ' ', 'g')))
    ) as asked using (row_id)
),

-- is_held is a column before it orders: as an alias it would be that of a table which this is joined to
known as (
    select *, valid_from < cast(cast($as_of as date) as timestamptz) as is_held
    from versions
    anti join (
        select load_id
        from ops.withdrawals
        where $known_at is null or withdrawn_at <= cast($known_at as timestamptz)
    ) as withdrawn using (load_id)
    where $known_at is null or recorded_at <= cast($known_at as timestamptz)
),

states as (
    select *
    from known
    qualify row_number() over (
        partition by row_id
        order by
            is_held desc,
            case when is_held then valid_from end desc nulls last,
            valid_from,
            recorded_at desc,
            record_number desc,
            content_id desc
    ) = 1
),

-- names are no ids: one tells the customer where no other of the system has it
customers_by_name as (
    select
        source_system,
        lower(trim(regexp_replace(nfc_normalize(name), '\s\s+', ' ', 'g'))) as folded_name,
        min(source_id) as customer_source_id
    from states
    where entity = 'customers'
        and not is_deleted
        -- one of which no beginning is known is there from the version on that told of it
        and coalesce(created_at < cast(cast($as_of as date) as timestamptz), is_held)
    group by all
    having count(*) = 1
),

direct as (
    -- what the contact or deal itself says
    select
        entity, source_system, source_id, customer_source_id, 0 as step, false as is_primary, true as is_held,
        valid_from as told_from
    from states
    where entity <> 'customers' and not is_deleted and customer_source_id is not null
    union all
    select
        told.entity, told.source_system, told.source_id,
        coalesce(told.of_source_id, customers_by_name.customer_source_id), 1, told.is_primary, told.is_held,
        told.told_from
    from told
    left join customers_by_name
        on customers_by_name.source_system = told.source_system
        and customers_by_name.folded_name = told.folded_name
    where told.of_entity = 'customers'
        and coalesce(told.of_source_id, customers_by_name.customer_source_id) is not null
),

of_contacts as (
    select source_system, source_id, customer_source_id
    from direct
    where entity = 'contacts'
    qualify row_number() over (
        partition by source_system, source_id
        order by
            is_held desc, step, is_primary desc, case when is_held then told_from end desc nulls last,
            told_from, customer_source_id
    ) = 1
),

with_contacts as (
    select * from direct
    union all
    select
        told.entity, told.source_system, told.source_id, of_contacts.customer_source_id, 2, told.is_primary,
        told.is_held, told.told_from
    from told
    join of_contacts
        on of_contacts.source_system = told.source_system and of_contacts.source_id = told.of_source_id
    where told.of_entity = 'contacts'
),

of_deals as (
    select source_system, source_id, customer_source_id
    from with_contacts
    where entity = 'opportunities'
    qualify row_number() over (
        partition by source_system, source_id
        order by
            is_held desc, step, is_primary desc, case when is_held then told_from end desc nulls last,
            told_from, customer_source_id
    ) = 1
),

with_deals as (
    select * from with_contacts
    union all
    select
        told.entity, told.source_system, told.source_id, of_deals.customer_source_id, 3, told.is_primary,
        told.is_held, told.told_from
    from told
    join of_deals
        on of_deals.source_system = told.source_system and of_deals.source_id = told.of_source_id
    where told.of_entity = 'opportunities'
)

-- of several: what was told by then, the nearest, the main one, the last told (of what is only told later the
-- first)
select
    entity as entity,
    source_system as source_system,
    source_id as source_id,
    customer_source_id as customer_source_id
from with_deals
qualify row_number() over (
    partition by entity, source_system, source_id
    order by
        is_held desc, step, is_primary desc, case when is_held then told_from end desc nulls last,
        told_from, customer_source_id
) = 1
