-- kind:    table
-- purpose: What did each entity get of a load?
-- grain:   load_id, entity
-- reads:   none
-- columns:
--   load_id        load
--   entity         entity
--   rows_staged    rows that its sound records told of the entity
--   rows_loaded    rows that are the current version of their row after the load
--   rows_merged    rows that say nothing new, or that a later record of the file replaces
--   rows_removed   rows that a full snapshot no longer tells, recorded as gone
create table if not exists ops.load_entities (
    load_id bigint not null,
    entity varchar not null,
    rows_staged bigint not null,
    rows_loaded bigint not null,
    rows_merged bigint not null,
    rows_removed bigint not null
)
