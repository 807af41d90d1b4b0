-- kind:    check
-- purpose: Which order lines have neither a time of their own nor a document head that tells it?
-- gate:    warn above 0
-- grain:   source_system, order_source_id
-- reads:   entities.order_lines, entities.orders, entities.returns
-- columns:
--   source_system      system of the lines
--   order_source_id    document they name
--   line_count         lines concerned
select
    line.source_system as source_system,
    line.order_source_id as order_source_id,
    count(*) as line_count
from entities.order_lines as line
left join entities.orders as head
    on head.source_system = line.source_system
    and head.source_id = line.order_source_id
-- A document that takes back is told as a return, which has the time: its lines count nowhere by themselves.
left join entities.returns as taken_back
    on taken_back.source_system = line.source_system
    and taken_back.source_id = line.order_source_id
where line.occurred_at is null
    and head.source_id is null
    and taken_back.source_id is null
group by line.source_system, line.order_source_id
