-- kind:    features
-- purpose: Which trouble did each customer have with us: complaints, slow resolutions, open requests?
-- grain:   customer_id
-- reads:   facts.tickets_before
-- columns:
--   customer_id                canonical customer
--   ticket_count_180           tickets opened in the last 180 days
--   problem_count_365          problems opened in the last 365 days: something did not work
--   complaint_count_365        complaints opened in the last 365 days
--   slow_complaint_count_365   of these, not resolved within ten days
--   slowest_complaint_days     longest time of these to resolution, or to as_of while open; NULL = no complaint
--   slowest_complaint_180      ... of complaints opened in the last 180 days
--   days_since_complaint       days since the last complaint was opened; NULL = never
--   open_ticket_count          tickets still open
--   slowest_response_hours     longest wait for a first answer in the last 365 days, hours
with tickets as (
    select
        customer_id,
        date_diff('day', opened_on, cast($as_of as date)) as age_days,
        kind = 'problem' as is_problem,
        kind = 'complaint' as is_complaint,
        -- more than ten days is slow, whether it was resolved then or is open still
        days_to_resolve > 10 as is_slow,
        days_to_resolve,
        is_resolved,
        first_response_hours
    from facts.tickets_before($as_of, _known_at := $known_at)
    where customer_id is not null
)

select
    customer_id as customer_id,
    cast(sum(case when age_days <= 180 then 1 else 0 end) as bigint) as ticket_count_180,
    cast(sum(case when is_problem and age_days <= 365 then 1 else 0 end) as bigint) as problem_count_365,
    cast(sum(case when is_complaint and age_days <= 365 then 1 else 0 end) as bigint) as complaint_count_365,
    cast(
        sum(case when is_complaint and is_slow and age_days <= 365 then 1 else 0 end) as bigint
    ) as slow_complaint_count_365,
    max(case when is_complaint and age_days <= 365 then days_to_resolve end) as slowest_complaint_days,
    max(case when is_complaint and age_days <= 180 then days_to_resolve end) as slowest_complaint_180,
    min(case when is_complaint then age_days end) as days_since_complaint,
    cast(sum(case when is_resolved then 0 else 1 end) as bigint) as open_ticket_count,
    max(case when age_days <= 365 then first_response_hours end) as slowest_response_hours
from tickets
group by customer_id
