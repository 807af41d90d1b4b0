-- kind:    table
-- purpose: How likely was each customer's last contract to end, and why, night by night?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of                first day not seen
--   customer_id          canonical customer
--   churn_probability    probability that no contract runs any more at the horizon's end; NULL unless one runs
--   risk_band            high: at least twice the usual odds of the night, low: half or less, else medium;
--                        NULL without a probability
--   reason_1             strongest reason for the direction of the score, in words; NULL = none
--   reason_2             second reason
--   reason_3             third reason
--   reason_code          theme of the first reason where it raises the risk (contracts, tickets ...); else NULL
--   status               ok, new, inactive (no running contract) or excluded (test, internal)
--   status_reason        why, in words; NULL = ok
create table if not exists scores.contract_churn (
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
