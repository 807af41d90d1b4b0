-- kind:    kpi
-- purpose: From which leads did the customer come?
-- grain:   lead_id
-- reads:   facts.leads_before
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
select
    f.lead_id as lead_id,
    f.created_on as created_on,
    f.lead_source as lead_source,
    f.industry as industry,
    f.country as country,
    f.job_title as job_title,
    f.employee_count as employee_count,
    f.converted_on as converted_on,
    f.customer_id as customer_id
from facts.leads_before($as_of) as f
where f.customer_id = $customer_id
order by created_on, lead_id
