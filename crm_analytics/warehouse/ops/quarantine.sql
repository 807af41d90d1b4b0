-- kind:    table
-- purpose: Which records were set aside, why, and what exactly did they say?
-- grain:   load_id, record_number
-- reads:   none
-- columns:
--   load_id          load that set it aside
--   record_number    number of the data record in its file; the first is 1
--   line_number      physical line on which it begins; the first is 1
--   column_name      first offending column; empty where the record as a whole is wrong
--   reason           code of the reason, for example bad_date
--   message          what is wrong and what to do, without personal values
--   raw              the record's bytes as delivered (first 1,000 characters when over 1 MB)
--   raw_length       bytes the record had
--   raw_sha256       digest of those bytes
--   byte_offset      where it begins in the (uncompressed) file
create table if not exists ops.quarantine (
    load_id bigint not null,
    record_number bigint not null,
    line_number bigint not null,
    column_name varchar not null,
    reason varchar not null,
    message varchar not null,
    raw blob not null,
    raw_length bigint not null,
    raw_sha256 varchar not null,
    byte_offset bigint not null
)
