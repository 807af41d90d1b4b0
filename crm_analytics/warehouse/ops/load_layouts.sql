-- kind:    table
-- purpose: How was a file read of which records were set aside, so that they can be read again corrected?
-- grain:   load_id
-- reads:   none
-- columns:
--   load_id       load with records in ops.quarantine
--   kind          kind of the file: text, json, ndjson, parquet or workbook
--   header        JSON list: column names as the file has them
--   has_header    false: the names come from the profile, the file has none
--   delimiter     what separates the fields of a text; NULL otherwise
--   encoding      declared encoding; NULL where the file itself tells
--   profile       profile as it was asked for (name or path), else the one that was recognised
--   options       JSON: options of the caller
create table if not exists ops.load_layouts (
    load_id bigint not null,
    kind varchar not null,
    header varchar not null,
    has_header boolean not null,
    delimiter varchar,
    encoding varchar,
    profile varchar not null,
    options varchar not null
)
