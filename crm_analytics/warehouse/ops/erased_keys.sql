-- kind:    table
-- purpose: By what are the erased known again, so that an old export does not bring them back?
-- grain:   erasure_id, key_hash
-- reads:   none
-- columns:
--   erasure_id    erasure (ops.erasures)
--   key_hash      keyed hash of entity, source system and id, or of a contact point; nothing else is left
create table if not exists ops.erased_keys (
    erasure_id bigint not null,
    key_hash varchar not null
)
