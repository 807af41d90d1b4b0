-- kind:    facts
-- purpose: On which channels did each customer allow or refuse marketing last, before as_of?
-- grain:   customer_id, channel
-- reads:   entities.consents_known, entities.customer_ids
-- columns:
--   customer_id    canonical customer; of a contact person or lead their own key
--   channel        channel that was spoken of, for whatever purpose
--   is_granted     the last word on it: allowed (true) or refused (false)
with words as (
    select
        coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id) as customer_id,
        e.channel as channel,
        e.is_granted as is_granted,
        e.occurred_at as occurred_at,
        e.recorded_at as recorded_at,
        e.row_id as row_id
    from entities.consents_known(_known_at := $known_at) as e
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system = e.source_system and ids.source_id = e.customer_source_id
    where e.occurred_on < cast($as_of as date)
)

select
    customer_id as customer_id,
    channel as channel,
    is_granted as is_granted
from words
qualify row_number() over (
    partition by customer_id, channel
    order by occurred_at desc, recorded_at desc, row_id desc
) = 1
