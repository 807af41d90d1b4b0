-- kind:    facts
-- purpose: Which tasks had been given before as_of, and which of them were done?
-- grain:   task_id
-- reads:   entities.customer_ids, entities.customers_of, entities.tasks_at
-- columns:
--   task_id            task, as system:id
--   source_id          its id alone, as whoever wrote it gave it
--   customer_id        canonical customer; NULL = about no customer
--   kind               what is to be done, in the source's words
--   created_on         business day on which it was created
--   due_on             last day (agreed in advance, so it may lie after as_of)
--   done_on            business day on which it was done, when before as_of; NULL = not done then
--   owner_source_id    user who is to do it
select
    t.source_system || ':' || t.source_id as task_id,
    t.source_id as source_id,
    coalesce(
        ids.customer_id, t.source_system || ':' || coalesce(t.customer_source_id, related.customer_source_id)
    ) as customer_id,
    case when t.is_held then t.kind end as kind,
    cast(t.created_at as date) as created_on,
    case when t.is_held then t.due_on end as due_on,
    case when t.done_at < cast(cast($as_of as date) as timestamptz) then cast(t.done_at as date) end as done_on,
    case when t.is_held then t.owner_source_id end as owner_source_id
from entities.tasks_at($as_of, _known_at := $known_at) as t
left join entities.customers_of($as_of, _known_at := $known_at) as related
    on related.entity = 'tasks'
    and related.source_system = t.source_system
    and related.source_id = t.source_id
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = t.source_system
    and ids.source_id = coalesce(t.customer_source_id, related.customer_source_id)
where t.created_at < cast(cast($as_of as date) as timestamptz)
