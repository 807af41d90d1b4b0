-- kind:    kpi
-- purpose: How large was each rule's segment on the night of as_of, and how many came and went?
-- grain:   segment
-- reads:   scores.segment_sizes
-- columns:
--   segment          name of the rule
--   found_among      customers or leads
--   rule             its condition
--   member_count     members
--   entered_count    of them, not in it the night before
--   left_count       members of the night before who no longer are
select
    segment as segment,
    found_among as found_among,
    rule as rule,
    member_count as member_count,
    entered_count as entered_count,
    left_count as left_count
from scores.segment_sizes
where as_of = cast($as_of as date)
order by found_among, member_count desc, segment
