-- kind:    statement
-- purpose: Which ids of customers are e-mail addresses, or hold an "@" at all?
-- grain:   source_system, source_id
-- reads:   entities.contracts_versions, entities.customers_versions, entities.identity,
--          entities.order_lines_versions, entities.orders_versions, entities.relations_versions,
--          entities.tickets_versions
-- columns:
--   source_system    system of the record
--   source_id        its id there
with told as (
    select source_system, source_id from entities.customers_versions
    union all
    select source_system, source_id from entities.identity
    union all
    select source_system, customer_source_id from entities.order_lines_versions
    union all
    select source_system, customer_source_id from entities.orders_versions
    union all
    select source_system, customer_source_id from entities.contracts_versions
    union all
    select source_system, customer_source_id from entities.tickets_versions
    union all
    select source_system, customer_source_id from entities.relations_versions
)

select distinct
    source_system as source_system,
    source_id as source_id
from told
where contains(source_id, '@') or contains(source_system, '@')
order by source_system, source_id
