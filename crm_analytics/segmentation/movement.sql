-- kind:    score
-- purpose: How many customers moved from which segment to which between two kept nights?
-- grain:   earlier, later
-- reads:   facts.segments_of_nights
-- columns:
--   earlier           segment on the night of from_on; NULL = not there yet
--   later             segment on the night of as_of; NULL = no longer there
--   customer_count    customers
-- segmentation says which kind of segment: rfm, lifecycle or clusters.
with kept as (
    select as_of, customer_id, segment
    from facts.segments_of_nights($as_of, $segmentation)
    where as_of in (cast($from_on as date), cast($as_of as date))
),

before as (
    select customer_id, segment from kept where as_of = cast($from_on as date)
),

tonight as (
    select customer_id, segment from kept where as_of = cast($as_of as date)
)

select
    before.segment as earlier,
    tonight.segment as later,
    count(*) as customer_count
from before
full join tonight on tonight.customer_id = before.customer_id
group by before.segment, tonight.segment
order by earlier nulls last, later nulls last
