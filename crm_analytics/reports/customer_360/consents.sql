-- kind:    kpi
-- purpose: What may we send the customer, and what was decided when?
-- grain:   consent_id
-- reads:   facts.consents_before
-- columns:
--   consent_id     identity of the decision
--   customer_id    canonical customer; of a contact person or lead their own key
--   channel        channel it is about
--   purpose        what for
--   decided_on     business day on which it was given or withdrawn
--   is_granted     given (true) or withdrawn (false)
--   is_last        the last word on this channel and purpose
select
    f.consent_id as consent_id,
    f.customer_id as customer_id,
    f.channel as channel,
    f.purpose as purpose,
    f.decided_on as decided_on,
    f.is_granted as is_granted,
    f.is_last as is_last
from facts.consents_before($as_of) as f
where f.customer_id = $customer_id
order by decided_on, consent_id
