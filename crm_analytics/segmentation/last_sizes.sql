-- kind:    score
-- purpose: How many members did each rule segment have on the night before as_of?
-- grain:   segment
-- reads:   scores.segment_sizes
-- columns:
--   segment         name of the rule
--   member_count    members that night
select
    segment as segment,
    member_count as member_count
from scores.segment_sizes
where as_of = (select max(as_of) from scores.segment_sizes where as_of < cast($as_of as date))
order by segment
