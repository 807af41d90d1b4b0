-- kind:    kpi
-- purpose: What came back from the customer, where the return names them?
-- grain:   return_id
-- reads:   facts.returns_before
-- columns:
--   return_id      identity of the return
--   order_id       order the goods belonged to, as system:number; NULL where the source tells none
--   customer_id    canonical customer, where the return itself tells it
--   returned_on    business day of the return
--   quantity       pieces that came back, positive; NULL = money only
--   amount         money given back, positive, reporting currency at the rate of the order's day (of the return's day where the order has no head); NULL = no rate
--   cost_amount    cost of the goods that came back, reporting currency; 0 = money only; NULL = unknown
select
    f.return_id as return_id,
    f.order_id as order_id,
    f.customer_id as customer_id,
    f.returned_on as returned_on,
    f.quantity as quantity,
    f.amount as amount,
    f.cost_amount as cost_amount
from facts.returns_before($as_of) as f
where f.customer_id = $customer_id
order by returned_on, return_id
