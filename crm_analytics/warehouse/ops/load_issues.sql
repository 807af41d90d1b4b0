-- kind:    table
-- purpose: What did a load notice without losing a record?
-- grain:   load_id, issue, column_name, detail
-- reads:   none
-- columns:
--   load_id        load that noticed it
--   issue          unknown_column, unknown_word, bad_optional_value, rounded_price, no_records ...
--   column_name    column of the file concerned; empty where there is none
--   detail         the word, or what was done; values only of columns tagged none
--   row_count      records concerned
create table if not exists ops.load_issues (
    load_id bigint not null,
    issue varchar not null,
    column_name varchar not null,
    detail varchar not null,
    row_count bigint not null
)
