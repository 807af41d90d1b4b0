-- kind:    kpi
-- purpose: What may be offered to the customer next, best first?
-- grain:   rank
-- reads:   scores.next_best_offers
-- columns:
--   customer_id       canonical customer
--   rank              1 = best
--   product_id        product, as system:id
--   probability       probability that the customer buys it in the horizon; its level follows the window before
--   expected_value    probability x mean net amount of an order of it (revenue), reporting currency; NULL = no price
--   reason            why, in words
select
    o.customer_id as customer_id,
    o.rank as rank,
    o.product_id as product_id,
    o.probability as probability,
    o.expected_value as expected_value,
    o.reason as reason
from scores.next_best_offers as o
where o.as_of = cast($as_of as date) and o.customer_id = $customer_id
order by rank
