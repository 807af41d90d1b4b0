-- kind:    statement
-- purpose: Which customer is a source record now, and which other records are the same one?
-- grain:   source_system, source_id
-- reads:   entities.identity
-- columns:
--   source_system    system of a source record of the customer
--   source_id        its id there
--   customer_id      canonical customer, the same in every row
with asked as (
    select customer_id
    from entities.identity
    where source_system = $source_system and source_id = $source_id
    qualify row_number() over (order by change_number desc) = 1
),

named as (
    select coalesce((select customer_id from asked), $source_system || ':' || $source_id) as customer_id
),

-- whatever stood under the customer at some time; its last word decides
touched as (
    select distinct i.source_system, i.source_id
    from entities.identity as i
    semi join named on named.customer_id = i.customer_id
),

last_words as (
    select i.source_system, i.source_id, i.customer_id
    from entities.identity as i
    semi join touched on touched.source_system = i.source_system and touched.source_id = i.source_id
    qualify row_number() over (
        partition by i.source_system, i.source_id
        order by i.change_number desc
    ) = 1
)

select
    last_words.source_system as source_system,
    last_words.source_id as source_id,
    last_words.customer_id as customer_id
from last_words
semi join named on named.customer_id = last_words.customer_id
union
select
    split_part(named.customer_id, ':', 1),
    substr(named.customer_id, instr(named.customer_id, ':') + 1),
    named.customer_id
from named
order by source_system, source_id
