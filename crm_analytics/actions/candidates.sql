-- kind:    score
-- purpose: Who may leave, what is at stake, has the risk risen, and who was called lately?
-- grain:   customer_id
-- reads:   scores.churn, scores.clv, scores.actions, facts.customers_before, facts.last_consents_before
-- columns:
--   customer_id            canonical customer with a churn probability at as_of
--   source_system          system of the leading source record
--   source_id              its id there
--   owner_source_id        user who looks after the customer; NULL = nobody
--   has_opted_out          wants no marketing on any channel
--   has_refused_phone      wants no calls: the last word on this channel is no
--   churn_probability      probability of leaving in the horizon
--   earlier_probability    the same at the earliest night of the rise_days before; NULL = not scored then
--   risk_rise              how much more it rose than that of the median customer; NULL = not scored then
--   reason_1               strongest reason of the score, in words
--   reason_2               second reason
--   reason_code            theme of the strongest reason, where it raises the risk
--   probability_alive      P(still a customer) of the purchase model; NULL = no model
--   lifetime_value         expected margin over the value horizon; NULL = margin unknown
--   lifetime_revenue       expected revenue over the value horizon; NULL = no value
--   last_listed_on         last night within cool_down_days before as_of that listed the customer
with tonight as (
    select * from scores.churn where as_of = cast($as_of as date) and churn_probability is not null
),

-- with the earliest night of the window a slow rise shows as well as a sudden one
earlier_night as (
    select min(as_of) as as_of
    from scores.churn
    where as_of < cast($as_of as date) and as_of >= cast($as_of as date) - cast($rise_days as integer)
),

earlier as (
    select churn.customer_id, churn.churn_probability
    from scores.churn as churn
    join earlier_night on earlier_night.as_of = churn.as_of
    where churn.churn_probability is not null
),

changes as (
    select
        tonight.customer_id as customer_id,
        earlier.churn_probability as earlier_probability,
        tonight.churn_probability - earlier.churn_probability as change
    from tonight
    join earlier on earlier.customer_id = tonight.customer_id
),

-- a new season or a new model moves everybody: that is no news of a single customer
usual as (
    select quantile_disc(change, 0.5) as change from changes
),

listed as (
    select customer_id, max(as_of) as last_listed_on
    from scores.actions
    where as_of < cast($as_of as date) and as_of >= cast($as_of as date) - cast($cool_down_days as integer)
    group by customer_id
),

refused as (
    select customer_id
    from facts.last_consents_before($as_of)
    where channel = 'phone' and not is_granted
)

select
    tonight.customer_id as customer_id,
    customers.source_system as source_system,
    customers.source_id as source_id,
    customers.owner_source_id as owner_source_id,
    customers.has_opted_out as has_opted_out,
    refused.customer_id is not null as has_refused_phone,
    tonight.churn_probability as churn_probability,
    changes.earlier_probability as earlier_probability,
    changes.change - usual.change as risk_rise,
    tonight.reason_1 as reason_1,
    tonight.reason_2 as reason_2,
    tonight.reason_code as reason_code,
    clv.probability_alive as probability_alive,
    clv.lifetime_value as lifetime_value,
    clv.lifetime_revenue as lifetime_revenue,
    listed.last_listed_on as last_listed_on
from tonight
join facts.customers_before($as_of) as customers on customers.customer_id = tonight.customer_id
left join scores.clv as clv on clv.customer_id = tonight.customer_id and clv.as_of = tonight.as_of
left join changes on changes.customer_id = tonight.customer_id
left join listed on listed.customer_id = tonight.customer_id
left join refused on refused.customer_id = tonight.customer_id
cross join usual
where not customers.is_excluded
order by customer_id
