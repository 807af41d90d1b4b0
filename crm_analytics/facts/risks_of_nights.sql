-- kind:    facts
-- purpose: How likely was each customer of today said to leave, on the nights before as_of?
-- grain:   as_of, leaving, customer_id
-- reads:   scores.churn, scores.contract_churn, scores.rfm, entities.customer_ids
-- columns:
--   as_of                first day not seen by that night
--   leaving              purchase = of no purchase; contract = of the end of the contracts
--   customer_id          the customer who now is who was meant that night, under today's key
--   churn_probability    probability of leaving in the horizon
-- Keys become those of today as in segments_of_nights: of several who are one today, who had bought last counts.
with kept as (
    select as_of, 'purchase' as leaving, customer_id, churn_probability from scores.churn
    union all
    select as_of, 'contract', customer_id, churn_probability from scores.contract_churn
),

placed as (
    select
        kept.as_of as as_of,
        kept.leaving as leaving,
        coalesce(ids.customer_id, kept.customer_id) as customer_id,
        kept.churn_probability as churn_probability,
        bought.days_since_last_order as silent_days,
        kept.customer_id as earlier_id
    from kept
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system || ':' || ids.source_id = kept.customer_id
    left join scores.rfm as bought on bought.as_of = kept.as_of and bought.customer_id = kept.customer_id
    where kept.as_of < cast($as_of as date) and kept.churn_probability is not null
)

select
    as_of as as_of,
    leaving as leaving,
    customer_id as customer_id,
    churn_probability as churn_probability
from placed
qualify row_number() over (
    partition by as_of, leaving, customer_id
    order by silent_days nulls last, earlier_id
) = 1
