-- kind:    score
-- purpose: How many customers do two rule segments of a night share?
-- grain:   segment, other_segment
-- reads:   scores.rule_segments
-- columns:
--   segment          name of a rule
--   other_segment    name of a rule; each pair in both directions, each rule with itself too
--   customer_count   customers in both
with members as (
    select segment, customer_id from scores.rule_segments where as_of = cast($as_of as date)
)

select
    a.segment as segment,
    b.segment as other_segment,
    count(*) as customer_count
from members as a
join members as b on b.customer_id = a.customer_id
group by a.segment, b.segment
order by segment, other_segment
