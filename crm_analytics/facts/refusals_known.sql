-- kind:    facts
-- purpose: Who must get no marketing on a channel when a list of as_of goes out?  The one rule of consent for all that
--          leaves the house (calls, offers, win-back, audiences of rules): marketing is refused on the channel, or on
--          every channel that was spoken of.
-- grain:   customer_id
-- reads:   facts.last_consents
-- columns:
--   customer_id          canonical customer
--   is_refused_always    refused on every channel that was spoken of
-- Every refusal counts that is known when the list is made, whatever its day: one of the day as_of or later is in time
-- for what is sent tonight, while a grant counts from the day after it. So this is the one fact that looks past as_of.
-- No feature, label or score may read it: those take facts.last_consents(..., false).
select
    customer_id as customer_id,
    not bool_or(is_granted) as is_refused_always
from facts.last_consents($as_of, true, _known_at := $known_at)
group by customer_id
having coalesce(bool_or(not is_granted) filter (where channel = $channel), false) or not bool_or(is_granted)
