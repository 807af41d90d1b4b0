-- kind:    check
-- purpose: Which customers have orders but no record, in a system that delivers customers?
-- gate:    warn above 0
-- grain:   source_system, customer_source_id
-- reads:   entities.customers, entities.order_lines, entities.orders
-- columns:
--   source_system         system of the orders
--   customer_source_id    id that no customer record has
--   row_count             orders and lines that name it
with systems_with_customers as (
    select distinct source_system
    from entities.customers
),

named as (
    select source_system, customer_source_id from entities.orders
    union all
    select source_system, customer_source_id from entities.order_lines
)

select
    named.source_system as source_system,
    named.customer_source_id as customer_source_id,
    count(*) as row_count
from named
semi join systems_with_customers
    on systems_with_customers.source_system = named.source_system
anti join entities.customers as customer
    on customer.source_system = named.source_system
    and customer.source_id = named.customer_source_id
where named.customer_source_id is not null
group by named.source_system, named.customer_source_id
