-- kind:    features
-- purpose: In which state of its life with us was each customer, and since when?
-- grain:   customer_id, since_on
-- reads:   facts.order_days_before, facts.customers_before
-- columns:
--   customer_id        canonical customer, test and internal ones left out
--   lifecycle_state    prospect, new, active, at_risk, lapsed or won_back (below)
--   since_on           day on which the state began
--   until_on           day on which the next state began; NULL = the state at as_of
--   usual_gap_days     days that usually pass until the next purchase; NULL = has never bought
--
-- prospect   known, has never bought
-- new        has bought on one day
-- active     has bought again, and not been silent for too long before
-- at_risk    silent for twice the usual gap (at least 14 days): one pause in eight lasts that long
-- lapsed     silent for four times the usual gap (at least 28 days): one pause in fifty
-- won_back   bought again after having lapsed; the next purchase makes it active
--
-- The usual gap is the customer's own mean gap up to that purchase, drawn towards the company's mean pause
-- between first and second purchase as if two pauses of that length had been seen besides: who bought once
-- has the company's. One in eight and one in fifty hold for purchases at random (exp(-2), exp(-4)).
-- at_risk_days and lapsed_days, where given, replace the two limits for everybody.
with days as (
    select
        d.customer_id as customer_id,
        d.ordered_on as ordered_on,
        row_number() over (partition by d.customer_id order by d.ordered_on) as day_number,
        min(d.ordered_on) over (partition by d.customer_id) as first_on,
        lead(d.ordered_on) over (partition by d.customer_id order by d.ordered_on) as next_on
    from facts.order_days_before($as_of) as d
    where d.is_purchase_day
),

-- nobody has come back yet: a quarter of a year
company as (
    select
        coalesce(
            cast(sum(date_diff('day', ordered_on, next_on)) as double) / nullif(cast(count(next_on) as double), 0),
            90
        ) as gap_days
    from days
    where day_number = 1
),

rhythm as (
    select
        days.*,
        (date_diff('day', days.first_on, days.ordered_on) + 2 * company.gap_days)
            / cast(days.day_number + 1 as double) as usual_gap_days
    from days
    cross join company
),

limits as (
    select
        *,
        coalesce(cast($at_risk_days as bigint), greatest(14, cast(ceil(2 * usual_gap_days) as bigint))) as risk_days,
        coalesce(cast($lapsed_days as bigint), greatest(28, cast(ceil(4 * usual_gap_days) as bigint))) as lost_days
    from rhythm
),

dated as (
    select
        *,
        ordered_on + cast(risk_days as integer) as at_risk_on,
        -- who is told to be at risk from day 60 on cannot have lapsed on day 50
        ordered_on + cast(greatest(lost_days, risk_days + 1) as integer) as lapsed_on,
        coalesce(next_on, cast($as_of as date)) as until_on
    from limits
),

came as (
    select
        customer_id,
        ordered_on as since_on,
        usual_gap_days,
        case
            when day_number = 1 then 'new'
            when lag(lapsed_on) over (partition by customer_id order by ordered_on) < ordered_on then 'won_back'
            else 'active'
        end as lifecycle_state
    from dated
),

went as (
    select customer_id, at_risk_on as since_on, usual_gap_days, 'at_risk' as lifecycle_state
    from dated
    where at_risk_on < until_on
    union all
    select customer_id, lapsed_on, usual_gap_days, 'lapsed'
    from dated
    where lapsed_on < until_on
),

bought as (
    select customer_id, min(ordered_on) as first_on from days group by customer_id
),

prospects as (
    select
        c.customer_id,
        c.first_seen_on as since_on,
        cast(null as double) as usual_gap_days,
        'prospect' as lifecycle_state
    from facts.customers_before($as_of) as c
    left join bought on bought.customer_id = c.customer_id
    where c.first_seen_on < coalesce(bought.first_on, cast($as_of as date))
),

states as (
    select customer_id, since_on, usual_gap_days, lifecycle_state from prospects
    union all
    select customer_id, since_on, usual_gap_days, lifecycle_state from came
    union all
    select customer_id, since_on, usual_gap_days, lifecycle_state from went
),

-- the rhythm that counts is that of the last purchase, also where the state goes on
begun as (
    select
        customer_id,
        since_on,
        lifecycle_state,
        lag(lifecycle_state) over (partition by customer_id order by since_on) as state_before,
        last_value(usual_gap_days) over (
            partition by customer_id order by since_on rows between unbounded preceding and unbounded following
        ) as last_gap_days
    from states
),

changes as (
    select *
    from begun
    where state_before is distinct from lifecycle_state
),

spans as (
    select
        customer_id,
        lifecycle_state,
        since_on,
        lead(since_on) over (partition by customer_id order by since_on) as until_on,
        last_gap_days
    from changes
)

select
    spans.customer_id as customer_id,
    spans.lifecycle_state as lifecycle_state,
    spans.since_on as since_on,
    spans.until_on as until_on,
    spans.last_gap_days as usual_gap_days
from spans
join facts.customers_before($as_of) as c on c.customer_id = spans.customer_id
where not c.is_excluded and (spans.until_on is null or not $is_current_only)
order by customer_id, since_on
