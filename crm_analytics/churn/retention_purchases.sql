-- kind:    kpi
-- purpose: Of the customers who bought in a window, how many and how much money came back in the next?
-- grain:   from_on
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   from_on                 first day of the later window; the earlier one is as long and ends before it
--   until_on                first day after the later window
--   began_on                day of the first purchase of all: nothing is known of the time before it
--   starting_count          customers who bought in the earlier window
--   kept_count              of these, bought in the later one too
--   lost_count              of these, did not
--   won_count               customers who bought in the later window only
--   unknown_amount_count    starting customers left out of the amounts: a day of theirs has no price or rate
--   starting_amount         net spend of the others in the earlier window, reporting currency, negative spend as 0;
--                           NULL = there were some, and of none all is known (so are the two below)
--   kept_amount             per such customer the smaller of both windows' spend: growth is not counted
--   later_amount            what they spent in the later window
-- A purchase is valued at the rate of its day, as everywhere: what came in, so a currency that fell shows as less.
-- One rate for both windows, as of contracts, would need the currency of each purchase, which no fact of days keeps.
with beginning as (
    select min(ordered_on) as began_on from facts.order_days_before($until_on) where is_purchase_day
),

days as (
    select
        customer_id,
        ordered_on >= cast($from_on as date) as is_later,
        is_purchase_day,
        net_spend
    from facts.order_days_before($until_on)
    where
        ordered_on >= cast($from_on as date)
        - cast(date_diff('day', cast($from_on as date), cast($until_on as date)) as integer)
),

excluded as (
    select customer_id from facts.customers_before($until_on) where is_excluded
),

by_customer as (
    select
        days.customer_id as customer_id,
        bool_or(is_purchase_day and not is_later) as was_there,
        bool_or(is_purchase_day and is_later) as is_there,
        count(*) = count(net_spend) as is_known,
        greatest(coalesce(sum(net_spend) filter (where not is_later), 0), 0) as earlier_amount,
        greatest(coalesce(sum(net_spend) filter (where is_later), 0), 0) as later_amount
    from days
    anti join excluded on excluded.customer_id = days.customer_id
    group by days.customer_id
)

select
    cast($from_on as date) as from_on,
    cast($until_on as date) as until_on,
    (select began_on from beginning) as began_on,
    count(*) filter (where was_there) as starting_count,
    count(*) filter (where was_there and is_there) as kept_count,
    count(*) filter (where was_there and not is_there) as lost_count,
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
