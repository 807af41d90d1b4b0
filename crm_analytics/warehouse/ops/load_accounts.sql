-- kind:    statement
-- purpose: What was ever loaded, does every file's account balance, and what became of it since?
-- grain:   load_id
-- reads:   ops.loads, ops.quarantine, ops.quarantine_resolutions, ops.withdrawals
-- columns:
--   load_id             number of the load
--   file                name of the file
--   profile             import profile
--   source_system       system the ids are scoped by
--   entity              main entity of the file
--   status              loaded, refused, unchanged, or withdrawn since
--   rows_in             data records in the file
--   rows_loaded         records that became the current version of their row
--   rows_quarantined    records set aside
--   rows_merged         records that said nothing new
--   rows_open           records set aside that no replay has corrected; 0 when withdrawn
--   reason              why a file was refused, or withdrawn
--   replays_load_id     load whose quarantine it replays; NULL for a file of its own
--   received_on         day it was received, in business time
--   withdrawn_on        day it was withdrawn, in business time
with corrected as (
    select distinct
        resolution.load_id as load_id,
        resolution.record_number as record_number
    from ops.quarantine_resolutions as resolution
    anti join ops.withdrawals on ops.withdrawals.load_id = resolution.replay_load_id
),

still_open as (
    select
        record.load_id as load_id,
        count(*) as rows_open
    from ops.quarantine as record
    anti join corrected using (load_id, record_number)
    where record.reason <> 'erased_subject'
    group by record.load_id
),

replays as (
    select
        replay_load_id as load_id,
        min(load_id) as replays_load_id
    from ops.quarantine_resolutions
    group by replay_load_id
)

select
    load.load_id as load_id,
    load.file as file,
    load.profile as profile,
    load.source_system as source_system,
    load.entity as entity,
    case when withdrawal.load_id is not null then 'withdrawn' else load.status end as status,
    load.rows_in as rows_in,
    load.rows_loaded as rows_loaded,
    load.rows_quarantined as rows_quarantined,
    load.rows_merged as rows_merged,
    case when withdrawal.load_id is null then coalesce(still_open.rows_open, 0) else 0 end as rows_open,
    coalesce(load.reason, nullif(withdrawal.reason, '')) as reason,
    replays.replays_load_id as replays_load_id,
    cast(load.received_at as date) as received_on,
    cast(withdrawal.withdrawn_at as date) as withdrawn_on
from ops.loads as load
left join ops.withdrawals as withdrawal
    on withdrawal.load_id = load.load_id
left join still_open
    on still_open.load_id = load.load_id
left join replays
    on replays.load_id = load.load_id
order by load.load_id
