-- kind:    facts
-- purpose: Who wants no marketing on a channel, as of as_of?  The one rule of consent: the last word on the
--          channel is no, or the last word on every channel that was spoken of is.
-- grain:   customer_id
-- reads:   facts.last_consents_before
-- columns:
--   customer_id    canonical customer
select customer_id as customer_id
from facts.last_consents_before($as_of, _known_at := $known_at)
group by customer_id
having coalesce(bool_or(not is_granted) filter (where channel = $channel), false) or not bool_or(is_granted)
