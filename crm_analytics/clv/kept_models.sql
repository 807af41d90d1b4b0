-- kind:    score
-- purpose: Which fitted models did the night of as_of keep?
-- grain:   part
-- reads:   scores.fitted_models
-- columns:
--   part        purchases or spend
--   model       name of the model
--   fallback    why a cautious mean stands in for a fit; empty = fitted
--   content     the model as JSON
select
    part as part,
    model as model,
    fallback as fallback,
    content as content
from scores.fitted_models
where as_of = cast($as_of as date)
order by part
