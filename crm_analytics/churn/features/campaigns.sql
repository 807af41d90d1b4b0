-- kind:    features
-- purpose: Was each customer addressed by campaigns, and did it bring an answer?
-- grain:   customer_id
-- reads:   facts.campaign_contacts_before
-- columns:
--   customer_id                  canonical customer
--   campaign_contact_count_365   times addressed in the last 365 days; held-out members do not count
--   campaign_response_rate_365   share of these answered before as_of, 0..1; NULL = not addressed
--   days_since_campaign          days since last addressed; NULL = never
--   days_since_response          days since the last response; NULL = never
with contacts as (
    select
        customer_id,
        date_diff('day', contacted_on, cast($as_of as date)) as age_days,
        date_diff('day', responded_on, cast($as_of as date)) as response_age_days
    from facts.campaign_contacts_before($as_of, _known_at := $known_at)
    where customer_id is not null and not is_control
),

by_customer as (
    select
        customer_id,
        sum(case when age_days <= 365 then 1 else 0 end) as contact_count,
        sum(case when age_days <= 365 and response_age_days is not null then 1 else 0 end) as response_count,
        min(age_days) as days_since_campaign,
        min(response_age_days) as days_since_response
    from contacts
    group by customer_id
)

select
    customer_id as customer_id,
    cast(contact_count as bigint) as campaign_contact_count_365,
    case
        when contact_count > 0 then cast(response_count as double) / cast(contact_count as double)
    end as campaign_response_rate_365,
    days_since_campaign as days_since_campaign,
    days_since_response as days_since_response
from by_customer
