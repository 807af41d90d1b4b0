-- kind:    table
-- purpose: To which behavioural cluster did each customer belong, night by night?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of           first day not seen
--   customer_id     canonical customer with a purchase
--   cluster         number of the cluster; the same number means the same behaviour from night to night
--   cluster_name    what sets it apart, in words
create table if not exists scores.clusters (
    as_of date not null,
    customer_id varchar not null,
    cluster bigint not null,
    cluster_name varchar not null
)
