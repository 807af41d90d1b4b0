-- kind:    statement
-- purpose: Which different purchase histories are in a table of summaries (clv_summary), and in which order?
-- grain:   frequency, recency, T
-- reads:   none
-- columns:
--   pattern_number    0, 1, ... in ascending order of the others
--   frequency         days with a purchase after the first such day
--   recency           days from the first to the last purchase day
--   T                 days from the first purchase day to the last observed day
select
    row_number() over (order by frequency, "T", recency) - 1 as pattern_number,
    frequency as frequency,
    recency as recency,
    "T" as "T"
from clv_summary
group by frequency, recency, "T"
