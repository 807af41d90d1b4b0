-- kind:    facts
-- purpose: Which contracts had begun before as_of, and did they still run?
-- grain:   contract_id
-- reads:   entities.contracts_at, entities.customer_ids, facts.last_rates_before
-- columns:
--   contract_id            contract, as system:number
--   customer_id            canonical customer
--   product_id             product, as system:id
--   started_on             first day
--   ends_on                last day of the agreed term (agreed in advance, so it may lie after as_of);
--                          NULL = open-ended, or told only by a version from after as_of
--   cancelled_on           day on which it was cancelled, when before as_of
--   cancel_kind            voluntary or involuntary, when cancelled before as_of
--   renews                 renews by itself
--   is_active              started, not cancelled, and the term not over (or it renews) on the day before as_of
--   period_amount          price per billing period, reporting currency at the last rate before as_of
--   agreed_amount          the same in its own currency
--   currency               that currency, ISO 4217
--   billing_period_days    days
select
    c.source_system || ':' || c.source_id as contract_id,
    coalesce(ids.customer_id, c.source_system || ':' || c.customer_source_id) as customer_id,
    c.source_system || ':' || c.product_source_id as product_id,
    c.started_on as started_on,
    case when c.is_held then c.ends_on end as ends_on,
    case when c.cancelled_on < cast($as_of as date) then c.cancelled_on end as cancelled_on,
    case when c.cancelled_on < cast($as_of as date) then c.cancel_kind end as cancel_kind,
    case when c.is_held then c.renews end as renews,
    not coalesce(c.cancelled_on < cast($as_of as date), false)
    -- a term that only a later version tells was not known: the contract ran
    and (
        not c.is_held
        or c.ends_on is null
        or c.ends_on >= cast($as_of as date) - 1
        or coalesce(c.renews, false)
    ) as is_active,
    case
        when c.is_held then cast(cast(c.amount as decimal(38, 4)) * r.rate as decimal(18, 4))
    end as period_amount,
    case when c.is_held then c.amount end as agreed_amount,
    c.currency as currency,
    c.billing_period_days as billing_period_days
from entities.contracts_at($as_of, _known_at := $known_at) as c
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = c.source_system and ids.source_id = c.customer_source_id
left join facts.last_rates_before($as_of, _known_at := $known_at) as r on r.currency = c.currency
where c.started_on < cast($as_of as date)
