-- kind:    table
-- purpose: Which erasures have begun and are not finished?  Empty but while one is under way, or after one was cut
--          short: the next erasure or night finishes it.
-- grain:   due_id
-- reads:   none
-- columns:
--   due_id     1, 2, ...
--   asked_at   when the erasure was asked for
--   subject    JSON: the keys of the person's records, names, addresses and numbers, so that what is left of the
--              person is found although part of it is gone
create table if not exists ops.erasures_due (
    due_id bigint not null,
    asked_at timestamptz not null,
    subject varchar not null
)
