-- kind:    statement
-- purpose: Which records were set aside, why, and which of them still wait for a correction?
-- grain:   load_id, record_number
-- reads:   ops.loads, ops.quarantine, ops.quarantine_resolutions, ops.withdrawals
-- columns:
--   load_id          load that set it aside
--   record_number    its number in the file
--   file             name of the file
--   line_number      line on which it begins
--   column_name      first offending column; empty where the record as a whole is wrong
--   reason           code of the reason
--   raw_length       bytes it has
--   raw_sha256       digest of those bytes
--   byte_offset      where it begins in the file
--   status           open; replayed (by a load that stands); withdrawn (with its load); erased (of a person
--                    who was erased: nothing of it is left to correct)
with standing as (
    select
        resolution.load_id as load_id,
        resolution.record_number as record_number
    from ops.quarantine_resolutions as resolution
    anti join ops.withdrawals on ops.withdrawals.load_id = resolution.replay_load_id
    group by resolution.load_id, resolution.record_number
)

select
    record.load_id as load_id,
    record.record_number as record_number,
    load.file as file,
    record.line_number as line_number,
    record.column_name as column_name,
    record.reason as reason,
    record.raw_length as raw_length,
    record.raw_sha256 as raw_sha256,
    record.byte_offset as byte_offset,
    case
        when record.reason = 'erased_subject' then 'erased'
        when withdrawal.load_id is not null then 'withdrawn'
        when standing.load_id is not null then 'replayed'
        else 'open'
    end as status
from ops.quarantine as record
left join ops.loads as load
    on load.load_id = record.load_id
left join ops.withdrawals as withdrawal
    on withdrawal.load_id = record.load_id
left join standing
    on standing.load_id = record.load_id
    and standing.record_number = record.record_number
order by record.load_id, record.record_number
