-- kind:    kpi
-- purpose: What is each customer offered next, in words?
-- grain:   customer_id, rank
-- reads:   scores.next_best_offers, facts.products_before, facts.refusals_known
-- columns:
--   customer_id       canonical customer
--   rank              1 = best offer
--   product_id        product
--   product_name      its name, else its id
--   probability       that the customer buys it in the horizon
--   expected_value    probability times price, reporting currency; NULL = price unknown
--   reason            why this product
--   is_refused        wants no marketing by e-mail, or on any channel
select
    offers.customer_id as customer_id,
    offers.rank as rank,
    offers.product_id as product_id,
    coalesce(products.name, offers.product_id) as product_name,
    offers.probability as probability,
    offers.expected_value as expected_value,
    offers.reason as reason,
    refused.customer_id is not null as is_refused
from scores.next_best_offers as offers
left join facts.products_before($as_of) as products on products.product_id = offers.product_id
left join facts.refusals_known($as_of, 'email') as refused on refused.customer_id = offers.customer_id
where offers.as_of = cast($as_of as date)
order by offers.customer_id, offers.rank
