-- kind:    facts
-- purpose: Which leads had come in before as_of, and which had become customers?
-- grain:   lead_id
-- reads:   entities.customer_ids, entities.leads_at
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
    cut.source_system || ':' || cut.source_id as lead_id,
    cast(cut.created_at as date) as created_on,
    cut.lead_source as lead_source,
    cut.industry as industry,
    cut.country as country,
    cut.job_title as job_title,
    cut.employee_count as employee_count,
    case when cut.has_converted then cast(cut.converted_at as date) end as converted_on,
    case when cut.has_converted then coalesce(ids.customer_id, cut.source_system || ':' || cut.converted_customer_source_id) end as customer_id
from cut
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = cut.source_system and ids.source_id = cut.converted_customer_source_id
where cut.created_at < cast(cast($as_of as date) as timestamptz)
