-- kind:    score
-- purpose: How far did the columns move between earlier nights that lay about as many days apart?
-- grain:   as_of, column_name
-- reads:   scores.drift
-- columns:
--   as_of          the later night of the two
--   column_name    column of scores.customer_scores
--   psi            population stability index
select
    as_of as as_of,
    column_name as column_name,
    psi as psi
from scores.drift
where
    as_of < cast($as_of as date)
    -- between half and twice as many days
    and 2 * (as_of - compared_with) >= cast($gap_days as integer)
    and as_of - compared_with <= 2 * cast($gap_days as integer)
order by as_of, column_name
