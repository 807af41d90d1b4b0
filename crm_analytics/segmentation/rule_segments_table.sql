-- kind:    table
-- purpose: Which customers did each rule find, night by night, and since which night in a row?
-- grain:   as_of, segment, customer_id
-- reads:   none
-- columns:
--   as_of          first day not seen
--   segment        name of the rule
--   customer_id    canonical customer
--   entered_on     as_of of the first night of this unbroken stay
create table if not exists scores.rule_segments (
    as_of date not null,
    segment varchar not null,
    customer_id varchar not null,
    entered_on date not null
)
