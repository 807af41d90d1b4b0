-- kind:    kpi
-- purpose: Which contracts does the customer have?
-- grain:   contract_id
-- reads:   facts.contracts_before
-- columns:
--   contract_id            contract, as system:number
--   customer_id            canonical customer
--   product_id             product, as system:id
--   started_on             first day
--   ends_on                last day of the agreed term (agreed in advance, so it may lie after as_of); NULL = open-ended, or told only by a version from after as_of
--   cancelled_on           day on which it was cancelled, when before as_of
--   cancel_kind            voluntary or involuntary, when cancelled before as_of
--   renews                 renews by itself
--   is_active              started, not cancelled, and the term not over (or it renews) on the day before as_of
--   period_amount          price per billing period, reporting currency at the last rate before as_of
--   agreed_amount          the same in its own currency
--   currency               that currency, ISO 4217
--   billing_period_days    days
select
    f.contract_id as contract_id,
    f.customer_id as customer_id,
    f.product_id as product_id,
    f.started_on as started_on,
    f.ends_on as ends_on,
    f.cancelled_on as cancelled_on,
    f.cancel_kind as cancel_kind,
    f.renews as renews,
    f.is_active as is_active,
    f.period_amount as period_amount,
    f.agreed_amount as agreed_amount,
    f.currency as currency,
    f.billing_period_days as billing_period_days
from facts.contracts_before($as_of) as f
where f.customer_id = $customer_id
order by started_on, contract_id
