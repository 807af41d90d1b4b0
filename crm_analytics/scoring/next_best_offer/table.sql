-- kind:    table
-- purpose: What should each customer who did not refuse marketing by e-mail be offered next, night by night?
-- grain:   as_of, customer_id, rank
-- reads:   none
-- columns:
--   as_of             first day not seen
--   customer_id       canonical customer
--   rank              1 = best
--   product_id        product, as system:id
--   probability       probability that the customer buys it in the horizon; its level follows the window before
--   expected_value    probability x mean net amount of an order of it (revenue), reporting currency; NULL = no price
--   reason            why, in words
create table if not exists scores.next_best_offers (
    as_of date not null,
    customer_id varchar not null,
    rank bigint not null,
    product_id varchar not null,
    probability double not null,
    expected_value double,
    reason varchar not null
)
