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
    select * from entities.belongings($as_of, _known_at := $known_at)
),

named as (
    select distinct source_system, of_name, told_at from told where of_name is not null
),

withdrawn as (
    select load_id
    from ops.withdrawals
    where $known_at is null or withdrawn_at <= cast($known_at as timestamptz)
),

-- names as they are compared: blanks, case, forms of Arabic letters and digits, vowel marks and joiners aside
folded as (
    select
        name,
        case
            -- most are Latin letters and single blanks, which need little
            when regexp_matches(name, '^[!-~¡-¬®-ʯ]+( [!-~¡-¬®-ʯ]+)*$') then replace(lower(name), 'ß', 'ss')
            else replace(
                lower(trim(regexp_replace(
                    regexp_replace(
                        nfc_normalize(
                            case
                                when regexp_matches(name, '[\x{0600}-\x{06ff}]') then translate(
                                    name, 'يىئكةۀۂؤأإآٱ۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩',
                                    'یییکهههواااا01234567890123456789'
                                )
                                else name
                            end
                        ),
                        '[\x{0640}\x{064b}-\x{065f}\x{0670}\x{200b}-\x{200f}'
                        || '\x{061c}\x{2060}\x{feff}\x{00ad}]',
                        '', 'g'
                    ),
                    '[\s\x{00a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+',
                    ' ', 'g'
                ))),
                'ß', 'ss'
            )
        end as folded_name
    from (
        select of_name as name from named
        union
        select name
        from entities.customers_versions
        semi join named using (source_system)
        where name is not null
    )
),

asked_names as (
    select distinct named.source_system, named.told_at, folded.folded_name
    from named
    join folded on folded.name = named.of_name
    where folded.folded_name <> ''
),

-- versions of the customers that ever had such a name, and what they were called at each
customer_names as (
    select
        source_system, source_id, row_id, folded_name, created_at, valid_from, recorded_at, record_number,
        content_id, is_deleted,
        row_number() over (
            partition by row_id order by valid_from, recorded_at, record_number, content_id
        ) = 1 as is_first
    from entities.customers_versions
    semi join (
        select customer.row_id
        from entities.customers_versions as customer
        join folded using (name)
        semi join asked_names
            on asked_names.source_system = customer.source_system
            and asked_names.folded_name = folded.folded_name
    ) as bearing using (row_id)
    left join folded using (name)
    anti join withdrawn using (load_id)
    where $known_at is null or recorded_at <= cast($known_at as timestamptz)
),

-- of which a state is known by as_of: the first one stands for what was before it, since the customer began
bearers as (
    select
        source_system, folded_name, row_id,
        bool_or(
            valid_from < cast(cast($as_of as date) as timestamptz)
            or coalesce(is_first and created_at < cast(cast($as_of as date) as timestamptz), false)
        ) as has_borne
    from customer_names
    semi join asked_names using (source_system, folded_name)
    group by all
),

there as (
    select
        row_id, any_value(source_id) as source_id,
        bool_or(coalesce(created_at, valid_from) < cast(cast($as_of as date) as timestamptz)) as is_there
    from customer_names
    semi join bearers using (row_id)
    group by row_id
),

-- what each of them was called when the name was told
called as (
    select
        asked_names.source_system, asked_names.folded_name, asked_names.told_at, bearers.row_id,
        bearers.has_borne,
        not version.is_deleted
        and coalesce(version.folded_name = asked_names.folded_name, false)
        and (
            version.valid_from <= asked_names.told_at
            or coalesce(version.created_at <= asked_names.told_at, false)
        ) as had_it_then
    from asked_names
    join bearers
        on bearers.source_system = asked_names.source_system
        and bearers.folded_name = asked_names.folded_name
    join customer_names as version on version.row_id = bearers.row_id
    qualify row_number() over (
        partition by asked_names.source_system, asked_names.folded_name, asked_names.told_at, bearers.row_id
        order by
            version.valid_from <= asked_names.told_at desc,
            case when version.valid_from <= asked_names.told_at then version.valid_from end desc nulls last,
            version.valid_from,
            version.recorded_at desc,
            version.record_number desc,
            version.content_id desc
    ) = 1
),

-- names are no ids: one tells the customer that alone had it then, or where none had, alone ever had it
meant as (
    select
        source_system, folded_name, told_at,
        case
            when count(*) filter (had_it_then) = 1 then max(row_id) filter (had_it_then)
            when count(*) filter (had_it_then) = 0 and count(*) filter (has_borne) = 1
                then max(row_id) filter (has_borne)
        end as row_id
    from called
    group by all
),

customers_by_name as (
    select meant.source_system, meant.told_at, folded.name as of_name, there.source_id as customer_source_id
    from meant
    join there on there.row_id = meant.row_id and there.is_there
    join folded using (folded_name)
),

-- only what is asked for is read: without relations nothing is
versions as (
    select
        'contacts' as entity, source_system, source_id, customer_source_id,
        row_id, content_id, valid_from, recorded_at, load_id, record_number, is_deleted
    from entities.contacts_versions
    semi join (
        select source_system, of_source_id as source_id from told where of_entity = 'contacts'
    ) as asked using (source_system, source_id)
    union all
    select
        'opportunities', source_system, source_id, customer_source_id,
        row_id, content_id, valid_from, recorded_at, load_id, record_number, is_deleted
    from entities.opportunities_versions
    semi join (
        select source_system, of_source_id as source_id from told where of_entity = 'opportunities'
    ) as asked using (source_system, source_id)
),

-- is_held is a column before it orders: as an alias it would be that of a table which this is joined to
known as (
    select *, valid_from < cast(cast($as_of as date) as timestamptz) as is_held
    from versions
    anti join withdrawn using (load_id)
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

direct as (
    -- what the contact or deal itself says
    select
        entity, source_system, source_id, customer_source_id, 0 as step, false as is_primary, true as is_held,
        1 as place_told
    from states
    where not is_deleted and customer_source_id is not null
    union all
    select
        told.entity, told.source_system, told.source_id,
        coalesce(told.of_source_id, customers_by_name.customer_source_id), 1, told.is_primary, told.is_held,
        told.place_told
    from told
    left join customers_by_name
        on customers_by_name.source_system = told.source_system
        and customers_by_name.of_name = told.of_name
        and customers_by_name.told_at = told.told_at
    where told.of_entity = 'customers'
        and coalesce(told.of_source_id, customers_by_name.customer_source_id) is not null
),

of_contacts as (
    select source_system, source_id, customer_source_id
    from direct
    where entity = 'contacts'
    qualify row_number() over (
        partition by source_system, source_id
        order by is_held desc, step, is_primary desc, place_told, customer_source_id
    ) = 1
),

with_contacts as (
    select * from direct
    union all
    select
        told.entity, told.source_system, told.source_id, of_contacts.customer_source_id, 2, told.is_primary,
        told.is_held, told.place_told
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
        order by is_held desc, step, is_primary desc, place_told, customer_source_id
    ) = 1
),

with_deals as (
    select * from with_contacts
    union all
    select
        told.entity, told.source_system, told.source_id, of_deals.customer_source_id, 3, told.is_primary,
        told.is_held, told.place_told
    from told
    join of_deals
        on of_deals.source_system = told.source_system and of_deals.source_id = told.of_source_id
    where told.of_entity = 'opportunities'
)

-- of several: what was told by then, the nearest, the main one, the last told
select
    entity as entity,
    source_system as source_system,
    source_id as source_id,
    customer_source_id as customer_source_id
from with_deals
qualify row_number() over (
    partition by entity, source_system, source_id
    order by is_held desc, step, is_primary desc, place_told, customer_source_id
) = 1
