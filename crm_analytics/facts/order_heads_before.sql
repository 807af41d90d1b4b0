-- kind:    facts
-- purpose: Which orders were placed before as_of, and did they count then?
-- grain:   source_system, order_source_id
-- reads:   entities.orders_known
-- columns:
--   source_system         system of the order
--   order_source_id       its number there
--   customer_source_id    customer there; NULL for a guest
--   ordered_on            business day on which it was placed
--   channel               where it was placed
--   currency              ISO 4217 code of the amounts
--   total_amount          total as the source states it, in `currency`
--   discount_amount       discount on the whole order, in `currency`
--   ship_country          country it is shipped to
--   counts                a confirmed order that was not cancelled before as_of; quotes and invoices
--                         are documents about a sale, not sales
select
    source_system as source_system,
    source_id as order_source_id,
    customer_source_id as customer_source_id,
    occurred_on as ordered_on,
    channel as channel,
    currency as currency,
    total_amount as total_amount,
    discount_amount as discount_amount,
    ship_country as ship_country,
    coalesce(kind, 'order') = 'order'
    and coalesce(status, 'confirmed') <> 'draft'
    -- a cancelled order without a day of cancelling never counted
    and not (
        coalesce(status, 'confirmed') = 'cancelled' and cancelled_at is null
        or coalesce(cancelled_at < cast(cast($as_of as date) as timestamptz), false)
    ) as counts
from entities.orders_known(_known_at := $known_at)
where occurred_on < cast($as_of as date)
-- a number may stand for a quote and for the order it became: the order speaks
qualify row_number() over (
    partition by source_system, source_id
    order by case when coalesce(kind, 'order') = 'order' then 0 else 1 end, row_id
) = 1
