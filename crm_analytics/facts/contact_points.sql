-- kind:    statement
-- purpose: Which records have which e-mail addresses and phone numbers, and to which customer record do they lead?
--          Those that lead to a customer (their own, or a contact person's), or all people's, leads too; all
--          addresses, or those that may be the one asked for: the caller compares them exactly.
-- grain:   entity, source_system, source_id, customer_source_id, email, phone, country
-- reads:   entities.customers_versions, entities.contacts_versions, entities.leads_versions,
--          entities.customers_of, ops.withdrawals
-- columns:
--   entity                customers, contacts or leads
--   source_system         system of the record
--   source_id             its id there
--   customer_source_id    id of the customer record that it leads to; NULL = to none
--   email                 e-mail address as written, of any version: an earlier one finds the customer too
--   phone                 phone number as written
--   country               country that a national number is read in
with contacts as (
    select source_system, source_id, customer_source_id, email, phone, load_id
    from entities.contacts_versions
    where customer_source_id is not null
    union all
    -- whose contact a person is may be told by a relation alone
    select
        contact.source_system, contact.source_id, related.customer_source_id, contact.email, contact.phone,
        contact.load_id
    from entities.contacts_versions as contact
    left join entities.customers_of(date '9999-12-31') as related
        on related.entity = 'contacts'
        and related.source_system = contact.source_system
        and related.source_id = contact.source_id
    where contact.customer_source_id is null and (related.source_id is not null or not $for_customers)
),

-- a pattern of the mailbox, with or without label and dots, or of the last six digits, in whatever digits;
-- addresses in other scripts are left to the caller. The looser pattern of LIKE is asked first: it takes half
-- the time, and leaves few rows. Asked of each table by itself: DuckDB carries all
-- columns of all rows up to a condition that stands above a union
candidates as (
    select
        'customers' as entity, source_system, source_id, source_id as customer_source_id, email, phone, country,
        load_id
    from entities.customers_versions
    where
        $is_all and coalesce(email, phone) is not null
        or $email_pattern is not null
        and (
            strlen(email) <> length(email)
            or email ilike $email_like and regexp_matches(email, $email_pattern)
        )
        or $phone_pattern is not null
        and (strlen(phone) <> length(phone) or phone like $phone_like)
        and regexp_matches(phone, $phone_pattern)
    union all
    select
        'contacts', source_system, source_id, customer_source_id, email, phone, cast(null as varchar), load_id
    from contacts
    where
        $is_all and coalesce(email, phone) is not null
        or $email_pattern is not null
        and (
            strlen(email) <> length(email)
            or email ilike $email_like and regexp_matches(email, $email_pattern)
        )
        or $phone_pattern is not null
        and (strlen(phone) <> length(phone) or phone like $phone_like)
        and regexp_matches(phone, $phone_pattern)
    union all
    select 'leads', source_system, source_id, cast(null as varchar), email, phone, country, load_id
    from entities.leads_versions
    where not $for_customers and (
        $is_all and coalesce(email, phone) is not null
        or $email_pattern is not null
        and (
            strlen(email) <> length(email)
            or email ilike $email_like and regexp_matches(email, $email_pattern)
        )
        or $phone_pattern is not null
        and (strlen(phone) <> length(phone) or phone like $phone_like)
        and regexp_matches(phone, $phone_pattern)
    )
)

select distinct
    candidates.entity as entity,
    candidates.source_system as source_system,
    candidates.source_id as source_id,
    candidates.customer_source_id as customer_source_id,
    candidates.email as email,
    candidates.phone as phone,
    candidates.country as country
from candidates
-- whoever is to be erased is found in what was taken back too: its bytes are there
left join ops.withdrawals as withdrawn on withdrawn.load_id = candidates.load_id and $for_customers
where withdrawn.load_id is null
order by entity, source_system, source_id, customer_source_id, email, phone, country
