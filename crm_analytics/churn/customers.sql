-- kind:    features
-- purpose: Who has ever bought, and which record leads?  The customers that get a churn score or a status.
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   customer_id      canonical customer with a purchase before as_of
--   source_system    system of the leading source record
--   source_id        its id there
--   excluded_as      test record or internal record; NULL = is asked about
with buyers as (
    select distinct customer_id
    from facts.order_days_before($as_of, _known_at := $known_at)
    where is_purchase_day
)

select
    buyers.customer_id as customer_id,
    known.source_system as source_system,
    known.source_id as source_id,
    known.excluded_as as excluded_as
from buyers
join facts.customers_before($as_of, _known_at := $known_at) as known on known.customer_id = buyers.customer_id
order by customer_id
