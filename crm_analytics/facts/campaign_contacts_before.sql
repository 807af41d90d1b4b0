-- kind:    facts
-- purpose: Who was addressed by a campaign (or held out from it) before as_of, and who responded by then?
-- grain:   contact_id
-- reads:   entities.campaign_members_known, entities.customer_ids
-- columns:
--   contact_id      identity of the membership
--   campaign_id     campaign, as system:id
--   customer_id     canonical customer; NULL = a lead or a contact person
--   contacted_on    business day on which the member was addressed or held out
--   is_control      held out on purpose
--   responded_on    business day of the response, when before as_of
select
    hex(e.row_id) as contact_id,
    e.source_system || ':' || e.campaign_source_id as campaign_id,
    coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id) as customer_id,
    e.occurred_on as contacted_on,
    coalesce(e.is_control, false) as is_control,
    case
        when e.responded_at < cast(cast($as_of as date) as timestamptz) then cast(e.responded_at as date)
    end as responded_on
from entities.campaign_members_known(_known_at := $known_at) as e
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = e.source_system and ids.source_id = e.customer_source_id
where e.occurred_on < cast($as_of as date)
