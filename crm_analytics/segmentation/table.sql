-- kind:    table
-- purpose: Which RFM scores and segment did each customer have, night by night?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of                    first day not seen
--   customer_id              canonical customer
--   days_since_last_order    days
--   order_count              purchases in the window
--   net_spend                reporting currency, net of returns
--   r_score                  1..5, 5 = best
--   f_score                  1..5, 5 = best
--   m_score                  1..5, 5 = best; NULL = spend unknown
--   segment                  name of the first fitting rule of segment_names.toml
create table if not exists scores.rfm (
    as_of date not null,
    customer_id varchar not null,
    days_since_last_order bigint not null,
    order_count bigint not null,
    net_spend decimal(38, 4),
    r_score bigint not null,
    f_score bigint not null,
    m_score bigint,
    segment varchar not null
)
