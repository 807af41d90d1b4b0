-- kind:    kpi
-- purpose: How many customers were in each state of the lifecycle on the night of as_of?
-- grain:   lifecycle_state
-- reads:   scores.lifecycle
-- columns:
--   lifecycle_state    prospect, new, active, at_risk, lapsed or won_back
--   customer_count     customers
--   begun_count        of them, those whose state began in the last 30 days
select
    lifecycle_state as lifecycle_state,
    count(*) as customer_count,
    count(case when since_on >= cast($as_of as date) - 30 then 1 end) as begun_count
from scores.lifecycle
where as_of = cast($as_of as date)
group by lifecycle_state
order by lifecycle_state
