-- kind:    table
-- purpose: What did all scores say about each customer, night by night?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of                    first day not seen
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
create table if not exists scores.customer_scores (
    as_of date not null,
    customer_id varchar not null,
    source_system varchar not null,
    source_id varchar not null,
    type varchar,
    country varchar,
    is_excluded boolean not null,
    has_opted_out boolean not null,
    days_since_last_order bigint,
    order_count bigint not null,
    net_spend decimal(38, 4),
    r_score bigint,
    f_score bigint,
    m_score bigint,
    segment varchar,
    probability_alive double,
    expected_purchases double,
    lifetime_revenue double,
    lifetime_value double,
    value_status varchar not null,
    churn_probability double,
    risk_band varchar,
    reason_1 varchar,
    reason_2 varchar,
    reason_3 varchar,
    churn_status varchar not null,
    contract_churn_probability double,
    contract_risk_band varchar,
    contract_reason varchar,
    contract_churn_status varchar,
    offer_product_id varchar,
    offer_probability double,
    offer_expected_value double,
    offer_reason varchar
)
