-- kind:    table
-- purpose: In which state of its life with us was each customer, night by night?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of              first day not seen
--   customer_id        canonical customer
--   lifecycle_state    prospect, new, active, at_risk, lapsed or won_back; defined in lifecycle.sql
--   since_on           day on which the state began
--   usual_gap_days     days that usually pass until the next purchase; NULL = has never bought
create table if not exists scores.lifecycle (
    as_of date not null,
    customer_id varchar not null,
    lifecycle_state varchar not null,
    since_on date not null,
    usual_gap_days double
)
