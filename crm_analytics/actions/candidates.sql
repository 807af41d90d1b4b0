-- kind:    score
-- purpose: Who may leave, what is at stake, has the risk risen, and who was called lately?
-- grain:   customer_id, leaving
-- reads:   scores.churn, scores.contract_churn, scores.clv, facts.risks_of_nights, facts.calls_of_nights,
--          facts.customers_before, facts.contracts_before, facts.refusals_known
-- columns:
--   customer_id            canonical customer with a churn probability at as_of
--   leaving                purchase = no purchase in the horizon; contract = no contract runs at its end
--   source_system          system of the leading source record
--   source_id              its id there
--   owner_source_id        user who looks after the customer; NULL = nobody
--   has_opted_out          wants no marketing on any channel, by all that is known when the list is made
--   has_refused_phone      wants no calls: marketing is refused on this channel, or on every one
--   holds_contract         a contract runs
--   churn_probability      probability of leaving in the horizon
--   earlier_probability    the same at the earliest night of the rise_days before; NULL = not scored then
--   risk_rise              how much more it rose than that of the median customer; NULL = not scored then
--   reason_1               strongest reason of the score, in words
--   reason_2               second reason
--   reason_code            theme of the strongest reason, where it raises the risk
--   probability_alive      P(still a customer) of the purchase model, 1 of a running contract; NULL = no model
--   lifetime_value         expected margin over the value horizon; NULL = margin unknown, and of a contract
--   lifetime_revenue       expected revenue over the value horizon; of contracts the price of those that run for so
--                          many days; NULL = no value, or a price or rate of one of them is unknown
--   last_listed_on         last night within cool_down_days before as_of that listed the customer
with contract_scores as (
    select
        customer_id,
        churn_probability,
        reason_1,
        reason_2,
        reason_code,
        -- a model that was not shown to tell customers apart gives all of them one rate: that ranks nobody
        min(churn_probability) over () < max(churn_probability) over () as tells_apart
    from scores.contract_churn
    where as_of = cast($as_of as date) and churn_probability is not null
),

tonight as (
    select customer_id, 'purchase' as leaving, churn_probability, reason_1, reason_2, reason_code
    from scores.churn
    where as_of = cast($as_of as date) and churn_probability is not null
    union all
    select customer_id, 'contract', churn_probability, reason_1, reason_2, reason_code
    from contract_scores
    where tells_apart
),

risks as (
    select *
    from facts.risks_of_nights($as_of)
    where as_of >= cast($as_of as date) - cast($rise_days as integer)
),

-- with the earliest night of the window a slow rise shows as well as a sudden one
earlier_nights as (
    select leaving, min(as_of) as as_of from risks group by leaving
),

changes as (
    select
        tonight.customer_id as customer_id,
        tonight.leaving as leaving,
        risks.churn_probability as earlier_probability,
        tonight.churn_probability - risks.churn_probability as change
    from tonight
    join risks on risks.customer_id = tonight.customer_id and risks.leaving = tonight.leaving
    join earlier_nights on earlier_nights.as_of = risks.as_of and earlier_nights.leaving = risks.leaving
),

-- a new season or a new model moves everybody: that is no news of a single customer
usual as (
    select leaving, quantile_disc(change, 0.5) as change from changes group by leaving
),

clv as (
    select customer_id, horizon_days, probability_alive, lifetime_value, lifetime_revenue
    from scores.clv
    where as_of = cast($as_of as date)
),

-- a contract that ends takes its own price along, and no order; a sum of which a part is unknown is unknown
contract_money as (
    select
        customer_id,
        case
            when count(*) = count(case when billing_period_days > 0 then period_amount end)
                then cast(sum(cast(period_amount as decimal(38, 4)) / billing_period_days) as double)
                    * coalesce((select max(horizon_days) from clv), 365)
        end as amount
    from facts.contracts_before($as_of)
    where is_active
    group by customer_id
),

listed as (
    select customer_id, max(as_of) as last_listed_on
    from facts.calls_of_nights($as_of)
    where as_of >= cast($as_of as date) - cast($cool_down_days as integer)
    group by customer_id
)

select
    tonight.customer_id as customer_id,
    tonight.leaving as leaving,
    customers.source_system as source_system,
    customers.source_id as source_id,
    customers.owner_source_id as owner_source_id,
    coalesce(refused.is_refused_always, false) as has_opted_out,
    refused.customer_id is not null as has_refused_phone,
    held.customer_id is not null as holds_contract,
    tonight.churn_probability as churn_probability,
    changes.earlier_probability as earlier_probability,
    changes.change - usual.change as risk_rise,
    tonight.reason_1 as reason_1,
    tonight.reason_2 as reason_2,
    tonight.reason_code as reason_code,
    case when tonight.leaving = 'contract' then 1 else clv.probability_alive end as probability_alive,
    case when tonight.leaving = 'purchase' then clv.lifetime_value end as lifetime_value,
    case when tonight.leaving = 'contract' then contract_money.amount else clv.lifetime_revenue end
        as lifetime_revenue,
    listed.last_listed_on as last_listed_on
from tonight
join facts.customers_before($as_of) as customers on customers.customer_id = tonight.customer_id
left join clv on clv.customer_id = tonight.customer_id
left join contract_scores as held on held.customer_id = tonight.customer_id
left join changes on changes.customer_id = tonight.customer_id and changes.leaving = tonight.leaving
left join listed on listed.customer_id = tonight.customer_id
left join facts.refusals_known($as_of, 'phone') as refused on refused.customer_id = tonight.customer_id
left join usual on usual.leaving = tonight.leaving
left join contract_money on contract_money.customer_id = tonight.customer_id
where not customers.is_excluded
order by customer_id, leaving
