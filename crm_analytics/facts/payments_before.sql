-- kind:    facts
-- purpose: Which payments were asked for before as_of, and were they made in time by then?
-- grain:   payment_id
-- reads:   entities.customer_ids, entities.payments_known, facts.daily_rates_before, ops.settings
-- columns:
--   payment_id      payment, as system:id
--   customer_id     canonical customer
--   requested_on    business day on which payment was asked for
--   due_on          last day for payment in time
--   paid_on         day of payment, when before as_of
--   amount          amount, reporting currency; NULL = no rate
--   days_late       days after due_on until payment, or until as_of while unpaid; 0 = in time; NULL = no due day
with reporting as (
    select max(value) as currency from ops.settings where name = 'reporting_currency'
)

select
    e.source_system || ':' || e.source_id as payment_id,
    coalesce(ids.customer_id, e.source_system || ':' || e.customer_source_id) as customer_id,
    e.occurred_on as requested_on,
    e.due_on as due_on,
    case when e.paid_on < cast($as_of as date) then e.paid_on end as paid_on,
    cast(
        cast(e.amount as decimal(38, 4)) * case when e.currency = reporting.currency then 1 else r.rate end as decimal(18, 4)
    ) as amount,
    case
        when e.due_on is not null
            then greatest(
                0,
                date_diff(
                    'day',
                    e.due_on,
                    case when e.paid_on < cast($as_of as date) then e.paid_on else cast($as_of as date) - 1 end
                )
            )
    end as days_late
from entities.payments_known(_known_at := $known_at) as e
left join entities.customer_ids(_known_at := $known_at) as ids
    on ids.source_system = e.source_system and ids.source_id = e.customer_source_id
cross join reporting
left join facts.daily_rates_before($as_of, _known_at := $known_at) as r
    on r.currency = e.currency and r.priced_on = e.occurred_on
where e.occurred_on < cast($as_of as date)
