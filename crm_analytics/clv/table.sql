-- kind:    table
-- purpose: What was each customer worth, looking ahead from as_of, night by night?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of                      first day not seen and first day of the horizon
--   customer_id                canonical customer
--   horizon_days               days ahead that all predictions cover
--   frequency                  days with a purchase after the first such day
--   recency                    days from the first to the last purchase day
--   T                          days from the first purchase day to as_of - 1
--   monetary_value             mean net spend per repeat purchase day, reporting currency; 0 if frequency = 0
--   historic_revenue           net spend so far, returns deducted, reporting currency; NULL = a part has no price
--   historic_value             margin so far, less campaigns (and service, if priced); NULL = a cost is unknown
--   cohort_revenue             mean historic_revenue of the customers first seen in the same month
--   probability_alive          0..1, that the customer has not left for good; NULL = no model could be fitted
--   expected_purchases         expected days with a purchase in the horizon
--   expected_purchases_low     lower limit of the actual number (90 % interval unless set otherwise)
--   expected_purchases_high    upper limit
--   next_purchase_days         days after as_of until the next purchase has come with probability 1/2;
--                              NULL = the chance that it comes at all (in 100 years) is smaller
--   next_purchase_days_low     lower limit of the actual number of days
--   next_purchase_days_high    upper limit; NULL = may well never come
--   expected_spend             expected net spend in the horizon, not discounted, reporting currency
--   lifetime_revenue           expected net spend in the horizon, discounted to as_of, reporting currency
--   lifetime_revenue_low       lower limit of the actual, discounted
--   lifetime_revenue_high      upper limit
--   lifetime_value             lifetime_revenue times margin, less the cost of serving; NULL = margin unknown
--   lifetime_value_low         lower limit of the actual
--   lifetime_value_high        upper limit
--   model                      name of the purchase model, mean_rate where none could be fitted
--   status                     ok, low_information, fallback or excluded (nothing predicted)
--   status_reason              in words; empty if ok
create table if not exists scores.clv (
    as_of date not null,
    customer_id varchar not null,
    horizon_days double not null,
    frequency bigint not null,
    recency bigint not null,
    "T" bigint not null,
    monetary_value double,
    historic_revenue double,
    historic_value double,
    cohort_revenue double,
    probability_alive double,
    expected_purchases double,
    expected_purchases_low double,
    expected_purchases_high double,
    next_purchase_days double,
    next_purchase_days_low double,
    next_purchase_days_high double,
    expected_spend double,
    lifetime_revenue double,
    lifetime_revenue_low double,
    lifetime_revenue_high double,
    lifetime_value double,
    lifetime_value_low double,
    lifetime_value_high double,
    model varchar not null,
    status varchar not null,
    status_reason varchar not null
)
