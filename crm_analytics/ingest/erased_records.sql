-- kind:    table
-- purpose: Which records were erased in a record store, so that they must be gone here too?
-- grain:   store_id, change_number
-- reads:   none
-- columns:
--   store_id          the record store's own random id
--   change_number     number of the erasure among its changes
--   source_system     system that its ids are scoped by
--   entity            entity the record was of
--   key_hash          hash of its key under the record store's secret key; nothing else is left of it
--   erased_at         when it was erased in the record store
--   versions_removed  versions that the sync took out of the entities here
create table if not exists ops.erased_records (
    store_id varchar not null,
    change_number bigint not null,
    source_system varchar not null,
    entity varchar not null,
    key_hash varchar not null,
    erased_at timestamptz not null,
    versions_removed bigint not null
)
