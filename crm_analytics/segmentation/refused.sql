-- kind:    statement
-- purpose: Who must not be in a segment that is written to or called on a channel?
-- grain:   member_id
-- reads:   facts.refusals_known
-- columns:
--   member_id    customer or lead
select customer_id as member_id
from facts.refusals_known($as_of, $channel)
order by member_id
