-- kind:    kpi
-- purpose: What did the customer say in surveys?
-- grain:   feedback_id
-- reads:   facts.feedback_before
-- columns:
--   feedback_id    answer, as system:id
--   customer_id    canonical customer
--   occurred_on    business day
--   kind           csat, nps, ces, review
--   score_rate     the answer on its own scale, 0 = worst, 1 = best; NULL = no score or no scale
select
    f.feedback_id as feedback_id,
    f.customer_id as customer_id,
    f.occurred_on as occurred_on,
    f.kind as kind,
    f.score_rate as score_rate
from facts.feedback_before($as_of) as f
where f.customer_id = $customer_id
order by occurred_on, feedback_id
