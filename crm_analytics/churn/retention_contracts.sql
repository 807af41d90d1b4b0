-- kind:    kpi
-- purpose: Of the customers with a running contract at the start, how many and how much still run at the end?
-- grain:   from_on
-- reads:   facts.contracts_before, facts.customers_before, facts.last_rates_before
-- columns:
--   from_on                   first day of the window
--   until_on                  first day after it
--   began_on                  day on which the first contract of all started
--   starting_count            customers with a contract that ran on the day before from_on
--   kept_count                of these, with one that ran on the day before until_on
--   lost_count                of these, with none
--   involuntary_lost_count    of the lost, those whose contract that ended last was cancelled by us (unpaid ...)
--   won_count                 customers with a running contract at the end only
--   unknown_amount_count      starting customers left out of the amounts: a price, billing period or rate is missing
--   starting_amount           recurring amount per 30 days at the start of the others, reporting currency;
--                             NULL = there were some, and of none all is known (so are the two below)
--   kept_amount               per such customer the smaller of both ends: growth is not counted
--   later_amount              their recurring amount at the end
-- Both ends are valued at one rate per currency, the last before from_on (where there is none yet, the last before
-- until_on): what a currency did between them is neither loss nor growth of a customer.
with beginning as (
    select min(started_on) as began_on from facts.contracts_before($until_on)
),

excluded as (
    select customer_id from facts.customers_before($until_on) where is_excluded
),

rates as (
    select
        later.currency as currency,
        coalesce(earlier.rate, later.rate) as rate
    from facts.last_rates_before($until_on) as later
    left join facts.last_rates_before($from_on) as earlier on earlier.currency = later.currency
),

-- prices as each of the two days knew them
running as (
    select
        customer_id,
        false as is_later,
        agreed_amount,
        currency,
        billing_period_days
    from facts.contracts_before($from_on)
    where is_active
    union all
    select
        customer_id,
        true,
        agreed_amount,
        currency,
        billing_period_days
    from facts.contracts_before($until_on)
    where is_active
),

recurring as (
    select
        running.customer_id as customer_id,
        running.is_later as is_later,
        cast(
            cast(running.agreed_amount as decimal(38, 4)) * rates.rate * 30 / nullif(running.billing_period_days, 0)
            as decimal(38, 4)
        ) as amount
    from running
    left join rates on rates.currency = running.currency
    anti join excluded on excluded.customer_id = running.customer_id
),

by_customer as (
    select
        customer_id,
        bool_or(not is_later) as was_there,
        bool_or(is_later) as is_there,
        count(*) = count(amount) as is_known,
        coalesce(sum(amount) filter (where not is_later), 0) as earlier_amount,
        coalesce(sum(amount) filter (where is_later), 0) as later_amount
    from recurring
    group by customer_id
),

last_ends as (
    select customer_id, end_kind
    from facts.contracts_before($until_on)
    where not is_active
    qualify row_number() over (partition by customer_id order by ended_on desc, contract_id desc) = 1
)

select
    cast($from_on as date) as from_on,
    cast($until_on as date) as until_on,
    (select began_on from beginning) as began_on,
    count(*) filter (where was_there) as starting_count,
    count(*) filter (where was_there and is_there) as kept_count,
    count(*) filter (where was_there and not is_there) as lost_count,
    count(*) filter (
        where was_there and not is_there and last_ends.end_kind = 'involuntary'
    ) as involuntary_lost_count,
    count(*) filter (where is_there and not was_there) as won_count,
    count(*) filter (where was_there and not is_known) as unknown_amount_count,
    case
        when count(*) filter (where was_there) = 0 then 0
        else sum(earlier_amount) filter (where was_there and is_known)
    end as starting_amount,
    case
        when count(*) filter (where was_there) = 0 then 0
        else sum(least(earlier_amount, later_amount)) filter (where was_there and is_known)
    end as kept_amount,
    case
        when count(*) filter (where was_there) = 0 then 0
        else sum(later_amount) filter (where was_there and is_known)
    end as later_amount
from by_customer
left join last_ends on last_ends.customer_id = by_customer.customer_id
