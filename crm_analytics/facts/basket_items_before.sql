-- kind:    facts
-- purpose: Which products did each customer buy before as_of, how often and for how much?
-- grain:   customer_id, product_id
-- reads:   facts.order_lines_before
-- columns:
--   customer_id         canonical customer
--   product_id          product, as system:id
--   order_count         orders with a positive quantity of it
--   quantity            pieces, negative lines subtracted
--   spend_amount        net amount, reporting currency; unpriced lines add nothing
--   first_ordered_on    first day it was bought
--   last_ordered_on     last day it was bought
select
    customer_id as customer_id,
    product_id as product_id,
    count(distinct case when quantity > 0 then order_id end) as order_count,
    sum(quantity) as quantity,
    coalesce(sum(amount), cast(0 as decimal(38, 4))) as spend_amount,
    min(case when quantity > 0 then ordered_on end) as first_ordered_on,
    max(case when quantity > 0 then ordered_on end) as last_ordered_on
from facts.order_lines_before($as_of, _known_at := $known_at)
where customer_id is not null and product_id is not null
group by customer_id, product_id
having count(case when quantity > 0 then 1 end) > 0 and sum(quantity) > 0
