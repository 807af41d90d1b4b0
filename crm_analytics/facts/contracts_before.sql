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
--   ended_on               first day without it: of its cancellation, or after its term; NULL = it runs
--   end_kind               how it ended: voluntary (cancelled by the customer, or run out) or involuntary (cancelled
--                          by us before it had run out); NULL = it runs
--   period_amount          price per billing period, reporting currency at the last rate before as_of
--   agreed_amount          the same in its own currency
--   currency               that currency, ISO 4217
--   billing_period_days    days
with known as (
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
)

select
    contract_id as contract_id,
    customer_id as customer_id,
    product_id as product_id,
    started_on as started_on,
    ends_on as ends_on,
    cancelled_on as cancelled_on,
    cancel_kind as cancel_kind,
    renews as renews,
    is_active as is_active,
    case
        when is_active then null
        -- one that renews ends only by being cancelled, another at the end of its term at the latest
        when coalesce(renews, false) then cancelled_on
        else least(cancelled_on, ends_on + 1)
    end as ended_on,
    case
        when is_active then null
        -- what was cancelled after its term was over had run out
        when cancelled_on > ends_on + 1 and not coalesce(renews, false) then 'voluntary'
        else coalesce(cancel_kind, 'voluntary')
    end as end_kind,
    period_amount as period_amount,
    agreed_amount as agreed_amount,
    currency as currency,
    billing_period_days as billing_period_days
from known
