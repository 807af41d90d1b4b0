-- kind:    statement
-- purpose: Since which night is each of tonight's members in its segment without a break?
-- grain:   segment, member_id
-- reads:   facts.segments_of_nights, scores.lead_segments, scores.segment_sizes
-- columns:
--   segment        name of the rule
--   member_id      customer or lead
--   entered_on     as_of of the first night of this stay
-- Tonight's members are handed over as the table tonight (segment, rule, member_id). A rule whose text is another
-- than the night before asks something else: all its members are new.
with last_night as (
    select max(as_of) as as_of from scores.segment_sizes where as_of < cast($as_of as date)
),

before as (
    select r.segment, r.customer_id as member_id, r.entered_on
    from facts.segments_of_nights($as_of, 'rules') as r
    join last_night on last_night.as_of = r.as_of
    union all
    select l.segment, l.lead_id, l.entered_on
    from scores.lead_segments as l
    join last_night on last_night.as_of = l.as_of
),

asked_before as (
    select s.segment, s.rule
    from scores.segment_sizes as s
    join last_night on last_night.as_of = s.as_of
)

select
    tonight.segment as segment,
    tonight.member_id as member_id,
    case
        when asked_before.segment is null then cast($as_of as date)
        else coalesce(before.entered_on, cast($as_of as date))
    end as entered_on
from tonight
left join before on before.segment = tonight.segment and before.member_id = tonight.member_id
left join asked_before on asked_before.segment = tonight.segment and asked_before.rule = tonight.rule
order by segment, member_id
