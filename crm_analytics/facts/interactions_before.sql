-- kind:    facts
-- purpose: Which contacts with customers were there before as_of?
-- grain:   interaction_id
-- reads:   entities.interactions_known
-- columns:
--   interaction_id      identity of the contact
--   customer_id         canonical customer; NULL = a lead or unknown
--   occurred_on         business day
--   kind                call, email, visit, chat, sms, web, note, device
--   direction           in, out or missed
--   outcome             sent, opened, clicked ...
--   channel             channel
--   duration_seconds    seconds
--   campaign_id         campaign, as system:id
--   page                page or asset of a web event
select
    hex(row_id) as interaction_id,
    source_system || ':' || customer_source_id as customer_id,
    occurred_on as occurred_on,
    kind as kind,
    direction as direction,
    outcome as outcome,
    channel as channel,
    duration_seconds as duration_seconds,
    source_system || ':' || campaign_source_id as campaign_id,
    page as page
from entities.interactions_known(_known_at := $known_at)
where occurred_on < cast($as_of as date)
