-- kind:    score
-- purpose: In which segment was each customer from which kept night to which?
-- grain:   customer_id, segment, entered_on
-- reads:   facts.segments_of_nights, scores.segment_sizes
-- columns:
--   customer_id    canonical customer, under today's key
--   segment        name
--   entered_on     as_of of the first night of the stay
--   left_on        as_of of the first kept night after it; NULL = still there on the last night before as_of
--   night_count    kept nights of the stay
-- segmentation says which kind of segment: rfm, lifecycle, clusters or rules. Only nights up to as_of count. A rule
-- whose text was changed under the same name is another segment: a new stay begins that night.
with kept as (
    select
        nights.as_of as as_of,
        nights.customer_id as customer_id,
        nights.segment as segment,
        sizes.rule as rule
    from facts.segments_of_nights($as_of, $segmentation) as nights
    left join scores.segment_sizes as sizes
        on $segmentation = 'rules' and sizes.as_of = nights.as_of and sizes.segment = nights.segment
),

-- a night on which no rule found anybody is a night too
all_nights as (
    select distinct as_of from kept
    union
    select distinct as_of from scores.segment_sizes where $segmentation = 'rules'
),

nights as (
    select as_of, row_number() over (order by as_of) as night_number
    from all_nights
    where as_of <= cast($as_of as date)
),

-- nights in a row keep the same distance from their own numbering
numbered as (
    select
        kept.customer_id as customer_id,
        kept.segment as segment,
        kept.rule as rule,
        kept.as_of as as_of,
        nights.night_number as night_number,
        nights.night_number
            - row_number() over (
                partition by kept.customer_id, kept.segment, kept.rule
                order by nights.night_number
            ) as island
    from kept
    join nights on nights.as_of = kept.as_of
),

islands as (
    select
        customer_id,
        segment,
        min(as_of) as entered_on,
        max(night_number) as last_number,
        count(*) as night_count
    from numbered
    group by customer_id, segment, rule, island
)

select
    islands.customer_id as customer_id,
    islands.segment as segment,
    islands.entered_on as entered_on,
    nights.as_of as left_on,
    islands.night_count as night_count
from islands
left join nights on nights.night_number = islands.last_number + 1
order by customer_id, entered_on, segment
