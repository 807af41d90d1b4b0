-- kind:    table
-- purpose: Up to which change of which record store does this warehouse know everything?
-- grain:   store_id
-- reads:   none
-- columns:
--   store_id          the record store's own random id
--   source_system     system that its ids are scoped by
--   change_number     last change that was brought in
--   changed_at        when that change was recorded in the record store; tells a restored store
--   received_at       recorded_at of the last sync's rows; never goes back
create table if not exists ops.sync_state (
    store_id varchar not null,
    source_system varchar not null,
    change_number bigint not null,
    changed_at timestamptz,
    received_at timestamptz not null
)
