-- kind:    facts
-- purpose: Which orders count before as_of, and what are they worth net of returns?
-- grain:   order_id, customer_id, ordered_on
-- reads:   entities.customer_ids, facts.order_lines_before, facts.order_heads_before, facts.returns_before,
--          facts.daily_rates_before, ops.settings
-- columns:
--   order_id           order, as system:number; a number used again (more than 31 days later) is another order
--   customer_id        canonical customer; NULL for a guest
--   ordered_on         business day of the order (its first line): returns lower the order, whenever they come
--   line_count         lines
--   net_quantity       pieces ordered minus pieces returned before as_of; NULL for a head without lines
--   gross_amount       sum of the positive lines, reporting currency
--   returned_amount    negative lines and linked returns, positive, reporting currency
--   net_amount         gross - returned - discount on the whole order; NULL = a part has no price or rate
--   cost_amount        cost of the goods of all lines that did not come back; NULL = a cost is unknown
--   is_purchase        positive net quantity (price zero counts); a head without lines: not wholly returned
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
),

heads as (
    select
        h.source_system || ':' || h.order_source_id as order_id,
        coalesce(ids.customer_id, h.source_system || ':' || h.customer_source_id) as customer_id,
        h.ordered_on as ordered_on,
        cast(
            cast(h.total_amount as decimal(38, 4)) * case when h.currency = reporting.currency then 1 else r.rate end
            as decimal(38, 4)
        ) as total_amount,
        cast(
            cast(h.discount_amount as decimal(38, 4)) * case when h.currency = reporting.currency then 1 else r.rate end
            as decimal(38, 4)
        ) as discount_amount,
        coalesce(h.discount_amount, 0) <> 0 as has_discount
    from facts.order_heads_before($as_of, _known_at := $known_at) as h
    cross join reporting
    left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
        on r.currency = h.currency and r.priced_on = h.ordered_on
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system = h.source_system and ids.source_id = h.customer_source_id
    where h.counts
),

lines as (
    select
        order_id,
        customer_id,
        ordered_on,
        quantity,
        case when amount > 0 then amount else cast(0 as decimal(38, 4)) end as gross_amount,
        case when amount < 0 then -amount else cast(0 as decimal(38, 4)) end as returned_amount,
        cost_amount,
        amount is not null as is_priced,
        case when quantity > 0 then ordered_on end as goods_on
    from facts.order_lines_before($as_of, _known_at := $known_at)
),

-- one row per number and customer; of numbers without a head whose goods lie more than 31 days apart
-- (few), the days tell how often the number began anew
numbers as (
    select
        order_id,
        customer_id,
        min(ordered_on) as ordered_on,
        count(*) as line_count,
        sum(quantity) as quantity,
        sum(gross_amount) as gross_amount,
        sum(returned_amount) as returned_amount,
        case when count(*) = count(cost_amount) then sum(cost_amount) end as cost_amount,
        bool_and(is_priced) as is_priced,
        coalesce(max(goods_on) - min(goods_on) > 31, false) as is_spread
    from lines
    group by order_id, customer_id
),

spread as (
    select numbers.order_id as order_id, numbers.customer_id as customer_id
    from numbers
    anti join heads on heads.order_id = numbers.order_id
    where numbers.is_spread
),

lines_by_day as (
    select
        l.order_id as order_id,
        l.customer_id as customer_id,
        l.ordered_on as ordered_on,
        count(*) as line_count,
        sum(l.quantity) as quantity,
        sum(l.gross_amount) as gross_amount,
        sum(l.returned_amount) as returned_amount,
        case when count(*) = count(l.cost_amount) then sum(l.cost_amount) end as cost_amount,
        bool_and(l.is_priced) as is_priced,
        bool_or(l.goods_on is not null) as has_goods
    from lines as l
    semi join spread on spread.order_id = l.order_id and spread.customer_id is not distinct from l.customer_id
    group by l.order_id, l.customer_id, l.ordered_on
),

-- goods ordered more than 31 days after the last goods of the number and customer are another order; what
-- came back belongs to the order before it
beginnings as (
    select
        l.*,
        case
            when l.has_goods and l.ordered_on - max(case when l.has_goods then l.ordered_on end) over earlier > 31
                then 1
            else 0
        end as begins_order
    from lines_by_day as l
    window earlier as (
        partition by l.order_id, l.customer_id order by l.ordered_on rows between unbounded preceding and 1 preceding
    )
),

numbered as (
    select
        *,
        cast(
            sum(begins_order) over (partition by order_id, customer_id order by ordered_on) as bigint
        ) as use_of_number
    from beginnings
),

lines_by_order as (
    select
        numbers.order_id as order_id,
        numbers.customer_id as customer_id,
        cast(0 as bigint) as use_of_number,
        numbers.ordered_on as ordered_on,
        numbers.line_count as line_count,
        numbers.quantity as quantity,
        numbers.gross_amount as gross_amount,
        numbers.returned_amount as returned_amount,
        numbers.cost_amount as cost_amount,
        numbers.is_priced as is_priced
    from numbers
    anti join spread
        on spread.order_id = numbers.order_id and spread.customer_id is not distinct from numbers.customer_id
    union all
    select
        order_id,
        customer_id,
        use_of_number,
        min(ordered_on),
        cast(sum(line_count) as bigint),
        sum(quantity),
        sum(gross_amount),
        sum(returned_amount),
        case when count(*) = count(cost_amount) then sum(cost_amount) end,
        bool_and(is_priced)
    from numbered
    group by order_id, customer_id, use_of_number
),

returns as (
    select * from facts.returns_before($as_of, _known_at := $known_at) where order_id is not null
),

-- a return falls to one order: of the customer it names, else of the head's; the last one begun by then;
-- else the one of the largest quantity
returns_by_row as (
    select
        order_id,
        row_customer_id,
        use_of_number,
        sum(returned_quantity) as quantity,
        case when count(*) = count(amount) then sum(amount) end as amount,
        case when count(*) = count(cost_amount) then sum(cost_amount) end as cost_amount
    from (
        select
            l.order_id as order_id,
            l.customer_id as row_customer_id,
            l.use_of_number as use_of_number,
            r.quantity as returned_quantity,
            r.amount as amount,
            r.cost_amount as cost_amount
        from returns as r
        join lines_by_order as l on l.order_id = r.order_id
        left join heads as h on h.order_id = r.order_id
        qualify row_number() over (
            partition by r.return_id
            order by
                coalesce(l.customer_id = r.customer_id, false) desc,
                coalesce(l.customer_id = h.customer_id, false) desc,
                l.ordered_on <= r.returned_on desc,
                l.use_of_number desc,
                l.quantity desc,
                l.customer_id
        ) = 1
    )
    group by order_id, row_customer_id, use_of_number
),

returns_by_order as (
    select
        order_id,
        case when count(*) = count(amount) then sum(amount) end as amount
    from returns
    group by order_id
),

-- so does the discount on the whole order: that of the head's customer, else of the largest quantity
discounts as (
    select
        l.order_id as order_id,
        l.customer_id as row_customer_id,
        h.discount_amount as amount
    from heads as h
    join lines_by_order as l on l.order_id = h.order_id
    where h.has_discount
    qualify row_number() over (
        partition by l.order_id
        order by coalesce(l.customer_id = h.customer_id, false) desc, l.quantity desc, l.customer_id
    ) = 1
),

reduced as (
    select
        l.*,
        case when d.order_id is null then 0 else d.amount end as reduction,
        coalesce(r.quantity, 0) as returned_quantity,
        case when r.order_id is null then 0 else r.amount end as returned,
        case when r.order_id is null then 0 else r.cost_amount end as returned_cost
    from lines_by_order as l
    left join discounts as d on d.order_id = l.order_id and d.row_customer_id is not distinct from l.customer_id
    left join returns_by_row as r
        on r.order_id = l.order_id
        and r.row_customer_id is not distinct from l.customer_id
        and r.use_of_number = l.use_of_number
),

with_lines as (
    select
        order_id as order_id,
        customer_id as customer_id,
        ordered_on as ordered_on,
        line_count as line_count,
        quantity - returned_quantity as net_quantity,
        gross_amount as gross_amount,
        returned_amount + coalesce(returned, 0) as returned_amount,
        case when is_priced then gross_amount - returned_amount - returned - reduction end as net_amount,
        cost_amount - returned_cost as cost_amount,
        quantity - returned_quantity > 0 as is_purchase
    from reduced
),

without_lines as (
    select
        h.order_id as order_id,
        h.customer_id as customer_id,
        h.ordered_on as ordered_on,
        cast(0 as bigint) as line_count,
        cast(null as decimal(38, 4)) as net_quantity,
        h.total_amount as gross_amount,
        coalesce(r.amount, 0) as returned_amount,
        h.total_amount - case when r.order_id is null then 0 else r.amount end as net_amount,
        cast(null as decimal(38, 4)) as cost_amount,
        h.total_amount >= 0 and (r.order_id is null or coalesce(h.total_amount > r.amount, true)) as is_purchase
    from heads as h
    anti join lines_by_order as l on l.order_id = h.order_id
    left join returns_by_order as r on r.order_id = h.order_id
    where h.total_amount is not null
)

select
    order_id as order_id,
    customer_id as customer_id,
    ordered_on as ordered_on,
    line_count as line_count,
    net_quantity as net_quantity,
    gross_amount as gross_amount,
    returned_amount as returned_amount,
    net_amount as net_amount,
    cost_amount as cost_amount,
    is_purchase as is_purchase
from with_lines
union all
select
    order_id,
    customer_id,
    ordered_on,
    line_count,
    net_quantity,
    gross_amount,
    returned_amount,
    net_amount,
    cost_amount,
    is_purchase
from without_lines
