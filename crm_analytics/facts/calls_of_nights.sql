-- kind:    facts
-- purpose: Who of today's customers was on the list of calls of a night before as_of?
-- grain:   as_of, listed_id
-- reads:   scores.actions, entities.customer_ids
-- columns:
--   as_of                first day not seen by that night
--   listed_id            customer as that night named it: tasks were written under this key
--   customer_id          the customer who now is who was meant, under today's key
--   churn_probability    probability of leaving in the horizon
--   leaving              purchase or contract: which kind of leaving it is of; NULL = purchase
--   horizon_days         horizon of the probability
-- Where two who were listed in one night are one customer today, both calls count: both were to be made.
select
    listed.as_of as as_of,
    listed.customer_id as listed_id,
    coalesce(ids.customer_id, listed.customer_id) as customer_id,
    listed.churn_probability as churn_probability,
    listed.leaving as leaving,
    listed.horizon_days as horizon_days
from scores.actions as listed
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system || ':' || ids.source_id = listed.customer_id
where listed.as_of < cast($as_of as date)
