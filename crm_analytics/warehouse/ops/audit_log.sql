-- kind:    table
-- purpose: Who did what to the warehouse, when, and has the list been tampered with since?  Append-only.
-- grain:   entry_number
-- reads:   none
-- columns:
--   entry_number    1, 2, ... without a gap
--   done_at         when
--   actor           user of the operating system
--   action          load, sync, unload, merge, separate, undo, link, erase, export_subject, publish, backup
--   subject         number or name of what was made or changed: load 7, change 3; never a person
--   detail          JSON: counts and switches (force), without personal values
--   previous_hash   entry_hash of the entry before; empty for the first
--   entry_hash      SHA-256 of all the other columns: changing one entry breaks the chain
create table if not exists ops.audit_log (
    entry_number bigint not null,
    done_at timestamptz not null,
    actor varchar not null,
    action varchar not null,
    subject varchar not null,
    detail varchar not null,
    previous_hash varchar not null,
    entry_hash varchar not null
)
