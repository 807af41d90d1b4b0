-- kind:    kpi
-- purpose: Of the customers with a running contract at the start, how many and how much still run at the end?
-- grain:   from_on
-- reads:   facts.contracts_before, facts.customers_before
-- columns:
--   from_on                   first day of the window
--   until_on                  first day after it
--   began_on                  day on which the first contract of all started
--   starting_count            customers with a contract that ran on the day before from_on
--   kept_count                of these, with one that ran on the day before until_on
--   lost_count                of these, with none
--   involuntary_lost_count    of the lost, those whose last contract was ended by us (unpaid ...)
--   won_count                 customers with a running contract at the end only
--   starting_amount           their recurring amount per 30 days at the start, reporting currency
--   kept_amount               per starting customer the smaller of both ends: growth is not counted
--   later_amount              recurring amount of the starting customers at the end
with beginning as (
    select min(started_on) as began_on from facts.contracts_before($until_on)
),

excluded as (
    select customer_id from facts.customers_before($until_on) where is_excluded
),

-- prices as each of the two days knew them; an amount without billing period is unknown and counts as 0
recurring as (
    select
        customer_id,
        false as is_later,
        cast(period_amount * 30 / nullif(billing_period_days, 0) as decimal(38, 4)) as amount
    from facts.contracts_before($from_on)
    where is_active
    union all
    select
        customer_id,
        true,
        cast(period_amount * 30 / nullif(billing_period_days, 0) as decimal(38, 4))
    from facts.contracts_before($until_on)
    where is_active
),

by_customer as (
    select
        recurring.customer_id as customer_id,
        bool_or(not is_later) as was_there,
        bool_or(is_later) as is_there,
        coalesce(sum(amount) filter (where not is_later), 0) as earlier_amount,
        coalesce(sum(amount) filter (where is_later), 0) as later_amount
    from recurring
    anti join excluded on excluded.customer_id = recurring.customer_id
    group by recurring.customer_id
),

last_ends as (
    select customer_id, cancel_kind
    from facts.contracts_before($until_on)
    where cancelled_on is not null
    qualify row_number() over (partition by customer_id order by cancelled_on desc, contract_id) = 1
)

select
    cast($from_on as date) as from_on,
    cast($until_on as date) as until_on,
    (select began_on from beginning) as began_on,
    count(*) filter (where was_there) as starting_count,
    count(*) filter (where was_there and is_there) as kept_count,
    count(*) filter (where was_there and not is_there) as lost_count,
    count(*) filter (
        where was_there and not is_there and last_ends.cancel_kind = 'involuntary'
    ) as involuntary_lost_count,
    count(*) filter (where is_there and not was_there) as won_count,
    coalesce(sum(earlier_amount) filter (where was_there), 0) as starting_amount,
    coalesce(sum(least(earlier_amount, later_amount)) filter (where was_there), 0) as kept_amount,
    coalesce(sum(later_amount) filter (where was_there), 0) as later_amount
from by_customer
left join last_ends on last_ends.customer_id = by_customer.customer_id
