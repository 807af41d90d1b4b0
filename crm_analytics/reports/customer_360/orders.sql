-- kind:    kpi
-- purpose: What did the customer order, and what was each order worth?
-- grain:   order_id, ordered_on
-- reads:   facts.orders_before, facts.unconverted_lines_before
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
--   source_amount      what those of its lines come to that have no rate, as written, in `currency`; NULL = none, or in
--                      several currencies
--   currency           ISO 4217 code of source_amount; NULL = the source tells none
with lines as (
    select line_id, order_id, ordered_on, source_amount, currency
    from facts.unconverted_lines_before($as_of)
    where customer_id = $customer_id
),

orders as (
    select * from facts.orders_before($as_of) where customer_id = $customer_id
),

-- of a number that was used again, a line belongs to the order begun last
placed as (
    select
        orders.order_id as order_id,
        orders.ordered_on as ordered_on,
        lines.source_amount as source_amount,
        lines.currency as currency
    from lines
    join orders on orders.order_id = lines.order_id and orders.ordered_on <= lines.ordered_on
    qualify row_number() over (partition by lines.line_id order by orders.ordered_on desc) = 1
),

written as (
    select order_id, ordered_on, sum(source_amount) as source_amount, max(currency) as currency
    from placed
    group by order_id, ordered_on
    having count(distinct coalesce(currency, '')) = 1
)

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
    f.is_purchase as is_purchase,
    w.source_amount as source_amount,
    w.currency as currency
from orders as f
left join written as w on w.order_id = f.order_id and w.ordered_on = f.ordered_on
order by ordered_on, order_id
