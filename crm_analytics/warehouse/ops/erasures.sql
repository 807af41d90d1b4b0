-- kind:    table
-- purpose: Which persons were erased, when, and how much went?  The receipt, without anything personal.
-- grain:   erasure_id
-- reads:   none
-- columns:
--   erasure_id      1, 2, ...
--   erased_at       when
--   rows_removed    JSON: table -> rows removed
--   rows_emptied    JSON: table -> rows that stay, in which something of the person was emptied
create table if not exists ops.erasures (
    erasure_id bigint not null,
    erased_at timestamptz not null,
    rows_removed varchar not null,
    rows_emptied varchar not null
)
