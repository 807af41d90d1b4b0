-- kind:    kpi
-- purpose: Which orders of the customer have no value in the reporting currency, and what do they say themselves?
-- grain:   order_id
-- reads:   facts.unconverted_orders_before
-- columns:
--   order_id          order, as system:number
--   customer_id       canonical customer
--   ordered_on        business day on which it was placed
--   source_amount     total as the source states it, in `currency`
--   currency          ISO 4217 code; NULL = the source tells none
select
    f.order_id as order_id,
    f.customer_id as customer_id,
    f.ordered_on as ordered_on,
    f.source_amount as source_amount,
    f.currency as currency
from facts.unconverted_orders_before($as_of) as f
where f.customer_id = $customer_id
order by ordered_on, order_id
