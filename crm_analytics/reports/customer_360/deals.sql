-- kind:    kpi
-- purpose: Which deals are there with the customer, and how far have they come?
-- grain:   opportunity_id
-- reads:   facts.opportunities_before
-- columns:
--   opportunity_id     deal, as system:id
--   customer_id        canonical customer
--   name               title of the deal
--   created_on         business day on which it was created; NULL = the source does not say
--   stage              last stage entered before as_of; NULL = no stage history
--   stage_kind         open, won or lost at as_of: from the stage history, else from the closing day
--   amount             value at as_of, reporting currency: from the stage history, else from the last version that held before as_of; NULL = unknown then, or no rate
--   closed_on          day of winning or losing, when before as_of
--   owner_source_id    salesperson in the source
--   source_amount      the same value as the source states it, in `currency`; NULL = unknown then
--   currency           ISO 4217 code of source_amount; NULL = the source tells none
select
    f.opportunity_id as opportunity_id,
    f.customer_id as customer_id,
    f.name as name,
    f.created_on as created_on,
    f.stage as stage,
    f.stage_kind as stage_kind,
    f.amount as amount,
    f.closed_on as closed_on,
    f.owner_source_id as owner_source_id,
    f.source_amount as source_amount,
    f.currency as currency
from facts.opportunities_before($as_of) as f
where f.customer_id = $customer_id
order by created_on nulls first, opportunity_id
