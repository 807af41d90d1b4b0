-- kind:    score
-- purpose: What do all scores of one night say about each customer?
-- grain:   customer_id
-- reads:   facts.customers_before, facts.contracts_before, scores.rfm, scores.clv, scores.churn, scores.contract_churn,
--          scores.next_best_offers
-- columns:
--   customer_id              canonical customer, everybody known before as_of
--   source_system            system of the leading source record
--   source_id                its id there
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
with rfm as (
    select * from scores.rfm where as_of = cast($as_of as date)
),

clv as (
    select * from scores.clv where as_of = cast($as_of as date)
),

churn as (
    select * from scores.churn where as_of = cast($as_of as date)
),

contract_churn as (
    select * from scores.contract_churn where as_of = cast($as_of as date)
),

holders as (
    select distinct customer_id from facts.contracts_before($as_of) where customer_id is not null
),

best_offers as (
    select * from scores.next_best_offers where as_of = cast($as_of as date) and rank = 1
)

select
    c.customer_id as customer_id,
    c.source_system as source_system,
    c.source_id as source_id,
    c.type as type,
    c.country as country,
    c.is_excluded as is_excluded,
    c.has_opted_out as has_opted_out,
    rfm.days_since_last_order as days_since_last_order,
    coalesce(rfm.order_count, 0) as order_count,
    rfm.net_spend as net_spend,
    rfm.r_score as r_score,
    rfm.f_score as f_score,
    rfm.m_score as m_score,
    rfm.segment as segment,
    clv.probability_alive as probability_alive,
    clv.expected_purchases as expected_purchases,
    clv.lifetime_revenue as lifetime_revenue,
    clv.lifetime_value as lifetime_value,
    case
        when c.is_excluded then 'excluded'
        when clv.status is not null then clv.status
        when rfm.customer_id is null then 'no_purchase'
        else 'not_computed'
    end as value_status,
    churn.churn_probability as churn_probability,
    churn.risk_band as risk_band,
    churn.reason_1 as reason_1,
    churn.reason_2 as reason_2,
    churn.reason_3 as reason_3,
    case
        when c.is_excluded then 'excluded'
        when churn.status is not null then churn.status
        when rfm.customer_id is null then 'no_purchase'
        else 'not_computed'
    end as churn_status,
    contract_churn.churn_probability as contract_churn_probability,
    contract_churn.risk_band as contract_risk_band,
    contract_churn.reason_1 as contract_reason,
    case
        when c.is_excluded then 'excluded'
        when contract_churn.status is not null then contract_churn.status
        when holders.customer_id is null then 'no_contract'
        else 'not_computed'
    end as contract_churn_status,
    best_offers.product_id as offer_product_id,
    best_offers.probability as offer_probability,
    best_offers.expected_value as offer_expected_value,
    best_offers.reason as offer_reason
from facts.customers_before($as_of) as c
left join rfm on rfm.customer_id = c.customer_id
left join clv on clv.customer_id = c.customer_id
left join churn on churn.customer_id = c.customer_id
left join contract_churn on contract_churn.customer_id = c.customer_id
left join holders on holders.customer_id = c.customer_id
left join best_offers on best_offers.customer_id = c.customer_id
order by customer_id
