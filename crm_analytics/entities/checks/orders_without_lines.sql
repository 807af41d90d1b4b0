-- kind:    check
-- purpose: Which confirmed orders state a total but have no line, in a system that delivers lines?
-- gate:    warn above 0
-- grain:   source_system, source_id
-- reads:   entities.order_lines, entities.orders
-- columns:
--   source_system      system of the order
--   source_id          number of the order
--   total_amount       total the source states, in its currency
with systems_with_lines as (
    select distinct source_system
    from entities.order_lines
)

select
    head.source_system as source_system,
    head.source_id as source_id,
    max(head.total_amount) as total_amount
from entities.orders as head
semi join systems_with_lines
    on systems_with_lines.source_system = head.source_system
anti join entities.order_lines as line
    on line.source_system = head.source_system
    and line.order_source_id = head.source_id
-- An empty kind is an order, an empty state is confirmed.
where coalesce(head.kind, 'order') = 'order'
    and coalesce(head.status, 'confirmed') = 'confirmed'
    and head.total_amount <> 0
group by head.source_system, head.source_id
