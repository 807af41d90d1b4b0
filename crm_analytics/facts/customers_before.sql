-- kind:    facts
-- purpose: Which customers were known or active before as_of?
-- grain:   customer_id
-- reads:   entities.customers_at, entities.consents_known, facts.orders_before, facts.contracts_before,
--          facts.tickets_before
-- columns:
--   customer_id            canonical customer
--   source_system          system of the leading source record
--   source_id              its id there
--   type                   person or organisation
--   country                country of the main address
--   acquisition_channel    how the customer was won
--   created_on             business day on which the source created the record
--   first_seen_on          first day on which anything is known: record, order, contract or ticket
--   owner_source_id        user who looks after the customer, as the last version before as_of says
--   is_excluded            test or internal record: counted nowhere
--   has_opted_out          the last word before as_of on every marketing channel is no
with records as (
    select
        source_system || ':' || source_id as customer_id,
        type,
        country,
        acquisition_channel,
        cast(created_at as date) as created_on,
        case
            when created_at is not null then cast(created_at as date)
            when is_held then cast(valid_from as date)
        end as known_on,
        case when is_held then owner_source_id end as owner_source_id,
        coalesce(is_test, false) or coalesce(is_internal, false) as is_excluded
    from entities.customers_at($as_of, _known_at := $known_at)
),

appearances as (
    select customer_id, known_on as seen_on from records where known_on < cast($as_of as date)
    union all
    select customer_id, ordered_on from facts.orders_before($as_of, _known_at := $known_at)
    where customer_id is not null
    union all
    select customer_id, started_on from facts.contracts_before($as_of, _known_at := $known_at)
    union all
    select customer_id, opened_on from facts.tickets_before($as_of, _known_at := $known_at)
    where customer_id is not null
),

seen as (
    select customer_id, min(seen_on) as first_seen_on from appearances group by customer_id
),

last_words as (
    select
        source_system || ':' || customer_source_id as customer_id,
        is_granted
    from entities.consents_known(_known_at := $known_at)
    where occurred_on < cast($as_of as date)
    qualify row_number() over (
        partition by source_system, customer_source_id, channel
        order by occurred_at desc, recorded_at desc, row_id desc
    ) = 1
),

opt_outs as (
    select customer_id, not bool_or(is_granted) as has_opted_out from last_words group by customer_id
)

select
    seen.customer_id as customer_id,
    split_part(seen.customer_id, ':', 1) as source_system,
    substr(seen.customer_id, instr(seen.customer_id, ':') + 1) as source_id,
    records.type as type,
    records.country as country,
    records.acquisition_channel as acquisition_channel,
    case when records.created_on < cast($as_of as date) then records.created_on end as created_on,
    seen.first_seen_on as first_seen_on,
    records.owner_source_id as owner_source_id,
    coalesce(records.is_excluded, false) as is_excluded,
    coalesce(opt_outs.has_opted_out, false) as has_opted_out
from seen
left join records on records.customer_id = seen.customer_id
left join opt_outs on opt_outs.customer_id = seen.customer_id
