-- kind:    check
-- purpose: Which orders, lines or payments have several versions of which none is marked as a revision?
-- gate:    stop above 0
-- grain:   entity, row_key
-- reads:   entities.order_lines_versions, entities.orders_versions, entities.payments_versions,
--          ops.withdrawals
-- columns:
--   entity           entity of the row
--   row_key          identity of the row, as hexadecimal digits
--   version_count    its versions; the views of events would count every one
with versions as (
    select 'orders' as entity, row_id, is_revision, load_id from entities.orders_versions
    union all
    select 'order_lines' as entity, row_id, is_revision, load_id from entities.order_lines_versions
    union all
    select 'payments' as entity, row_id, is_revision, load_id from entities.payments_versions
)

select
    entity as entity,
    hex(row_id) as row_key,
    count(*) as version_count
from versions
anti join ops.withdrawals using (load_id)
group by entity, row_id
having count(*) > 1
    and not bool_or(is_revision)
