-- kind:    kpi
-- purpose: What does the last night say of the customer?
-- grain:   customer_id
-- reads:   scores.customer_scores
-- columns:
--   as_of                    first day not seen
--   customer_id              canonical customer, everybody known before as_of
--   type                     person or organisation
--   country                  country of the main address
--   is_excluded              test or internal record: no scores
--   has_opted_out            has scores, but belongs in no audience
--   days_since_last_order    days; NULL = has never bought
--   order_count              purchases; 0 = has never bought
--   net_spend                reporting currency, net of returns; NULL = unknown, or has never bought
--   r_score                  1..5, 5 = best
--   f_score                  1..5, 5 = best
--   m_score                  1..5, 5 = best
--   segment                  RFM segment; NULL = has never bought
--   probability_alive        0..1, that the customer has not left for good
--   expected_purchases       expected purchase days in the value horizon
--   lifetime_revenue         expected net spend in the value horizon, discounted, reporting currency
--   lifetime_value           the same times margin; NULL = margin unknown
--   value_status             status of the value; no_purchase = has never bought, not_computed = no value
--   churn_probability        0..1, of no purchase in the churn horizon; NULL unless active
--   risk_band                low, medium or high
--   reason_1                 strongest reason of the churn probability
--   reason_2                 second reason
--   reason_3                 third reason
--   churn_status             status of the churn score; no_purchase, not_computed as above
--   contract_churn_probability    0..1, that no contract runs any more at the end of the churn horizon
--   contract_risk_band       low, medium or high
--   contract_reason          strongest reason of that probability
--   contract_churn_status    status of that score; no_contract = never had one, not_computed as above
--   offer_product_id         product of the best offer; NULL = nothing to offer
--   offer_probability        0..1, that the customer buys it in the offer horizon
--   offer_expected_value     probability x mean net amount of an order of it, reporting currency
--   offer_reason             why this product
select
    s.as_of as as_of,
    s.customer_id as customer_id,
    s.type as type,
    s.country as country,
    s.is_excluded as is_excluded,
    s.has_opted_out as has_opted_out,
    s.days_since_last_order as days_since_last_order,
    s.order_count as order_count,
    s.net_spend as net_spend,
    s.r_score as r_score,
    s.f_score as f_score,
    s.m_score as m_score,
    s.segment as segment,
    s.probability_alive as probability_alive,
    s.expected_purchases as expected_purchases,
    s.lifetime_revenue as lifetime_revenue,
    s.lifetime_value as lifetime_value,
    s.value_status as value_status,
    s.churn_probability as churn_probability,
    s.risk_band as risk_band,
    s.reason_1 as reason_1,
    s.reason_2 as reason_2,
    s.reason_3 as reason_3,
    s.churn_status as churn_status,
    s.contract_churn_probability as contract_churn_probability,
    s.contract_risk_band as contract_risk_band,
    s.contract_reason as contract_reason,
    s.contract_churn_status as contract_churn_status,
    s.offer_product_id as offer_product_id,
    s.offer_probability as offer_probability,
    s.offer_expected_value as offer_expected_value,
    s.offer_reason as offer_reason
from scores.customer_scores as s
where s.as_of = cast($as_of as date) and s.customer_id = $customer_id
