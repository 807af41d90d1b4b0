-- kind:    table
-- purpose: When was which entity told by which load, and how, so that a late delivery finds its place?
-- grain:   load_id, entity
-- reads:   none
-- columns:
--   load_id         load
--   entity          entity that it told of
--   source_system   system the ids are scoped by
--   recorded_at     when it was received
--   repeats         merge or keep: were equal lines of it one fact or several?
--   last_record     highest record number it told by; versions of the load above it are removals
--   snapshot_loads  loads that together told all rows there were then (a snapshot and the replays of its
--                   quarantine): what they lack was removed by this load; NULL where it removed nothing
--   is_held_back    a snapshot that removed nothing, because records of it were set aside
create table if not exists ops.deliveries (
    load_id bigint not null,
    entity varchar not null,
    source_system varchar not null,
    recorded_at timestamptz not null,
    repeats varchar not null,
    last_record bigint not null,
    snapshot_loads bigint[],
    is_held_back boolean not null
)
