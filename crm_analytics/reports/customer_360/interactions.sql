-- kind:    kpi
-- purpose: Which calls, mails and visits were there with the customer?
-- grain:   interaction_id
-- reads:   facts.interactions_before
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
    f.interaction_id as interaction_id,
    f.customer_id as customer_id,
    f.occurred_on as occurred_on,
    f.kind as kind,
    f.direction as direction,
    f.outcome as outcome,
    f.channel as channel,
    f.duration_seconds as duration_seconds,
    f.campaign_id as campaign_id,
    f.page as page
from facts.interactions_before($as_of) as f
where f.customer_id = $customer_id
order by occurred_on, interaction_id
