-- kind:    kpi
-- purpose: What are the figures of the last year, and what can they not include?
-- grain:   none
-- reads:   facts.orders_before
-- columns:
--   first_ordered_on            first day with a purchase; NULL when there is none
--   last_ordered_on             last day with a purchase
--   order_count                 purchases ever
--   year_order_count            purchases in the 365 days before as_of
--   year_net_spend              their net amount, reporting currency, net of returns
--   previous_year_net_spend     the same for the 365 days before those
--   year_customer_count         customers who bought in the 365 days before as_of
--   year_guest_order_count      purchases of guests in those days: revenue, but nobody's
--   unpriced_order_count        purchases ever whose amount is not known
with purchases as (
    select
        ordered_on,
        customer_id,
        net_amount,
        ordered_on >= cast($as_of as date) - 365 as is_last_year,
        ordered_on >= cast($as_of as date) - 730 and ordered_on < cast($as_of as date) - 365 as is_year_before
    from facts.orders_before($as_of)
    where is_purchase
)

select
    min(ordered_on) as first_ordered_on,
    max(ordered_on) as last_ordered_on,
    count(*) as order_count,
    count(*) filter (where is_last_year) as year_order_count,
    coalesce(sum(net_amount) filter (where is_last_year), 0) as year_net_spend,
    coalesce(sum(net_amount) filter (where is_year_before), 0) as previous_year_net_spend,
    count(distinct customer_id) filter (where is_last_year) as year_customer_count,
    count(*) filter (where is_last_year and customer_id is null) as year_guest_order_count,
    count(*) filter (where net_amount is null) as unpriced_order_count
from purchases
