-- kind:    score
-- purpose: On which nights were segments kept?
-- grain:   segmentation, as_of
-- reads:   scores.rfm, scores.lifecycle, scores.clusters, scores.segment_sizes
-- columns:
--   segmentation    rfm, lifecycle, clusters or rules
--   as_of           first day not seen by that night
select distinct
    'rfm' as segmentation,
    as_of as as_of
from scores.rfm
where as_of <= cast($as_of as date)
union all
select distinct
    'lifecycle',
    as_of
from scores.lifecycle
where as_of <= cast($as_of as date)
union all
select distinct
    'clusters',
    as_of
from scores.clusters
where as_of <= cast($as_of as date)
union all
select distinct
    'rules',
    as_of
from scores.segment_sizes
where as_of <= cast($as_of as date)
order by segmentation, as_of
