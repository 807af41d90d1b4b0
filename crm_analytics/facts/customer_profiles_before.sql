-- kind:    facts
-- purpose: What was known of each customer as a person or organisation before as_of, and which record said it?
-- grain:   customer_id
-- reads:   entities.customer_profiles_at
-- columns:
--   customer_id         canonical customer
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
--   address_from        record that gave the address
--   birth_on            date of birth
--   birth_from          record that gave it
--   gender              gender
--   occupation          job of a person
--   industry            field of activity of an organisation
--   employee_count      persons
select
    customer_id as customer_id,
    record_count as record_count,
    type as type,
    name as name,
    first_name as first_name,
    last_name as last_name,
    name_from as name_from,
    email as email,
    email_from as email_from,
    phone as phone,
    phone_from as phone_from,
    national_id as national_id,
    national_id_from as national_id_from,
    street as street,
    city as city,
    postcode as postcode,
    region as region,
    country as country,
    address_from as address_from,
    birth_on as birth_on,
    birth_from as birth_from,
    gender as gender,
    occupation as occupation,
    industry as industry,
    employee_count as employee_count
from entities.customer_profiles_at($as_of, _known_at := $known_at)
