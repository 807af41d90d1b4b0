-- kind:    score
-- purpose: How many customers moved from which segment to which between two kept nights?
-- grain:   earlier, later
-- reads:   scores.rfm, scores.lifecycle, scores.clusters
-- columns:
--   earlier           segment on the night of from_on; NULL = not there yet
--   later             segment on the night of as_of; NULL = no longer there
--   customer_count    customers
-- segmentation says which kind of segment: rfm, lifecycle or clusters.
with kept as (
    select as_of, customer_id, segment from scores.rfm where $segmentation = 'rfm'
    union all
    select as_of, customer_id, lifecycle_state from scores.lifecycle where $segmentation = 'lifecycle'
    union all
    select as_of, customer_id, cluster_name from scores.clusters where $segmentation = 'clusters'
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
