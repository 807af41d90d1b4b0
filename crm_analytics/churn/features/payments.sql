-- kind:    features
-- purpose: Does each customer pay late?
-- grain:   customer_id
-- reads:   facts.payments_before
-- columns:
--   customer_id                canonical customer
--   payment_count_365          payments asked for in the last 365 days
--   late_payment_rate_365      share of these that were late or are overdue, 0..1; NULL = none with a due day
--   most_days_late_365         longest delay of these in days
--   open_overdue_count         payments due before as_of and not made by then
with payments as (
    select
        customer_id,
        date_diff('day', requested_on, cast($as_of as date)) as age_days,
        days_late,
        paid_on is null and due_on < cast($as_of as date) as is_overdue
    from facts.payments_before($as_of, _known_at := $known_at)
    where customer_id is not null
),

by_customer as (
    select
        customer_id,
        sum(case when age_days <= 365 then 1 else 0 end) as payment_count,
        sum(case when age_days <= 365 and days_late is not null then 1 else 0 end) as due_count,
        sum(case when age_days <= 365 and days_late > 0 then 1 else 0 end) as late_count,
        max(case when age_days <= 365 then days_late end) as most_days_late,
        sum(case when is_overdue then 1 else 0 end) as overdue_count
    from payments
    group by customer_id
)

select
    customer_id as customer_id,
    cast(payment_count as bigint) as payment_count_365,
    case when due_count > 0 then cast(late_count as double) / cast(due_count as double) end as late_payment_rate_365,
    most_days_late as most_days_late_365,
    cast(overdue_count as bigint) as open_overdue_count
from by_customer
