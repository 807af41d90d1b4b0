-- kind:    table
-- purpose: How likely was each customer to leave, and why, night by night?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of                first day not seen
--   customer_id          canonical customer
--   churn_probability    probability of no purchase in the horizon; NULL unless active
--   risk_band            high: at least twice the usual odds of the night, low: half or less, else medium;
--                        NULL without a probability
--   reason_1             strongest reason for the direction of the score, in words; NULL = none
--   reason_2             second reason
--   reason_3             third reason
--   reason_code          theme of the first reason where it raises the risk (rhythm, tickets ...); else NULL
--   status               ok, new, low_information, inactive (left already) or excluded (test, internal)
--   status_reason        why, in words; NULL = ok
create table if not exists scores.churn (
    as_of date not null,
    customer_id varchar not null,
    churn_probability double,
    risk_band varchar,
    reason_1 varchar,
    reason_2 varchar,
    reason_3 varchar,
    reason_code varchar,
    status varchar not null,
    status_reason varchar
)
