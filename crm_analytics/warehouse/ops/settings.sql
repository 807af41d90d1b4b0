-- kind:    table
-- purpose: By which business settings does this warehouse cut and sum?
-- grain:   name
-- reads:   none
-- columns:
--   name    name of the setting (timezone, reporting_currency, week_start, definitions, audit_head ...)
--   value   its value as text
create table if not exists ops.settings (
    name varchar not null,
    value varchar not null
)
