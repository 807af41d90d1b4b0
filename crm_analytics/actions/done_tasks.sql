-- kind:    score
-- purpose: Which tasks of earlier lists did people do before as_of?
-- grain:   task_key
-- reads:   facts.tasks_before
-- columns:
--   task_key    id of the task, as the night that wrote it gave it
--   done_on     business day on which it was done
select
    source_id as task_key,
    min(done_on) as done_on
from facts.tasks_before($as_of)
where done_on is not null and starts_with(source_id, 'keep-')
group by source_id
