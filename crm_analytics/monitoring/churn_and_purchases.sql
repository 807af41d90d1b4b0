-- kind:    label
-- purpose: How likely was each customer said to leave by a night, and who placed no order before until_on?
-- grain:   customer_id
-- reads:   scores.churn, facts.purchases_between, facts.source_records_before
-- columns:
--   customer_id          canonical customer with a probability, as that night knew it
--   churn_probability    0..1
--   churned              1 = no purchase in [as_of, until_on), else 0
with predicted as (
    select
        churn.customer_id,
        churn.churn_probability,
        -- who has been merged into another customer since buys under that one's id
        coalesce(records.customer_id, churn.customer_id) as present_id
    from scores.churn as churn
    left join facts.source_records_before($until_on) as records on records.record_id = churn.customer_id
    where churn.as_of = cast($as_of as date) and churn.churn_probability is not null
),

bought_again as (
    select distinct customer_id
    from facts.purchases_between(cast($as_of as date), cast($until_on as date))
)

select
    predicted.customer_id as customer_id,
    predicted.churn_probability as churn_probability,
    case when bought_again.customer_id is null then 1 else 0 end as churned
from predicted
left join bought_again on bought_again.customer_id = predicted.present_id
order by customer_id
