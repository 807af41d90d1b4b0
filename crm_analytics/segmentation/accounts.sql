-- kind:    features
-- purpose: Which contact persons does each account have, and who looks after it?
-- grain:   customer_id, contact_id
-- reads:   facts.contacts_before, facts.customers_before
-- columns:
--   customer_id        the account: an organisation; test and internal ones left out
--   owner_source_id    user who looks after the account
--   contact_id         contact person, as system:id; NULL = the account has none
--   job_title          position
--   department         department
--   has_opted_out      the account's word on every marketing channel is no
select
    c.customer_id as customer_id,
    c.owner_source_id as owner_source_id,
    p.contact_id as contact_id,
    p.job_title as job_title,
    p.department as department,
    c.has_opted_out as has_opted_out
from facts.customers_before($as_of) as c
left join facts.contacts_before($as_of) as p on p.customer_id = c.customer_id
where c.type = 'organisation' and not c.is_excluded
order by customer_id, contact_id
