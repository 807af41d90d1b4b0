-- kind:    statement
-- purpose: Which e-mail addresses and phone numbers lead to which customer record, their own or a contact person's?
--          All of them, or those that may be the one asked for: the caller compares them exactly.
-- grain:   source_system, source_id, email, phone, country
-- reads:   entities.customers_versions, entities.contacts_versions, entities.customers_of, ops.withdrawals
-- columns:
--   source_system    system of the customer record
--   source_id        its id there
--   email            e-mail address as written, of any version: an earlier one finds the customer too
--   phone            phone number as written
--   country          country that a national number is read in
with of_contacts as (
    select source_system, customer_source_id, email, phone, load_id
    from entities.contacts_versions
    where customer_source_id is not null
    union all
    -- whose contact a person is may be told by a relation alone
    select contact.source_system, related.customer_source_id, contact.email, contact.phone, contact.load_id
    from entities.contacts_versions as contact
    join entities.customers_of(date '9999-12-31') as related
        on related.entity = 'contacts'
        and related.source_system = contact.source_system
        and related.source_id = contact.source_id
    where contact.customer_source_id is null
),

-- a pattern of the mailbox, with or without label and dots, or of the last six digits, in whatever digits;
-- addresses in other scripts are left to the caller. The looser pattern of LIKE is asked first: it takes half
-- the time, and leaves few rows. Asked of each table by itself: DuckDB carries all
-- columns of all rows up to a condition that stands above a union
candidates as (
    select source_system, source_id, email, phone, country, load_id
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
    select source_system, customer_source_id, email, phone, cast(null as varchar), load_id
    from of_contacts
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
)

select distinct
    candidates.source_system as source_system,
    candidates.source_id as source_id,
    candidates.email as email,
    candidates.phone as phone,
    candidates.country as country
from candidates
anti join ops.withdrawals on ops.withdrawals.load_id = candidates.load_id
order by source_system, source_id, email, phone, country
