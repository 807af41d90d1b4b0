-- kind:    check
-- purpose: Which replays of corrected records were not tied record by record to what they correct?
-- gate:    stop above 0
-- grain:   load_id
-- reads:   ops.loads, ops.quarantine_resolutions
-- columns:
--   load_id             load that replayed records
--   rows_in             records it replayed
--   rows_tied           records in quarantine that they correct
--   rows_quarantined    records that were set aside again
--   rows_tied_aside     those of them that are tied to what they should have corrected
with tied as (
    select
        replay_load_id as load_id,
        count(*) as rows_tied,
        count(*) filter (outcome = 'set_aside') as rows_tied_aside
    from ops.quarantine_resolutions
    group by replay_load_id
)

select
    load.load_id as load_id,
    load.rows_in as rows_in,
    tied.rows_tied as rows_tied,
    load.rows_quarantined as rows_quarantined,
    tied.rows_tied_aside as rows_tied_aside
from tied
join ops.loads as load
    on load.load_id = tied.load_id
where load.rows_in <> tied.rows_tied
    or load.rows_quarantined <> tied.rows_tied_aside
