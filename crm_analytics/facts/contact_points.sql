-- kind:    statement
-- purpose: Which e-mail addresses and phone numbers lead to which customer record, their own or a contact person's?
--          All of them, or those that may be the one asked for: the caller compares them exactly.
-- grain:   source_system, source_id, email, phone, country
-- reads:   entities.customers_versions, entities.contacts_versions, ops.withdrawals
-- columns:
--   source_system    system of the customer record
--   source_id        its id there
--   email            e-mail address as written, of any version: an earlier one finds the customer too
--   phone            phone number as written
--   country          country that a national number is read in
with told as (
    select source_system, source_id, email, phone, country, load_id
    from entities.customers_versions
    union all
    select source_system, customer_source_id, email, phone, cast(null as varchar), load_id
    from entities.contacts_versions
    where customer_source_id is not null
),

-- the mailbox without label and dots, the last six digits; other scripts are left to the caller
candidates as (
    select *
    from told
    where
        $is_all and coalesce(email, phone) is not null
        or $mailbox is not null
        and (
            replace(
                split_part(split_part(replace(lower(trim(email, ' <')), 'mailto:', ''), '@', 1), '+', 1), '.', ''
            ) = $mailbox
            or strlen(email) <> length(email)
        )
        or right(
            translate(phone, '۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩ ()-./+', '01234567890123456789'), 6
        ) = $last_digits
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
