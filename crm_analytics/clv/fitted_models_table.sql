-- kind:    table
-- purpose: Which fitted models valued the customers, night by night?
-- grain:   as_of, part
-- reads:   none
-- columns:
--   as_of       first day not seen
--   part        purchases or spend
--   model       name of the model
--   fallback    why a cautious mean stands in for a fit; empty = fitted
--   content     parameters (time in days), covariance of their logarithms, verdict and versions, as JSON
create table if not exists scores.fitted_models (
    as_of date not null,
    part varchar not null,
    model varchar not null,
    fallback varchar not null,
    content varchar not null
)
