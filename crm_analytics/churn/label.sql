-- kind:    label
-- purpose: Which customers, active at as_of, placed no order in the horizon_days after it?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.orders_before, facts.customers_before
-- columns:
--   customer_id    canonical customer
--   churned        1 = no purchase in [as_of, as_of + horizon_days), else 0
with
-- active: at least one purchase in the active_days before as_of; whoever was silent for longer had left already
active as (
    select distinct customer_id
    from facts.order_days_before($as_of, _known_at := $known_at)
    where is_purchase_day and ordered_on >= cast($as_of as date) - cast($active_days as integer)
),

-- as known at the end of the horizon; neither days nor amounts are needed for it
bought_again as (
    select distinct customer_id
    from facts.orders_before(
        cast(cast($as_of as date) + cast($horizon_days as integer) as date), _known_at := $known_at
    )
    where is_purchase and ordered_on >= cast($as_of as date)
),

-- test and internal records are counted nowhere
excluded as (
    select customer_id from facts.customers_before($as_of, _known_at := $known_at) where is_excluded
)

select
    active.customer_id as customer_id,
    case when bought_again.customer_id is null then 1 else 0 end as churned
from active
anti join excluded on excluded.customer_id = active.customer_id
left join bought_again on bought_again.customer_id = active.customer_id
