-- kind:    features
-- purpose: To which segment, channel, country and kind does each customer belong at as_of?
-- grain:   customer_id
-- reads:   facts.customers_before, scores.rfm
-- columns:
--   customer_id    canonical customer
--   channel        how the customer was won; NULL = unknown
--   country        country of the main address; NULL = unknown
--   type           person or organisation; NULL = unknown
--   segment        RFM segment that the night of as_of kept; NULL = none
select
    customers.customer_id as customer_id,
    customers.acquisition_channel as channel,
    customers.country as country,
    customers.type as type,
    rfm.segment as segment
from facts.customers_before($as_of) as customers
left join scores.rfm as rfm on rfm.customer_id = customers.customer_id and rfm.as_of = cast($as_of as date)
order by customers.customer_id
