-- kind:    facts
-- purpose: On which channels did each customer allow or refuse marketing last, before as_of?
-- grain:   customer_id, channel
-- reads:   entities.consents_known, entities.consents_versions, entities.customer_ids, ops.loads, ops.withdrawals
-- columns:
--   customer_id    canonical customer; of a contact person or lead their own key
--   channel        channel that was spoken of: a word of the vocabulary
--   is_granted     marketing is allowed (true) or refused (false) there
-- Marketing is what is said without a purpose, of "marketing" or of "all". Each purpose has its own last word, and of
-- two at one moment no is the last. A refusal of any purpose stands until the same purpose is granted later, or
-- marketing later or in the same breath; a grant of another purpose (service mails) allows no marketing.
-- The channel "all" is every channel. A refusal on a channel that nobody knows counts for every channel; a grant on
-- one allows nothing. is_for_sending: refusals that are known count whatever their day, also those of as_of itself
-- and later (see refusals_known); else nothing from as_of on does.
with withdrawn as (
    select load_id from ops.withdrawals
    where $known_at is null or withdrawn_at <= cast($known_at as timestamptz)
),

-- A yes that files tell of the very moment of a no (a date without time, the other way round in the next file) does
-- not replace it. What a person changed in the record store does: that is a correction.
versions as (
    select
        told.row_id,
        told.is_granted,
        told.is_deleted,
        count(*) filter (where loads.profile = 'records') over (
            partition by told.row_id
            order by told.recorded_at, told.record_number, told.content_id
            rows between 1 following and unbounded following
        ) as later_edit_count
    from entities.consents_versions as told
    left join ops.loads as loads on loads.load_id = told.load_id
    semi join (select row_id from entities.consents_versions where is_revision) as revised using (row_id)
    anti join withdrawn on withdrawn.load_id = told.load_id
    where $known_at is null or told.recorded_at <= cast($known_at as timestamptz)
),

refused_as_well as (
    select row_id from versions
    where not is_granted and not is_deleted and later_edit_count = 0
    group by row_id
),

told as (
    select
        coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id) as customer_id,
        e.channel as channel,
        case
            when coalesce(lower(trim(e.purpose)), '') in ('', 'all', 'any', 'marketing') then 'marketing'
            else lower(trim(e.purpose))
        end as purpose,
        e.is_granted and refused.row_id is null as is_granted,
        e.occurred_on as occurred_on,
        e.occurred_at as occurred_at
    from entities.consents_known(_known_at := $known_at) as e
    left join refused_as_well as refused on refused.row_id = e.row_id
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system = e.source_system and ids.source_id = e.customer_source_id
),

every_channel as (
    select [
        'affiliate', 'app', 'chat', 'direct', 'display', 'email', 'event', 'form', 'in_person', 'marketplace',
        'organic_search', 'paid_search', 'partner', 'phone', 'post', 'referral', 'sms', 'social', 'store', 'web'
    ] as names
),

words as (
    select
        told.customer_id as customer_id,
        unnest(
            case
                when list_contains(every_channel.names, told.channel) then [told.channel]
                when told.channel = 'all' or not told.is_granted then every_channel.names
            end
        ) as channel,
        told.purpose as purpose,
        told.is_granted as is_granted,
        told.occurred_at as occurred_at
    from told
    cross join every_channel
    where told.occurred_on < cast($as_of as date) or ($is_for_sending and not told.is_granted)
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
