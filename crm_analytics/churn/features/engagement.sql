-- kind:    features
-- purpose: Does each customer still turn to us (mails opened, visits, calls), and less than before?
-- grain:   customer_id
-- reads:   facts.interactions_before
-- columns:
--   customer_id                 canonical customer
--   mail_sent_count_90          e-mails sent in the last 90 days
--   mail_opened_count_90        ... opened
--   mail_clicked_count_90       ... clicked
--   web_count_90                web events in the last 90 days
--   call_count_90               calls in the last 90 days
--   missed_call_count_90        of these, missed
--   engagement_count_90         things the customer did (opened, clicked, visited, called, wrote), last 90 days
--   engagement_count_before     the same in the 90 days before those
--   engagement_drop_ratio       1 - engagement_count_90 / engagement_count_before; negative = more; NULL = none before
--   days_since_engagement       days since the customer last did one of these; NULL = never
--   has_unsubscribed            1 = unsubscribed from e-mail at some time, else 0
with contacts as (
    select
        customer_id,
        date_diff('day', occurred_on, cast($as_of as date)) as age_days,
        kind,
        outcome,
        direction,
        -- what we do (a mail sent, a note) says nothing about the customer
        (
            kind = 'email' and outcome in ('opened', 'clicked')
            or kind = 'web'
            or kind in ('call', 'visit', 'chat', 'sms', 'email') and direction = 'in'
        ) as is_engagement
    from facts.interactions_before($as_of, _known_at := $known_at)
    where customer_id is not null
),

by_customer as (
    select
        customer_id,
        sum(case when age_days <= 90 and kind = 'email' and outcome = 'sent' then 1 else 0 end) as sent,
        sum(case when age_days <= 90 and kind = 'email' and outcome = 'opened' then 1 else 0 end) as opened,
        sum(case when age_days <= 90 and kind = 'email' and outcome = 'clicked' then 1 else 0 end) as clicked,
        sum(case when age_days <= 90 and kind = 'web' then 1 else 0 end) as web,
        sum(case when age_days <= 90 and kind = 'call' then 1 else 0 end) as calls,
        sum(case when age_days <= 90 and kind = 'call' and direction = 'missed' then 1 else 0 end) as missed,
        sum(case when age_days <= 90 and is_engagement then 1 else 0 end) as engaged,
        sum(case when age_days between 91 and 180 and is_engagement then 1 else 0 end) as engaged_before,
        min(case when is_engagement then age_days end) as days_since_engagement,
        max(case when outcome = 'unsubscribed' then 1 else 0 end) as has_unsubscribed
    from contacts
    group by customer_id
)

select
    customer_id as customer_id,
    cast(sent as bigint) as mail_sent_count_90,
    cast(opened as bigint) as mail_opened_count_90,
    cast(clicked as bigint) as mail_clicked_count_90,
    cast(web as bigint) as web_count_90,
    cast(calls as bigint) as call_count_90,
    cast(missed as bigint) as missed_call_count_90,
    cast(engaged as bigint) as engagement_count_90,
    cast(engaged_before as bigint) as engagement_count_before,
    case
        when engaged_before > 0 then cast(1 as double) - cast(engaged as double) / cast(engaged_before as double)
    end as engagement_drop_ratio,
    days_since_engagement as days_since_engagement,
    has_unsubscribed as has_unsubscribed
from by_customer
