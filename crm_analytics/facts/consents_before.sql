-- kind:    facts
-- purpose: Which consents were given or withdrawn before as_of?
-- grain:   consent_id
-- reads:   entities.consents_known, entities.customer_ids
-- columns:
--   consent_id     identity of the decision
--   customer_id    canonical customer; of a contact person or lead their own key
--   channel        channel it is about
--   purpose        what for
--   decided_on     business day on which it was given or withdrawn
--   is_granted     given (true) or withdrawn (false)
--   is_last        the last word on this channel and purpose
select
    hex(e.row_id) as consent_id,
    coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id) as customer_id,
    e.channel as channel,
    e.purpose as purpose,
    e.occurred_on as decided_on,
    e.is_granted as is_granted,
    row_number() over (
        partition by
            coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id), e.channel, e.purpose
        order by e.occurred_at desc, e.recorded_at desc, e.row_id desc
    ) = 1 as is_last
from entities.consents_known(_known_at := $known_at) as e
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = e.source_system and ids.source_id = e.customer_source_id
where e.occurred_on < cast($as_of as date)
