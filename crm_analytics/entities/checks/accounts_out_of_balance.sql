-- kind:    check
-- purpose: Which loads have an account that does not balance, or other quarantined records than it says?
-- gate:    stop above 0
-- grain:   load_id
-- reads:   ops.loads, ops.quarantine
-- columns:
--   load_id             number of the load
--   rows_in             data records in the file
--   rows_accounted      loaded + quarantined + merged
--   rows_set_aside      records of the load in ops.quarantine
with set_aside as (
    select
        load_id as load_id,
        count(*) as rows_set_aside
    from ops.quarantine
    group by load_id
),

accounts as (
    select
        load.load_id as load_id,
        load.rows_in as rows_in,
        load.rows_loaded + load.rows_quarantined + load.rows_merged as rows_accounted,
        load.rows_quarantined as rows_quarantined,
        coalesce(set_aside.rows_set_aside, 0) as rows_set_aside
    from ops.loads as load
    left join set_aside
        on set_aside.load_id = load.load_id
)

select
    load_id as load_id,
    rows_in as rows_in,
    rows_accounted as rows_accounted,
    rows_set_aside as rows_set_aside
from accounts
where rows_in <> rows_accounted
    or rows_quarantined <> rows_set_aside
