-- kind:    kpi
-- purpose: Who has a running contract, and how likely is none left at the end of the horizon?
-- grain:   customer_id
-- reads:   scores.contract_churn
-- columns:
--   customer_id          canonical customer
--   churn_probability    probability that no contract runs any more at the end of the horizon
--   risk_band            high, medium, low
--   reason_1             first reason; NULL = none
--   reason_2             second reason
select
    contract_churn.customer_id as customer_id,
    contract_churn.churn_probability as churn_probability,
    contract_churn.risk_band as risk_band,
    contract_churn.reason_1 as reason_1,
    contract_churn.reason_2 as reason_2
from scores.contract_churn as contract_churn
where contract_churn.as_of = cast($as_of as date) and contract_churn.churn_probability is not null
order by churn_probability desc, customer_id
