-- kind:    table
-- purpose: How far did each column of the customers' scores move since the published night before, night by night?
-- grain:   as_of, column_name
-- reads:   none
-- columns:
--   as_of             first day not seen
--   column_name       column of scores.customer_scores
--   compared_with     as_of of the published night before
--   psi               population stability index, 0 = the same distribution
--   chance_limit      only one unchanged comparison in a thousand exceeds it, for these customers
--   usual_limit       the same for comparisons of earlier nights; NULL = too few of them
--   p_value           share of unchanged comparisons as far apart
--   q_value           the same after Benjamini and Hochberg, over the columns of the night
--   superiority       chance that a customer now has more than one then, 0..1; NULL = a category
--   typical_before    median then; NULL = a category, or nothing known
--   typical_now       median now
--   verdict           unchanged, slight, clear or large
--   told              the change in words
create table if not exists scores.drift (
    as_of date not null,
    column_name varchar not null,
    compared_with date not null,
    psi double not null,
    chance_limit double not null,
    usual_limit double,
    p_value double not null,
    q_value double not null,
    superiority double,
    typical_before double,
    typical_now double,
    verdict varchar not null,
    told varchar not null
)
