-- kind:    score
-- purpose: Of the customers on earlier lists whose horizon has ended, who has left?
-- grain:   as_of, listed_id
-- reads:   facts.calls_of_nights, facts.order_days_before, facts.contracts_before
-- columns:
--   as_of                night of the list
--   listed_id            customer as that night named it: its task bears this key
--   customer_id          the customer who now is who was meant: two who have been merged have one outcome
--   churn_probability    probability of leaving, as of that night
--   has_left             no purchase in the horizon that began that night; no contract that runs at its end
--                        where the probability was of the end of contracts
with listed as (
    select *, as_of + cast(horizon_days as integer) as until_on
    from facts.calls_of_nights($as_of)
    where as_of + cast(horizon_days as integer) <= cast($as_of as date)
),

bought as (
    select customer_id, ordered_on
    from facts.order_days_before($as_of)
    where is_purchase_day
),

contracts as (
    select
        customer_id,
        started_on,
        cancelled_on,
        coalesce(renews, false) as renews,
        ends_on
    from facts.contracts_before($as_of)
)

select
    listed.as_of as as_of,
    listed.listed_id as listed_id,
    listed.customer_id as customer_id,
    listed.churn_probability as churn_probability,
    case
        when listed.leaving = 'contract'
            then not exists (
                select 1
                from contracts
                where
                    contracts.customer_id = listed.customer_id
                    and contracts.started_on < listed.until_on
                    and coalesce(contracts.cancelled_on >= listed.until_on, true)
                    and coalesce(contracts.renews or contracts.ends_on >= listed.until_on - 1, true)
            )
        else not exists (
            select 1
            from bought
            where
                bought.customer_id = listed.customer_id
                and bought.ordered_on >= listed.as_of
                and bought.ordered_on < listed.until_on
        )
    end as has_left
from listed
order by as_of, listed_id
