-- kind:    table
-- purpose: Which records that were set aside came in again, corrected, and by which load?
-- grain:   load_id, record_number, replay_load_id
-- reads:   none
-- columns:
--   load_id                 load that set the record aside (ops.quarantine)
--   record_number           its number in that load's file
--   replay_load_id          load that brought it corrected; when that is withdrawn, the record is open again
--   replay_record_number    its number in the corrected file
--   outcome                 accepted, or set_aside: corrected wrongly, and in quarantine under its new number
--   content_sha256          digest of the corrected record: equal = no second correction
--   resolved_at             when it was replayed
create table if not exists ops.quarantine_resolutions (
    load_id bigint not null,
    record_number bigint not null,
    replay_load_id bigint not null,
    replay_record_number bigint not null,
    outcome varchar not null,
    content_sha256 varchar,
    resolved_at timestamptz not null
)
