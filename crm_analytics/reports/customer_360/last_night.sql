-- kind:    kpi
-- purpose: Which is the last night of which scores are kept?
-- grain:   none
-- reads:   scores.customer_scores
-- columns:
--   as_of    first day that night did not see; NULL = there was none
select max(s.as_of) as as_of
from scores.customer_scores as s
