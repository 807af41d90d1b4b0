-- kind:    kpi
-- purpose: Whom did the night put on the list of calls, and why?
-- grain:   rank
-- reads:   scores.actions, scores.rfm
-- columns:
--   rank                     1 = call first
--   customer_id              canonical customer
--   kind                     alert (risk has risen) or call
--   owner_source_id          user who looks after the customer; NULL = nobody yet
--   churn_probability        probability of leaving in the horizon
--   earlier_probability      the same some weeks before; NULL = not scored then
--   value_at_stake           expected margin that leaves with those still there, reporting currency
--   value_kind               margin or revenue
--   expected_saved_margin    what the call is expected to save, less its cost, reporting currency
--   save_rate                share of leavers whom a call keeps
--   days_since_last_order    days
--   reason                   in words
select
    actions.rank as rank,
    actions.customer_id as customer_id,
    actions.kind as kind,
    actions.owner_source_id as owner_source_id,
    actions.churn_probability as churn_probability,
    actions.earlier_probability as earlier_probability,
    actions.value_at_stake as value_at_stake,
    actions.value_kind as value_kind,
    actions.expected_saved_margin as expected_saved_margin,
    actions.save_rate as save_rate,
    rfm.days_since_last_order as days_since_last_order,
    actions.reason as reason
from scores.actions as actions
left join scores.rfm as rfm on rfm.customer_id = actions.customer_id and rfm.as_of = actions.as_of
where actions.as_of = cast($as_of as date)
order by rank
