-- kind:    kpi
-- purpose: Through which states did the customer come, as the nights until as_of saw it?
-- grain:   lifecycle_state, since_on
-- reads:   scores.lifecycle
-- columns:
--   lifecycle_state    prospect, new, active, at_risk, lapsed or won_back; defined in segmentation/lifecycle.sql
--   since_on           day on which the state began
--   first_night_on     as_of of the first night that saw it
--   last_night_on      as_of of the last night that saw it
--   usual_gap_days     days that usually pass until the next purchase, as of that night; NULL = has never bought
-- record_ids: keys of all records that are the customer today, since a night names its customers by the keys of its
-- day. Where a night held several of them, the one counts who had bought, then the one whose state is younger.
with nights as (
    select s.as_of, s.lifecycle_state, s.since_on, s.usual_gap_days
    from scores.lifecycle as s
    where s.as_of <= cast($as_of as date) and s.customer_id in (select unnest(cast($record_ids as varchar[])))
    qualify row_number() over (
        partition by s.as_of
        order by s.usual_gap_days is null, s.since_on desc, s.customer_id
    ) = 1
)

select
    s.lifecycle_state as lifecycle_state,
    s.since_on as since_on,
    min(s.as_of) as first_night_on,
    max(s.as_of) as last_night_on,
    arg_max(s.usual_gap_days, s.as_of) as usual_gap_days
from nights as s
group by s.lifecycle_state, s.since_on
order by last_night_on, since_on, lifecycle_state
