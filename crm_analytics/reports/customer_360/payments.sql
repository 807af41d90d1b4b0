-- kind:    kpi
-- purpose: What was the customer asked to pay, and when did they?
-- grain:   payment_id
-- reads:   facts.payments_before
-- columns:
--   payment_id      payment, as system:id
--   customer_id     canonical customer
--   requested_on    business day on which payment was asked for
--   due_on          last day for payment in time
--   paid_on         day of payment, when before as_of
--   amount          amount, reporting currency; NULL = no rate
--   days_late       days after due_on until payment, or until as_of while unpaid; 0 = in time; NULL = no due day
select
    f.payment_id as payment_id,
    f.customer_id as customer_id,
    f.requested_on as requested_on,
    f.due_on as due_on,
    f.paid_on as paid_on,
    f.amount as amount,
    f.days_late as days_late
from facts.payments_before($as_of) as f
where f.customer_id = $customer_id
order by requested_on, payment_id
