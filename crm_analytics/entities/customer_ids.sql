-- kind:    entities
-- purpose: Which source records stand under the key of another one, as known at known_at?  All others are
--          customers of their own: system:id.
-- grain:   source_system, source_id
-- reads:   entities.identity
-- columns:
--   source_system    system of the source record
--   source_id        its id there
--   customer_id      canonical customer
with last_words as (
    select
        source_system,
        source_id,
        customer_id
    from entities.identity
    where $known_at is null or recorded_at <= cast($known_at as timestamptz)
    -- the order in which it was said: a clock may have been ahead, or a day given that is past
    qualify row_number() over (
        partition by source_system, source_id
        order by change_number desc
    ) = 1
)

select
    source_system as source_system,
    source_id as source_id,
    customer_id as customer_id
from last_words
where customer_id <> source_system || ':' || source_id
