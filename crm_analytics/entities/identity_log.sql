-- kind:    table
-- purpose: Who or what changed which source records are one customer?  Append-only.
-- grain:   change_number
-- reads:   none
-- columns:
--   change_number    1, 2, ...; the merge_id of a merge
--   kind             link = a run of the linkage; merge = one customer; separate = never one; undo
--   left_id          customer key (system:id) that was named first; NULL of a link
--   right_id         customer key that was named second; NULL of a link
--   undoes           change that is undone; only of kind undo
--   recorded_at      when
--   reason           why, in the words of who decided; of a link: what it saw and by which rules
create table if not exists entities.identity_log (
    change_number bigint not null,
    kind varchar not null,
    left_id varchar,
    right_id varchar,
    undoes bigint,
    recorded_at timestamptz not null,
    reason varchar not null
)
