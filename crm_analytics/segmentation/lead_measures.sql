-- kind:    features
-- purpose: What can a rule ask about a lead as of as_of?
-- grain:   lead_id
-- reads:   facts.leads_before, facts.order_days_before
-- columns:
--   lead_id                 lead, as system:id
--   lead_source             where it came from
--   industry                field of activity
--   country                 country
--   job_title               position
--   employee_count          persons
--   created_on              day on which it came in
--   days_since_created      days from then to the last day seen
--   has_converted           became a customer
--   days_since_converted    days from then to the last day seen; missing = has not
--   has_bought              the customer it became has bought
with buyers as (
    select distinct customer_id from facts.order_days_before($as_of) where is_purchase_day
)

select
    l.lead_id as lead_id,
    l.lead_source as lead_source,
    l.industry as industry,
    l.country as country,
    l.job_title as job_title,
    l.employee_count as employee_count,
    l.created_on as created_on,
    date_diff('day', l.created_on, cast($as_of as date)) - 1 as days_since_created,
    l.converted_on is not null as has_converted,
    date_diff('day', l.converted_on, cast($as_of as date)) - 1 as days_since_converted,
    buyers.customer_id is not null as has_bought
from facts.leads_before($as_of) as l
left join buyers on buyers.customer_id = l.customer_id
order by lead_id
