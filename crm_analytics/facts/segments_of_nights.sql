-- kind:    facts
-- purpose: In which segments was each customer of today on the kept nights up to as_of?
-- grain:   as_of, customer_id, segment
-- reads:   scores.rfm, scores.lifecycle, scores.clusters, scores.rule_segments, entities.customer_ids
-- columns:
--   as_of          first day not seen by that night
--   customer_id    the customer who now is who was meant that night, under today's key
--   segment        name
--   entered_on     as_of of the first night of a rule's unbroken stay; NULL = of another kind than rules
-- segmentation says which kind of segment: rfm, lifecycle, clusters or rules. A night keeps the keys of its day; a
-- merge, or its undo, gives a record another customer, and this is where the old key becomes that one. Where several
-- customers of a night are one today, the one counts who had bought last by then (RFM of the night); among equals
-- the smallest key. Of a rule every one counts, and the longest stay.
with kept as (
    select as_of, customer_id, segment, cast(null as date) as entered_on
    from scores.rfm
    where $segmentation = 'rfm'
    union all
    select as_of, customer_id, lifecycle_state, null from scores.lifecycle where $segmentation = 'lifecycle'
    union all
    select as_of, customer_id, cluster_name, null from scores.clusters where $segmentation = 'clusters'
    union all
    select as_of, customer_id, segment, entered_on from scores.rule_segments where $segmentation = 'rules'
),

placed as (
    select
        kept.as_of as as_of,
        coalesce(ids.customer_id, kept.customer_id) as customer_id,
        kept.segment as segment,
        kept.entered_on as entered_on,
        bought.days_since_last_order as silent_days,
        kept.customer_id as earlier_id
    from kept
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system || ':' || ids.source_id = kept.customer_id
    left join scores.rfm as bought on bought.as_of = kept.as_of and bought.customer_id = kept.customer_id
    where kept.as_of <= cast($as_of as date)
)

select
    as_of as as_of,
    customer_id as customer_id,
    segment as segment,
    entered_on as entered_on
from placed
qualify row_number() over (
    partition by as_of, customer_id, case when $segmentation = 'rules' then segment end
    order by entered_on nulls last, silent_days nulls last, earlier_id
) = 1
