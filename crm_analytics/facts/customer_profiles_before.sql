-- kind:    facts
-- purpose: What is known of each customer, put together from all source records of the group, before as_of?
--          Fields that belong together come from one record: street, city and postcode move as one.
-- grain:   customer_id
-- reads:   entities.customer_ids, entities.customers_at
-- columns:
--   customer_id         canonical customer: key of the leading record
--   record_count        source records in the group
--   type                person or organisation
--   name                full name
--   first_name          given name, of the record that gave the name
--   last_name           family name, of the same record
--   name_from           record that gave the name, as system:id; so for every group of fields below
--   email               e-mail address
--   email_from          record that gave it
--   phone               telephone number
--   phone_from          record that gave it
--   national_id         number given by a state
--   national_id_from    record that gave it
--   street              street and house number
--   city                city, of the record that gave the street
--   postcode            postcode, of the same record
--   region              region, of the same record
--   country             country, of the same record
--   address_from        record that gave the address: the newest with a street, else the newest with any part
--   birth_on            date of birth
--   birth_from          record that gave it
--   gender              gender
--   occupation          job of a person
--   industry            field of activity of an organisation
--   employee_count      persons
with described as (
    select
        coalesce(ids.customer_id, e.source_system || ':' || e.source_id) as customer_id,
        e.source_system || ':' || e.source_id as record_id,
        e.*
    from entities.customers_at($as_of, _known_at := $known_at) as e
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system = e.source_system and ids.source_id = e.source_id
    where e.is_held
),

-- the newest word holds
ranked as (
    select
        *,
        row_number() over (partition by customer_id order by valid_from desc, record_id) as place
    from described
),

grouped as (
    select
        customer_id,
        count(*) as record_count,
        arg_min(type, place) as type,
        arg_min(
            struct_pack(whole := name, first := first_name, last := last_name, record := record_id), place
        ) filter (where coalesce(name, first_name, last_name) is not null) as names,
        arg_min(struct_pack(told := email, record := record_id), place) filter (where email is not null) as emails,
        arg_min(struct_pack(told := phone, record := record_id), place) filter (where phone is not null) as phones,
        arg_min(struct_pack(told := national_id, record := record_id), place)
            filter (where national_id is not null) as national_ids,
        arg_min(
            struct_pack(
                street := street,
                city := city,
                postcode := postcode,
                region := region,
                country := country,
                record := record_id
            ),
            place + case when street is null then 1000000 else 0 end
        ) filter (where coalesce(street, city, postcode, region, country) is not null) as addresses,
        arg_min(struct_pack(told := birth_on, record := record_id), place)
            filter (where birth_on is not null) as births,
        arg_min(gender, place) as gender,
        arg_min(occupation, place) as occupation,
        arg_min(industry, place) as industry,
        arg_min(employee_count, place) as employee_count
    from ranked
    group by customer_id
)

select
    customer_id as customer_id,
    record_count as record_count,
    type as type,
    names.whole as name,
    names.first as first_name,
    names.last as last_name,
    names.record as name_from,
    emails.told as email,
    emails.record as email_from,
    phones.told as phone,
    phones.record as phone_from,
    national_ids.told as national_id,
    national_ids.record as national_id_from,
    addresses.street as street,
    addresses.city as city,
    addresses.postcode as postcode,
    addresses.region as region,
    addresses.country as country,
    addresses.record as address_from,
    births.told as birth_on,
    births.record as birth_from,
    gender as gender,
    occupation as occupation,
    industry as industry,
    employee_count as employee_count
from grouped
