-- kind:    facts
-- purpose: Which contacts with customers were there before as_of?
-- grain:   interaction_id
-- reads:   entities.customer_ids, entities.customers_of, entities.interactions_known
-- columns:
--   interaction_id      contact, as system:id
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
    e.source_system || ':' || e.source_id as interaction_id,
    coalesce(
        ids.customer_id, e.source_system || ':' || coalesce(e.customer_source_id, related.customer_source_id)
    ) as customer_id,
    e.occurred_on as occurred_on,
    e.kind as kind,
    e.direction as direction,
    e.outcome as outcome,
    e.channel as channel,
    e.duration_seconds as duration_seconds,
    e.source_system || ':' || e.campaign_source_id as campaign_id,
    e.page as page
from entities.interactions_known(_known_at := $known_at) as e
left join entities.customers_of($as_of, _known_at := $known_at) as related
    on related.entity = 'interactions'
    and related.source_system = e.source_system
    and related.source_id = e.source_id
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = e.source_system
    and ids.source_id = coalesce(e.customer_source_id, related.customer_source_id)
where e.occurred_on < cast($as_of as date)
