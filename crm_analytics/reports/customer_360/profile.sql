-- kind:    kpi
-- purpose: Who is the customer, and which source record said so?
-- grain:   customer_id
-- reads:   facts.customer_profiles_before
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
    f.customer_id as customer_id,
    f.record_count as record_count,
    f.type as type,
    f.name as name,
    f.first_name as first_name,
    f.last_name as last_name,
    f.name_from as name_from,
    f.email as email,
    f.email_from as email_from,
    f.phone as phone,
    f.phone_from as phone_from,
    f.national_id as national_id,
    f.national_id_from as national_id_from,
    f.street as street,
    f.city as city,
    f.postcode as postcode,
    f.region as region,
    f.country as country,
    f.address_from as address_from,
    f.birth_on as birth_on,
    f.birth_from as birth_from,
    f.gender as gender,
    f.occupation as occupation,
    f.industry as industry,
    f.employee_count as employee_count
from facts.customer_profiles_before($as_of) as f
where f.customer_id = $customer_id
order by customer_id
