-- kind:    facts
-- purpose: On which days of [from_on, until_on) did each customer buy?  For labels, which look ahead on purpose.
-- grain:   customer_id, ordered_on
-- reads:   facts.order_days_before
-- columns:
--   customer_id    canonical customer
--   ordered_on     business day with a purchase
--   order_count    purchases on that day
--   net_spend      net amount of the day as known at until_on, reporting currency; NULL = unpriced
select
    customer_id as customer_id,
    ordered_on as ordered_on,
    order_count as order_count,
    net_spend as net_spend
from facts.order_days_before($until_on, _known_at := $known_at)
where ordered_on >= cast($from_on as date) and is_purchase_day
