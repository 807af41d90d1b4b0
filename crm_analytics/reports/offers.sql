-- kind:    kpi
-- purpose: What is each customer offered next, in words?
-- grain:   customer_id, rank
-- reads:   scores.next_best_offers, facts.products_before
-- columns:
--   customer_id       canonical customer
--   rank              1 = best offer
--   product_id        product
--   product_name      its name, else its id
--   probability       that the customer buys it in the horizon
--   expected_value    probability times price, reporting currency; NULL = price unknown
--   reason            why this product
select
    offers.customer_id as customer_id,
    offers.rank as rank,
    offers.product_id as product_id,
    coalesce(products.name, offers.product_id) as product_name,
    offers.probability as probability,
    offers.expected_value as expected_value,
    offers.reason as reason
from scores.next_best_offers as offers
left join facts.products_before($as_of) as products on products.product_id = offers.product_id
where offers.as_of = cast($as_of as date)
order by offers.customer_id, offers.rank
