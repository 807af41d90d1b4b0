-- kind:    facts
-- purpose: What did customers say in surveys and reviews before as_of?
-- grain:   feedback_id
-- reads:   entities.customer_ids, entities.feedback_known
-- columns:
--   feedback_id    answer, as system:id
--   customer_id    canonical customer
--   occurred_on    business day
--   kind           csat, nps, ces, review
--   score_rate     the answer on its own scale, 0 = worst, 1 = best; NULL = no score or no scale
select
    e.source_system || ':' || e.source_id as feedback_id,
    coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id) as customer_id,
    e.occurred_on as occurred_on,
    e.kind as kind,
    case
        when e.scale_max > e.scale_min
            then cast(e.score - e.scale_min as double) / cast(e.scale_max - e.scale_min as double)
    end as score_rate
from entities.feedback_known(_known_at := $known_at) as e
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = e.source_system and ids.source_id = e.customer_source_id
where e.occurred_on < cast($as_of as date)
