-- kind:    features
-- purpose: How content did each customer say to be?
-- grain:   customer_id
-- reads:   facts.feedback_before
-- columns:
--   customer_id             canonical customer
--   feedback_count_365      scored answers in the last 365 days
--   poor_score_count_365    of these, in the lower two fifths of their scale
--   mean_score_rate_365     mean score of these, 0 = worst, 1 = best
--   lowest_score_rate_365   lowest of these
--   last_score_rate         score of the last answer
--   days_since_feedback     days since the last answer
with answers as (
    select
        customer_id,
        feedback_id,
        occurred_on,
        date_diff('day', occurred_on, cast($as_of as date)) as age_days,
        cast(score_rate as decimal(9, 6)) as score_rate
    from facts.feedback_before($as_of, _known_at := $known_at)
    where customer_id is not null and score_rate is not null
),

last_answers as (
    select customer_id, score_rate
    from answers
    qualify row_number() over (partition by customer_id order by occurred_on desc, feedback_id desc) = 1
),

by_customer as (
    select
        customer_id,
        sum(case when age_days <= 365 then 1 else 0 end) as answer_count,
        sum(case when age_days <= 365 and score_rate <= 0.4 then 1 else 0 end) as poor_count,
        sum(case when age_days <= 365 then score_rate end) as score_sum,
        min(case when age_days <= 365 then score_rate end) as lowest,
        min(age_days) as days_since_feedback
    from answers
    group by customer_id
)

select
    by_customer.customer_id as customer_id,
    cast(answer_count as bigint) as feedback_count_365,
    cast(poor_count as bigint) as poor_score_count_365,
    case
        when answer_count > 0 then cast(score_sum as double) / cast(answer_count as double)
    end as mean_score_rate_365,
    cast(lowest as double) as lowest_score_rate_365,
    cast(last_answers.score_rate as double) as last_score_rate,
    days_since_feedback as days_since_feedback
from by_customer
join last_answers on last_answers.customer_id = by_customer.customer_id
