-- kind:    kpi
-- purpose: Which campaigns addressed the customer, and with what response?
-- grain:   contact_id
-- reads:   facts.campaign_contacts_before
-- columns:
--   contact_id      identity of the membership
--   campaign_id     campaign, as system:id
--   customer_id     canonical customer; NULL = a lead or a contact person
--   contacted_on    business day on which the member was addressed or held out
--   is_control      held out on purpose
--   responded_on    business day of the response, when before as_of
select
    f.contact_id as contact_id,
    f.campaign_id as campaign_id,
    f.customer_id as customer_id,
    f.contacted_on as contacted_on,
    f.is_control as is_control,
    f.responded_on as responded_on
from facts.campaign_contacts_before($as_of) as f
where f.customer_id = $customer_id
order by contacted_on, contact_id
