-- kind:    table
-- purpose: What did each step of a run do?
-- grain:   run_id, step_number
-- reads:   none
-- columns:
--   run_id         run it belongs to (ops.runs)
--   step_number    order in the run; the first is 1
--   step           name of the step
--   status         done, skipped, warned (done, with something to look at) or failed
--   row_count      rows written or looked at
--   seconds        how long it took
--   note           what there is to say, without personal values
create table if not exists ops.run_steps (
    run_id varchar not null,
    step_number integer not null,
    step varchar not null,
    status varchar not null,
    row_count bigint,
    seconds double not null,
    note varchar not null
)
