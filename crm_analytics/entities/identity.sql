-- kind:    table
-- purpose: Which customer is a source record, and since when do we say so?  Append-only: the last row of a key holds.
-- grain:   change_number, source_system, source_id
-- reads:   none
-- columns:
--   change_number    change of identity that says it (entities.identity_changes); later ones outdate it
--   source_system    system of the source record
--   source_id        its id there
--   customer_id      canonical customer: the smallest member key (system:id) of its group
--   recorded_at      since when we say so
create table if not exists entities.identity (
    change_number bigint not null,
    source_system varchar not null,
    source_id varchar not null,
    customer_id varchar not null,
    recorded_at timestamptz not null
)
