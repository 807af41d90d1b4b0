-- kind:    facts
-- purpose: Which status had each ticket entered last before as_of, where its history is told?
-- grain:   ticket_id
-- reads:   entities.ticket_statuses_known, facts.tickets_before
-- columns:
--   ticket_id      ticket, as system:id
--   customer_id    canonical customer
--   status         status in the source's words
--   status_kind    open, waiting, resolved or closed; NULL = the source does not say
--   entered_on     business day on which it was entered
with last_statuses as (
    select
        source_system || ':' || ticket_source_id as ticket_id,
        status as status,
        status_kind as status_kind,
        occurred_on as entered_on
    from entities.ticket_statuses_known(_known_at := $known_at)
    where occurred_on < cast($as_of as date)
    qualify row_number() over (
        partition by source_system, ticket_source_id
        order by occurred_at desc, recorded_at desc, row_id desc
    ) = 1
)

select
    t.ticket_id as ticket_id,
    t.customer_id as customer_id,
    s.status as status,
    s.status_kind as status_kind,
    s.entered_on as entered_on
from last_statuses as s
join facts.tickets_before($as_of, _known_at := $known_at) as t on t.ticket_id = s.ticket_id
