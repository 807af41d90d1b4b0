-- kind:    features
-- purpose: Which few customers bring most of the money, and what share does each bring?
-- grain:   customer_id
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   customer_id        canonical customer who bought in the window; test and internal ones left out
--   amount             net spend or margin in the window, reporting currency; NULL = a part is unknown
--   amount_share       its share of the sum of all positive amounts
--   before_share       share that all customers with strictly more bring together
--   customer_rank      1 + customers with strictly more
--   abc_class          A, B or C; NULL = amount unknown
-- A customer is A while those with strictly more bring less than a_share together, B while they bring less than
-- b_share, else C; so equal amounts are always of one class, and the customer that crosses the line is in the better
-- one. Who brought nothing, or less than nothing, is C.
with amounts as (
    select
        d.customer_id as customer_id,
        case
            when $money = 'net_margin' and count(*) = count(d.net_margin) then sum(d.net_margin)
            when $money = 'net_spend' and count(*) = count(d.net_spend) then sum(d.net_spend)
        end as amount
    from facts.order_days_before($as_of) as d
    join facts.customers_before($as_of) as c on c.customer_id = d.customer_id
    where not c.is_excluded and d.ordered_on >= cast($as_of as date) - cast($window_days as integer)
    group by d.customer_id
    having sum(d.order_count) > 0
),

summed as (
    select
        customer_id,
        amount,
        sum(greatest(amount, 0)) over () as total,
        -- peers share a frame, so what equal customers bring is taken off again
        sum(greatest(amount, 0)) over (order by amount desc nulls last range unbounded preceding)
            - greatest(amount, 0) * count(*) over (partition by amount) as before_amount,
        rank() over (order by amount desc nulls last) as customer_rank
    from amounts
),

shares as (
    select
        customer_id,
        amount,
        customer_rank,
        -- an unknown amount has no share: greatest() would make it nothing
        case when amount is not null then cast(greatest(amount, 0) as double) / nullif(cast(total as double), 0) end
            as amount_share,
        cast(before_amount as double) / nullif(cast(total as double), 0) as before_share
    from summed
)

select
    customer_id as customer_id,
    cast(amount as decimal(38, 4)) as amount,
    amount_share as amount_share,
    case when amount is not null then before_share end as before_share,
    case when amount is not null then customer_rank end as customer_rank,
    case
        when amount is null then null
        when amount <= 0 then 'C'
        when before_share < cast($a_share as double) then 'A'
        when before_share < cast($b_share as double) then 'B'
        else 'C'
    end as abc_class
from shares
order by customer_id
