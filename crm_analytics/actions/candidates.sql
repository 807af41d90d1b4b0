-- kind:    score
-- purpose: Who may leave, what is at stake, has the risk risen, and who was called lately?
-- grain:   customer_id
-- reads:   scores.churn, scores.contract_churn, scores.clv, scores.actions, facts.customers_before,
--          facts.contracts_before, facts.refusals_before
-- columns:
--   customer_id            canonical customer with a churn probability at as_of
--   source_system          system of the leading source record
--   source_id              its id there
--   owner_source_id        user who looks after the customer; NULL = nobody
--   has_opted_out          wants no marketing on any channel
--   has_refused_phone      wants no calls: the last word on this channel, or on every one, is no
--   leaving                contract = one runs, and the probability is of its end; purchase = of no purchase
--   churn_probability      probability of leaving in the horizon
--   earlier_probability    the same at the earliest night of the rise_days before; NULL = not scored then
--   risk_rise              how much more it rose than that of the median customer; NULL = not scored then
--   reason_1               strongest reason of the score, in words
--   reason_2               second reason
--   reason_code            theme of the strongest reason, where it raises the risk
--   probability_alive      P(still a customer) of the purchase model, 1 while a contract runs; NULL = no model
--   lifetime_value         expected margin over the value horizon; NULL = margin unknown
--   lifetime_revenue       expected revenue over the value horizon; of who never ordered, the price of the running
--                          contracts for 365 days; NULL = no value
--   last_listed_on         last night within cool_down_days before as_of that listed the customer
with scored as (
    select
        as_of,
        customer_id,
        'purchase' as leaving,
        churn_probability,
        reason_1,
        reason_2,
        reason_code
    from scores.churn
    where churn_probability is not null
    union all
    select
        as_of,
        customer_id,
        'contract',
        churn_probability,
        reason_1,
        reason_2,
        reason_code
    from scores.contract_churn
    where churn_probability is not null
),

-- whose contract runs leaves by its end: silence is no sign of it, nor is an order a sign against it
tonight as (
    select *
    from scored
    where as_of = cast($as_of as date)
    qualify row_number() over (partition by customer_id order by leaving) = 1
),

-- with the earliest night of the window a slow rise shows as well as a sudden one
earlier_nights as (
    select leaving, min(as_of) as as_of
    from scored
    where as_of < cast($as_of as date) and as_of >= cast($as_of as date) - cast($rise_days as integer)
    group by leaving
),

earlier as (
    select scored.customer_id, scored.leaving, scored.churn_probability
    from scored
    join earlier_nights on earlier_nights.as_of = scored.as_of and earlier_nights.leaving = scored.leaving
),

changes as (
    select
        tonight.customer_id as customer_id,
        tonight.leaving as leaving,
        earlier.churn_probability as earlier_probability,
        tonight.churn_probability - earlier.churn_probability as change
    from tonight
    join earlier on earlier.customer_id = tonight.customer_id and earlier.leaving = tonight.leaving
),

-- a new season or a new model moves everybody: that is no news of a single customer
usual as (
    select leaving, quantile_disc(change, 0.5) as change from changes group by leaving
),

-- who has a contract and never an order has no value from orders: a year of the running contracts, then
contract_years as (
    select
        customer_id,
        cast(sum(cast(period_amount as decimal(38, 4)) * 365 / billing_period_days) as double) as amount
    from facts.contracts_before($as_of)
    where is_active and billing_period_days > 0
    group by customer_id
),

listed as (
    select customer_id, max(as_of) as last_listed_on
    from scores.actions
    where as_of < cast($as_of as date) and as_of >= cast($as_of as date) - cast($cool_down_days as integer)
    group by customer_id
)

select
    tonight.customer_id as customer_id,
    customers.source_system as source_system,
    customers.source_id as source_id,
    customers.owner_source_id as owner_source_id,
    customers.has_opted_out as has_opted_out,
    refused.customer_id is not null as has_refused_phone,
    tonight.leaving as leaving,
    tonight.churn_probability as churn_probability,
    changes.earlier_probability as earlier_probability,
    changes.change - usual.change as risk_rise,
    tonight.reason_1 as reason_1,
    tonight.reason_2 as reason_2,
    tonight.reason_code as reason_code,
    case when tonight.leaving = 'contract' then 1 else clv.probability_alive end as probability_alive,
    clv.lifetime_value as lifetime_value,
    coalesce(clv.lifetime_revenue, contract_years.amount) as lifetime_revenue,
    listed.last_listed_on as last_listed_on
from tonight
join facts.customers_before($as_of) as customers on customers.customer_id = tonight.customer_id
left join scores.clv as clv on clv.customer_id = tonight.customer_id and clv.as_of = tonight.as_of
left join changes on changes.customer_id = tonight.customer_id
left join listed on listed.customer_id = tonight.customer_id
left join facts.refusals_before($as_of, 'phone') as refused on refused.customer_id = tonight.customer_id
left join usual on usual.leaving = tonight.leaving
left join contract_years on contract_years.customer_id = tonight.customer_id
where not customers.is_excluded
order by customer_id
