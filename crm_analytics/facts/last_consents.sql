-- kind:    facts
-- purpose: On which channels did each customer allow or refuse marketing last, before as_of?
-- grain:   customer_id, channel
-- reads:   entities.consents_known, entities.customer_ids
-- columns:
--   customer_id    canonical customer; of a contact person or lead their own key
--   channel        channel that was spoken of
--   is_granted     marketing is allowed (true) or refused (false) there
-- Marketing is what is said without a purpose, of "marketing" or of "all". Each purpose has its own last word, and of
-- two at one moment no is the last. A refusal of any purpose stands until the same purpose is granted later, or
-- marketing later or in the same breath; a grant of another purpose (service mails) allows no marketing. is_for_sending: refusals that are known count
-- whatever their day, also those of as_of itself and later (see refusals_known); else nothing from as_of on does.
with words as (
    select
        coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id) as customer_id,
        e.channel as channel,
        case
            when coalesce(lower(trim(e.purpose)), '') in ('', 'all', 'any', 'marketing') then 'marketing'
            else lower(trim(e.purpose))
        end as purpose,
        e.is_granted as is_granted,
        e.occurred_at as occurred_at
    from entities.consents_known(_known_at := $known_at) as e
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system = e.source_system and ids.source_id = e.customer_source_id
    where e.occurred_on < cast($as_of as date) or ($is_for_sending and not e.is_granted)
),

last_words as (
    select
        customer_id,
        channel,
        purpose,
        max(occurred_at) as occurred_at,
        coalesce(
            max(occurred_at) filter (where is_granted) > max(occurred_at) filter (where not is_granted),
            bool_and(is_granted)
        ) as is_granted
    from words
    group by customer_id, channel, purpose
),

channels as (
    select
        customer_id,
        channel,
        max(occurred_at) filter (where not is_granted) as refused_at,
        max(occurred_at) filter (where is_granted and purpose = 'marketing') as granted_at
    from last_words
    group by customer_id, channel
)

select
    customer_id as customer_id,
    channel as channel,
    coalesce(granted_at >= refused_at, refused_at is null) as is_granted
from channels
where refused_at is not null or granted_at is not null
