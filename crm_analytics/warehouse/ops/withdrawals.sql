-- kind:    table
-- purpose: Which loads were taken back, when and why?
-- grain:   load_id
-- reads:   none
-- columns:
--   load_id         load that was withdrawn; its versions stay and are passed over
--   withdrawn_at    when; what was known before (known_at) still holds them
--   withdrawn_with  load whose withdrawal took this one along (its replays); the load itself otherwise
--   reason          why, in the words of who withdrew it; may be empty
create table if not exists ops.withdrawals (
    load_id bigint not null,
    withdrawn_at timestamptz not null,
    withdrawn_with bigint not null,
    reason varchar not null
)
