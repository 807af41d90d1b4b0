-- kind:    facts
-- purpose: Which customers were known or active before as_of?
-- grain:   customer_id
-- reads:   entities.customers_at, entities.customer_ids, facts.last_consents, facts.orders_before,
--          facts.contracts_before, facts.tickets_before
-- columns:
--   customer_id            canonical customer
--   source_system          system of the leading source record: the one whose key is the customer's
--   source_id              its id there
--   type                   person or organisation
--   country                country of the main address
--   acquisition_channel    how the customer was won
--   created_on             business day on which the source created the record
--   first_seen_on          first day on which anything is known: record, order, contract or ticket
--   owner_source_id        user who looks after the customer, as the last version before as_of says
--   is_excluded            test or internal record: counted nowhere
--   excluded_as            test record or internal record; NULL = not excluded
--   has_opted_out          the last word before as_of on every marketing channel is no
with described as (
    select
        coalesce(ids.customer_id, e.source_system || ':' || e.source_id) as customer_id,
        e.source_system || ':' || e.source_id as record_id,
        e.is_held as is_held,
        case when e.is_held then e.valid_from end as held_from,
        e.type as type,
        e.country as country,
        e.street is null as lacks_street,
        e.acquisition_channel as acquisition_channel,
        case when e.created_at < cast(cast($as_of as date) as timestamptz) then cast(e.created_at as date) end
            as created_on,
        case
            when e.created_at is not null then cast(e.created_at as date)
            when e.is_held then cast(e.valid_from as date)
        end as known_on,
        case when e.is_held then e.owner_source_id end as owner_source_id,
        -- a flag that was first told later is no knowledge of this day; a record without any time has none other
        case
            when not (e.is_held or (e.created_at is null and e.modified_at is null)) then null
            when e.is_test then 'test record'
            when e.is_internal then 'internal record'
        end as excluded_as
    from entities.customers_at($as_of, _known_at := $known_at) as e
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system = e.source_system and ids.source_id = e.source_id
),

shared as (
    select distinct customer_id from entities.customer_ids(_known_at := $known_at)
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id order by is_held desc, held_from desc nulls last, record_id
        ) as newest,
        row_number() over (partition by customer_id order by created_on nulls last, record_id) as earliest
    from described
    semi join shared using (customer_id)
),

-- of several source records the newest word holds (for the address, the newest with a street); how the
-- customer was won is the first one's to say
records as (
    select
        customer_id,
        type,
        country,
        acquisition_channel,
        created_on,
        known_on,
        owner_source_id,
        excluded_as
    from described
    anti join shared using (customer_id)
    union all
    select
        customer_id,
        arg_min(type, newest),
        arg_min(country, newest + case when lacks_street then 1000000 else 0 end),
        arg_min(acquisition_channel, earliest),
        min(created_on),
        min(known_on),
        arg_min(owner_source_id, newest),
        max(excluded_as)
    from ranked
    group by customer_id
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

opt_outs as (
    select customer_id, not bool_or(is_granted) as has_opted_out
    from facts.last_consents($as_of, false, _known_at := $known_at)
    group by customer_id
)

select
    seen.customer_id as customer_id,
    split_part(seen.customer_id, ':', 1) as source_system,
    substr(seen.customer_id, instr(seen.customer_id, ':') + 1) as source_id,
    records.type as type,
    records.country as country,
    records.acquisition_channel as acquisition_channel,
    records.created_on as created_on,
    seen.first_seen_on as first_seen_on,
    records.owner_source_id as owner_source_id,
    records.excluded_as is not null as is_excluded,
    records.excluded_as as excluded_as,
    coalesce(opt_outs.has_opted_out, false) as has_opted_out
from seen
left join records on records.customer_id = seen.customer_id
left join opt_outs on opt_outs.customer_id = seen.customer_id
