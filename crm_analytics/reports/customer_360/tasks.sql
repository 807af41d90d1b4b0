-- kind:    kpi
-- purpose: What was somebody to do for the customer?
-- grain:   task_id
-- reads:   facts.tasks_before
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
    f.task_id as task_id,
    f.source_id as source_id,
    f.customer_id as customer_id,
    f.kind as kind,
    f.created_on as created_on,
    f.due_on as due_on,
    f.done_on as done_on,
    f.owner_source_id as owner_source_id
from facts.tasks_before($as_of) as f
where f.customer_id = $customer_id
order by created_on, task_id
