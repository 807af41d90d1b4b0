-- kind:    score
-- purpose: Of the customers on earlier lists whose horizon has ended, who has left?
-- grain:   as_of, customer_id
-- reads:   scores.actions, facts.order_days_before
-- columns:
--   as_of                night of the list
--   customer_id          canonical customer
--   churn_probability    probability of leaving, as of that night
--   has_left             no purchase in the horizon that began that night
with bought as (
    select customer_id, ordered_on
    from facts.order_days_before($as_of)
    where is_purchase_day
)

select
    listed.as_of as as_of,
    listed.customer_id as customer_id,
    listed.churn_probability as churn_probability,
    not exists (
        select 1
        from bought
        where
            bought.customer_id = listed.customer_id
            and bought.ordered_on >= listed.as_of
            and bought.ordered_on < listed.as_of + cast(listed.horizon_days as integer)
    ) as has_left
from scores.actions as listed
where listed.as_of + cast(listed.horizon_days as integer) <= cast($as_of as date)
order by as_of, customer_id
