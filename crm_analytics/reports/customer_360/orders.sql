-- kind:    kpi
-- purpose: What did the customer order, and what was each order worth?
-- grain:   order_id, ordered_on
-- reads:   facts.orders_before
-- columns:
--   order_id           order, as system:number; a number used again (more than 31 days later) is another order
--   customer_id        canonical customer; NULL for a guest
--   ordered_on         business day of the order (its first line): returns lower the order, whenever they come
--   line_count         lines
--   net_quantity       pieces ordered minus pieces returned before as_of; NULL for a head without lines
--   gross_amount       sum of the positive lines, reporting currency
--   returned_amount    negative lines and linked returns, positive, reporting currency
--   net_amount         gross - returned - discount on the whole order; NULL = a part has no price or rate
--   cost_amount        cost of the goods of all lines that did not come back; NULL = a cost is unknown
--   is_purchase        positive net quantity (price zero counts); a head without lines: not wholly returned
select
    f.order_id as order_id,
    f.customer_id as customer_id,
    f.ordered_on as ordered_on,
    f.line_count as line_count,
    f.net_quantity as net_quantity,
    f.gross_amount as gross_amount,
    f.returned_amount as returned_amount,
    f.net_amount as net_amount,
    f.cost_amount as cost_amount,
    f.is_purchase as is_purchase
from facts.orders_before($as_of) as f
where f.customer_id = $customer_id
order by ordered_on, order_id
