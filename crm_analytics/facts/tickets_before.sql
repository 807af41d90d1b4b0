-- kind:    facts
-- purpose: Which requests and complaints were opened before as_of, and how far had they come?
-- grain:   ticket_id
-- reads:   entities.customer_ids, entities.customers_of, entities.tickets_at
-- columns:
--   ticket_id               ticket, as system:id
--   customer_id             canonical customer
--   opened_on               business day on which it was opened
--   kind                    question, problem, complaint, request
--   category                category in the source's words
--   subject                 what it is about, in free text: personal
--   status                  status in the source's words, as the ticket's record told it by then; NULL = not told, or
--                           changed since (its history, where there is one: `facts.ticket_statuses_before`)
--   resolved_on             business day of resolution, when before as_of; NULL = still open then
--   days_to_resolve         days from opening to resolution, or to as_of while open
--   is_resolved             resolved before as_of
--   first_response_hours    hours to the first answer, when given before as_of
with cut as (
    select
        t.* replace (coalesce(t.customer_source_id, related.customer_source_id) as customer_source_id),
        cast(cast($as_of as date) as timestamptz) as cut_at,
        cast(t.created_at as date) as created_on
    from entities.tickets_at($as_of, _known_at := $known_at) as t
    left join entities.customers_of($as_of, _known_at := $known_at) as related
        on related.entity = 'tickets'
        and related.source_system = t.source_system
        and related.source_id = t.source_id
)

select
    cut.source_system || ':' || cut.source_id as ticket_id,
    coalesce(ids.customer_id, cut.source_system || ':' || cut.customer_source_id) as customer_id,
    created_on as opened_on,
    kind as kind,
    category as category,
    subject as subject,
    -- a source tells the last status only: that of then where the record was changed last, or received, before
    case when is_held and (modified_at < cut_at or recorded_at < cut_at) then status end as status,
    case when resolved_at < cut_at then cast(resolved_at as date) end as resolved_on,
    date_diff(
        'day', created_on, case when resolved_at < cut_at then cast(resolved_at as date) else cast($as_of as date) end
    ) as days_to_resolve,
    coalesce(resolved_at < cut_at, false) as is_resolved,
    case
        when first_response_at < cut_at
            then cast(date_diff('minute', created_at, first_response_at) as double) / cast(60 as double)
    end as first_response_hours
from cut
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = cut.source_system and ids.source_id = cut.customer_source_id
where created_at < cut_at
