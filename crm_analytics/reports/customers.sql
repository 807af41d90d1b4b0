-- kind:    kpi
-- purpose: What does the report know of each customer who ever bought?
-- grain:   customer_id
-- reads:   scores.rfm, scores.clv, scores.churn
-- columns:
--   customer_id              canonical customer
--   segment                  RFM segment
--   days_since_last_order    days
--   order_count              purchases
--   net_spend                reporting currency, net of returns
--   horizon_days             days ahead that the values cover
--   probability_alive        P(still a customer) of the BTYD model; NULL = see value_status
--   expected_purchases       purchases expected over the horizon
--   lifetime_revenue         discounted expected revenue over the horizon, reporting currency
--   lifetime_revenue_low     lower limit (5 %) of what the customer may really bring
--   lifetime_revenue_high    upper limit (95 %)
--   lifetime_value           discounted expected margin over the horizon; NULL = margin unknown
--   value_status             how the value was found, or why there is none
--   churn_probability        probability of no purchase in the churn horizon; NULL = not at risk or no model
--   risk_band                high, medium, low
--   churn_status             why there is no probability (inactive = left already); NULL = no model
--   reason_1                 first reason of the churn probability
--   reason_2                 second reason
select
    rfm.customer_id as customer_id,
    rfm.segment as segment,
    rfm.days_since_last_order as days_since_last_order,
    rfm.order_count as order_count,
    rfm.net_spend as net_spend,
    clv.horizon_days as horizon_days,
    clv.probability_alive as probability_alive,
    clv.expected_purchases as expected_purchases,
    clv.lifetime_revenue as lifetime_revenue,
    clv.lifetime_revenue_low as lifetime_revenue_low,
    clv.lifetime_revenue_high as lifetime_revenue_high,
    clv.lifetime_value as lifetime_value,
    clv.status as value_status,
    churn.churn_probability as churn_probability,
    churn.risk_band as risk_band,
    churn.status as churn_status,
    churn.reason_1 as reason_1,
    churn.reason_2 as reason_2
from scores.rfm as rfm
left join scores.clv as clv on clv.customer_id = rfm.customer_id and clv.as_of = rfm.as_of
left join scores.churn as churn on churn.customer_id = rfm.customer_id and churn.as_of = rfm.as_of
where rfm.as_of = cast($as_of as date)
order by rfm.customer_id
