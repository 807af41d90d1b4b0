-- kind:    table
-- purpose: What was ever loaded, and does every file's account balance?
-- grain:   load_id
-- reads:   none
-- columns:
--   load_id             number of the load, counted up from 1
--   file                name of the file as given (never its folder)
--   file_sha256         digest of the file's bytes; NULL for changes of the record store
--   profile             name of the import profile
--   profile_sha256      digest of the profile and options, so that the same file is known again
--   source_system       system the ids are scoped by
--   entity              entity that the records are counted in
--   status              loaded, refused, unchanged (the same bytes were loaded before) or withdrawn (they were
--                       taken back, and are not read)
--   rows_in             data records in the file
--   rows_loaded         records that are the current version of their row after the load
--   rows_quarantined    records set aside, each with a reason (ops.quarantine)
--   rows_merged         records that say nothing new, or that a later record of the file replaces
--   reason              why a file was refused; NULL otherwise
--   received_at         when the file was received (recorded_at of its rows)
--   started_at          when the load began
--   finished_at         when the load ended
create table if not exists ops.loads (
    load_id bigint not null,
    file varchar not null,
    file_sha256 varchar,
    profile varchar,
    profile_sha256 varchar,
    source_system varchar,
    entity varchar,
    status varchar not null,
    rows_in bigint not null,
    rows_loaded bigint not null,
    rows_quarantined bigint not null,
    rows_merged bigint not null,
    reason varchar,
    received_at timestamptz not null,
    started_at timestamptz not null,
    finished_at timestamptz not null
)
