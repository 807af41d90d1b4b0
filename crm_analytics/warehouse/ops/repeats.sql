-- kind:    table
-- purpose: Which record of a load said again what was known, and so left no version of its own?
-- grain:   load_id, entity, record_number, row_part
-- reads:   none
-- columns:
--   load_id                load
--   entity                 entity told
--   recorded_at            when it was received
--   record_number          record of its file
--   version_load_id        load of the version that it repeats
--   version_record_number  record number of that version
--   row_part               low 32 bits of its row_id; tells the rows apart that one record gave
create table if not exists ops.repeats (
    load_id bigint not null,
    entity varchar not null,
    recorded_at timestamptz not null,
    record_number bigint not null,
    version_load_id bigint not null,
    version_record_number bigint not null,
    row_part uinteger not null
)
