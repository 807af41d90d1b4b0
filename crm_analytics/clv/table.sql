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
--   probability_alive          0..1, that the customer has not left for good; NULL = no model could be fitted
--   expected_purchases         expected days with a purchase in the horizon
--   expected_purchases_low     lower limit of the actual number (90 % interval unless set otherwise)
--   expected_purchases_high    upper limit
--   expected_spend             expected net spend in the horizon, not discounted, reporting currency
--   lifetime_revenue           expected net spend in the horizon, discounted to as_of, reporting currency
--   lifetime_revenue_low       lower limit of the actual, discounted
--   lifetime_revenue_high      upper limit
--   lifetime_value             lifetime_revenue times margin; NULL = margin unknown
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
    probability_alive double,
    expected_purchases double,
    expected_purchases_low double,
    expected_purchases_high double,
    expected_spend double,
    lifetime_revenue double,
    lifetime_revenue_low double,
    lifetime_revenue_high double,
    lifetime_value double,
    model varchar not null,
    status varchar not null,
    status_reason varchar not null
)
