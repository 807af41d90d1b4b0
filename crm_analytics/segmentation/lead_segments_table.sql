-- kind:    table
-- purpose: Which leads did each rule find, night by night, and since which night in a row?
-- grain:   as_of, segment, lead_id
-- reads:   none
-- columns:
--   as_of         first day not seen
--   segment       name of the rule
--   lead_id       lead, as system:id
--   entered_on    as_of of the first night of this unbroken stay
create table if not exists scores.lead_segments (
    as_of date not null,
    segment varchar not null,
    lead_id varchar not null,
    entered_on date not null
)
