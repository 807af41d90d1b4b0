-- kind:    statement
-- purpose: What do the sources say of each customer that tells people and organisations apart?
-- grain:   record_id
-- reads:   entities.customers
-- columns:
--   record_id      key of the source record, as system:id
--   type           person or organisation
--   name           full name, as written
--   first_name     given name, as written
--   last_name      family name, as written
--   email          as written
--   phone          as written
--   national_id    as written
--   street         as written
--   city           as written
--   postcode       as written
--   country        as written
--   birth_on       date of birth
select
    source_system || ':' || source_id as record_id,
    type as type,
    name as name,
    first_name as first_name,
    last_name as last_name,
    email as email,
    phone as phone,
    national_id as national_id,
    street as street,
    city as city,
    postcode as postcode,
    country as country,
    birth_on as birth_on
from entities.customers
order by record_id
