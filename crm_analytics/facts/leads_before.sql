-- kind:    facts
-- purpose: Which leads had come in before as_of, and which had become customers?
-- grain:   lead_id
-- reads:   entities.leads_at
-- columns:
--   lead_id           lead, as system:id
--   created_on        business day on which it came in
--   lead_source       where it came from
--   industry          field of activity
--   country           country
--   job_title         position
--   employee_count    persons
--   converted_on      business day on which it became a customer, when before as_of
--   customer_id       canonical customer it became, when before as_of
with cut as (
    select
        *,
        converted_at < cast(cast($as_of as date) as timestamptz) as has_converted
    from entities.leads_at($as_of, _known_at := $known_at)
)

select
    source_system || ':' || source_id as lead_id,
    cast(created_at as date) as created_on,
    lead_source as lead_source,
    industry as industry,
    country as country,
    job_title as job_title,
    employee_count as employee_count,
    case when has_converted then cast(converted_at as date) end as converted_on,
    case when has_converted then source_system || ':' || converted_customer_source_id end as customer_id
from cut
where created_at < cast(cast($as_of as date) as timestamptz)
