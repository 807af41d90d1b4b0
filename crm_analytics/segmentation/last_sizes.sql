-- kind:    score
-- purpose: How many members did each rule segment have on the night before as_of?
-- grain:   segment
-- reads:   scores.segment_sizes, facts.segments_of_nights
-- columns:
--   segment         name of the rule
--   member_count    members that night; two customers who are one today are one member
with last_night as (
    select max(as_of) as as_of from scores.segment_sizes where as_of < cast($as_of as date)
),

customers as (
    select nights.segment, count(*) as member_count
    from facts.segments_of_nights($as_of, 'rules') as nights
    join last_night on last_night.as_of = nights.as_of
    group by nights.segment
)

select
    sizes.segment as segment,
    case when sizes.found_among = 'customers' then coalesce(customers.member_count, 0) else sizes.member_count end
        as member_count
from scores.segment_sizes as sizes
join last_night on last_night.as_of = sizes.as_of
left join customers on customers.segment = sizes.segment
order by segment
