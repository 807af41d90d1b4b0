-- kind:    kpi
-- purpose: With what did the customer turn to us, and was it settled?
-- grain:   ticket_id
-- reads:   facts.tickets_before, facts.ticket_statuses_before
-- columns:
--   ticket_id               ticket, as system:id
--   customer_id             canonical customer
--   opened_on               business day on which it was opened
--   kind                    question, problem, complaint, request
--   category                category in the source's words
--   subject                 what it is about, in free text: personal
--   status                  status in the source's words: entered last before as_of, else as the record told it by then
--   resolved_on             business day of resolution, when before as_of; NULL = still open then
--   days_to_resolve         days from opening to resolution, or to as_of while open
--   is_resolved             resolved before as_of
--   first_response_hours    hours to the first answer, when given before as_of
select
    f.ticket_id as ticket_id,
    f.customer_id as customer_id,
    f.opened_on as opened_on,
    f.kind as kind,
    f.category as category,
    f.subject as subject,
    coalesce(s.status, f.status) as status,
    f.resolved_on as resolved_on,
    f.days_to_resolve as days_to_resolve,
    f.is_resolved as is_resolved,
    f.first_response_hours as first_response_hours
from facts.tickets_before($as_of) as f
left join facts.ticket_statuses_before($as_of) as s on s.ticket_id = f.ticket_id
where f.customer_id = $customer_id
order by opened_on, ticket_id
