-- kind:    facts
-- purpose: What did customers say in surveys and reviews before as_of?
-- grain:   feedback_id
-- reads:   entities.feedback_known
-- columns:
--   feedback_id    answer, as system:id
--   customer_id    canonical customer
--   occurred_on    business day
--   kind           csat, nps, ces, review
--   score_rate     the answer on its own scale, 0 = worst, 1 = best; NULL = no score or no scale
select
    source_system || ':' || source_id as feedback_id,
    source_system || ':' || customer_source_id as customer_id,
    occurred_on as occurred_on,
    kind as kind,
    case
        when scale_max > scale_min
            then cast(score - scale_min as double) / cast(scale_max - scale_min as double)
    end as score_rate
from entities.feedback_known(_known_at := $known_at)
where occurred_on < cast($as_of as date)
