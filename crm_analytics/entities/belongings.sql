-- kind:    entities
-- purpose: Which record belongs to which other, where a relation apart from both says so (held before as_of,
--          or first told after it)?
-- grain:   row_id
-- reads:   entities.relations_at, ops.repeats, ops.withdrawals
-- columns:
--   row_id           identity of the relation
--   entity           entity of the record
--   source_system    system of both
--   source_id        id of the record
--   of_entity        entity of what it belongs to: customers, contacts or opportunities
--   of_source_id     its id; NULL = only its name is told
--   of_name          name of the customer as written; NULL = an id is told, or nothing any more
--   is_primary       the source calls it the main one of several
--   is_held          told before as_of
--   told_at          when this was first received
--   place_told       1 = of the record's relations the last told; equal where nothing tells them apart
with said_again as (
    select version_load_id, version_record_number, row_part, max(recorded_at) as said_at
    from ops.repeats
    anti join (
        select load_id
        from ops.withdrawals
        where $known_at is null or withdrawn_at <= cast($known_at as timestamptz)
    ) as withdrawn using (load_id)
    where entity = 'relations'
        and recorded_at < cast(cast($as_of as date) as timestamptz)
        and ($known_at is null or recorded_at <= cast($known_at as timestamptz))
    group by all
),

records as (
    select
        told.*, greatest(told.recorded_at, said_again.said_at) as last_said_at,
        case
            when interaction_source_id is not null then 'interactions'
            when task_source_id is not null then 'tasks'
            when ticket_source_id is not null then 'tickets'
            when opportunity_source_id is not null then 'opportunities'
            when contact_source_id is not null then 'contacts'
        end as entity,
        coalesce(
            interaction_source_id, task_source_id, ticket_source_id, opportunity_source_id, contact_source_id
        ) as source_id
    from entities.relations_at($as_of, _known_at := $known_at) as told
    left join said_again
        on said_again.version_load_id = told.load_id
        and said_again.version_record_number = told.record_number
        and said_again.row_part = cast(told.row_id & 4294967295 as uinteger)
),

-- since when its kind holds: relations of several kinds come in tables of their own, and which of these was
-- written last says nothing
of_kinds as (
    select
        *,
        max(valid_from) over (partition by entity, source_system, source_id, kind, is_held) as kind_from
    from records
    where entity is not null
)

select
    row_id as row_id,
    entity as entity,
    source_system as source_system,
    source_id as source_id,
    case
        when customer_source_id is not null or customer_name is not null then 'customers'
        when contact_source_id is not null and entity <> 'contacts' then 'contacts'
        when opportunity_source_id is not null and entity <> 'opportunities' then 'opportunities'
        else 'customers'
    end as of_entity,
    case
        when customer_source_id is not null or customer_name is not null then customer_source_id
        when contact_source_id is not null and entity <> 'contacts' then contact_source_id
        when opportunity_source_id is not null and entity <> 'opportunities' then opportunity_source_id
    end as of_source_id,
    case when customer_source_id is null then customer_name end as of_name,
    coalesce(is_primary, false) as is_primary,
    is_held as is_held,
    recorded_at as told_at,
    -- of what is only told later, the first
    rank() over (
        partition by entity, source_system, source_id
        order by
            is_held desc,
            case when is_held then kind_from end desc nulls last,
            case when is_held then last_said_at end desc nulls last,
            case when is_held then valid_from end desc nulls last,
            valid_from
    ) as place_told
from of_kinds
