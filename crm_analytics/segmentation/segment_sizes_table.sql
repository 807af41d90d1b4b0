-- kind:    table
-- purpose: How large was each rule's segment, night by night, and how many came and went?
-- grain:   as_of, segment
-- reads:   none
-- columns:
--   as_of            first day not seen
--   segment          name of the rule
--   found_among      customers or leads
--   rule             its condition, as it stood that night
--   member_count     members
--   entered_count    of them, those who were not in it the night before
--   left_count       members of the night before who no longer are
create table if not exists scores.segment_sizes (
    as_of date not null,
    segment varchar not null,
    found_among varchar not null,
    rule varchar not null,
    member_count bigint not null,
    entered_count bigint not null,
    left_count bigint not null
)
