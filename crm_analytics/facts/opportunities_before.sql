-- kind:    facts
-- purpose: Which deals were there before as_of, in which stage were they then, and what were they worth?
-- grain:   opportunity_id
-- reads:   entities.customer_ids, entities.customers_of, entities.opportunities_at,
--          entities.opportunity_stages_known, facts.last_rates_before
-- columns:
--   opportunity_id     deal, as system:id
--   customer_id        canonical customer
--   name               title of the deal
--   created_on         business day on which it was created; NULL = the source does not say
--   stage              last stage entered before as_of; NULL = no stage history
--   stage_kind         open, won or lost at as_of: from the stage history, else from the closing day
--   amount             value at as_of, reporting currency: from the stage history, else from the last
--                      version that held before as_of; NULL = unknown then, or no rate
--   closed_on          day of winning or losing, when before as_of
--   owner_source_id    salesperson in the source
--   source_amount      the same value as the source states it, in `currency`; NULL = unknown then
--   currency           ISO 4217 code of source_amount; NULL = the source tells none
with last_stages as (
    select
        source_system,
        opportunity_source_id,
        stage,
        stage_kind,
        amount,
        currency
    from entities.opportunity_stages_known(_known_at := $known_at)
    where occurred_on < cast($as_of as date)
    qualify row_number() over (
        partition by source_system, opportunity_source_id
        order by occurred_at desc, recorded_at desc, row_id desc
    ) = 1
),

cut as (
    select
        o.source_system || ':' || o.source_id as opportunity_id,
        coalesce(
            ids.customer_id,
            o.source_system || ':' || coalesce(o.customer_source_id, related.customer_source_id)
        ) as customer_id,
        o.name as name,
        cast(o.created_at as date) as created_on,
        s.stage as stage,
        case when o.closed_on < cast($as_of as date) then o.closed_on end as closed_on,
        case when o.closed_on < cast($as_of as date) then o.stage_kind end as closed_kind,
        s.stage_kind as last_kind,
        coalesce(s.amount, case when o.is_held then o.amount end) as amount,
        coalesce(s.currency, o.currency) as currency,
        o.owner_source_id as owner_source_id
    from entities.opportunities_at($as_of, _known_at := $known_at) as o
    left join last_stages as s
        on s.source_system = o.source_system and s.opportunity_source_id = o.source_id
    left join entities.customers_of($as_of, _known_at := $known_at) as related
        on related.entity = 'opportunities'
        and related.source_system = o.source_system
        and related.source_id = o.source_id
    left join entities.customer_ids(_known_at := $known_at) as ids
        on ids.source_system = o.source_system
        and ids.source_id = coalesce(o.customer_source_id, related.customer_source_id)
    -- a deal of which no beginning is known is there from the version on that told of it
    where o.created_at < cast(cast($as_of as date) as timestamptz) or (o.created_at is null and o.is_held)
)

select
    cut.opportunity_id as opportunity_id,
    cut.customer_id as customer_id,
    cut.name as name,
    cut.created_on as created_on,
    cut.stage as stage,
    coalesce(cut.last_kind, cut.closed_kind, 'open') as stage_kind,
    cast(
        cast(cut.amount as decimal(38, 4)) * r.rate as decimal(18, 4)
    ) as amount,
    cut.closed_on as closed_on,
    cut.owner_source_id as owner_source_id,
    cut.amount as source_amount,
    cut.currency as currency
from cut
left join facts.last_rates_before($as_of, _known_at := $known_at) as r on r.currency = cut.currency
