-- kind:    kpi
-- purpose: Of customers who have been silent for so long, how many buy nothing in the horizon either?
-- grain:   silent_days
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   silent_days     days since the last purchase: 0, 30, 60 ... 720
--   case_count      silences that reached it, of which the horizon that follows is known
--   left_count      of these, without a purchase in the horizon_days that followed
with purchase_days as (
    select
        bought.customer_id as customer_id,
        bought.ordered_on as ordered_on,
        lead(bought.ordered_on) over (partition by bought.customer_id order by bought.ordered_on) as next_on
    from facts.order_days_before($as_of) as bought
    anti join (
        select customer_id from facts.customers_before($as_of) where is_excluded
    ) as excluded on excluded.customer_id = bought.customer_id
    where bought.is_purchase_day
),

grid as (
    select cast(unnest(range(0, 721, 30)) as integer) as silent_days
),

-- on the day ordered_on + silent_days + 1 nobody had bought again, and the horizon from then on is known
cases as (
    select
        grid.silent_days as silent_days,
        coalesce(
            purchase_days.next_on <= purchase_days.ordered_on + grid.silent_days + cast($horizon_days as integer), false
        ) as has_returned
    from purchase_days
    join grid on
        coalesce(purchase_days.next_on > purchase_days.ordered_on + grid.silent_days, true)
        and purchase_days.ordered_on + grid.silent_days + cast($horizon_days as integer) < cast($as_of as date)
)

select
    silent_days as silent_days,
    count(*) as case_count,
    count(*) filter (where not has_returned) as left_count
from cases
group by silent_days
order by silent_days
