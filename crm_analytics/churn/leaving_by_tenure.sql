-- kind:    kpi
-- purpose: Of customers so long after their first purchase, and still active, how many leave next?
-- grain:   tenure_days, has_bought_again
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   tenure_days         days since the first purchase: 0, 90, 180 ... 3600
--   has_bought_again    bought on two days or more by then
--   case_count          customers who had bought in the active_days before, of whom the horizon is known
--   left_count          of these, without a purchase in the horizon_days that followed
-- Who bought once is active for exactly active_days: together with the others they would show a fall just there.
with purchase_days as (
    select
        bought.customer_id as customer_id,
        bought.ordered_on as ordered_on,
        min(bought.ordered_on) over (partition by bought.customer_id) as first_on
    from facts.order_days_before($as_of) as bought
    anti join (
        select customer_id from facts.customers_before($as_of) where is_excluded
    ) as excluded on excluded.customer_id = bought.customer_id
    where bought.is_purchase_day
),

grid as (
    select cast(unnest(range(0, 3601, 90)) as integer) as tenure_days
),

-- a purchase that day counts as known: the horizon begins on the day after
looks as (
    select
        purchase_days.customer_id as customer_id,
        grid.tenure_days as tenure_days,
        count(*) filter (where purchase_days.ordered_on <= first_on + grid.tenure_days) > 1 as has_bought_again,
        bool_or(
            purchase_days.ordered_on <= first_on + grid.tenure_days
            and purchase_days.ordered_on > first_on + grid.tenure_days - cast($active_days as integer)
        ) as is_active,
        bool_or(
            purchase_days.ordered_on > first_on + grid.tenure_days
            and purchase_days.ordered_on <= first_on + grid.tenure_days + cast($horizon_days as integer)
        ) as has_returned
    from purchase_days
    join grid on purchase_days.first_on + grid.tenure_days + cast($horizon_days as integer) < cast($as_of as date)
    group by purchase_days.customer_id, grid.tenure_days
)

select
    tenure_days as tenure_days,
    has_bought_again as has_bought_again,
    count(*) as case_count,
    count(*) filter (where not has_returned) as left_count
from looks
where is_active
group by tenure_days, has_bought_again
order by tenure_days, has_bought_again
