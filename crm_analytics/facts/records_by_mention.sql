-- kind:    statement
-- purpose: Which systems name a customer of this id, though none may have described them?
-- grain:   source_system
-- reads:   entities.campaign_members_versions, entities.consents_versions, entities.contacts_versions,
--          entities.contracts_versions, entities.feedback_versions, entities.interactions_versions,
--          entities.leads_versions, entities.opportunities_versions, entities.order_lines_versions,
--          entities.orders_versions, entities.payments_versions, entities.relations_versions,
--          entities.returns_versions, entities.tasks_versions, entities.tickets_versions
-- columns:
--   source_system    system that names the id
select source_system as source_system
from entities.order_lines_versions
where customer_source_id = $source_id
union
select source_system from entities.orders_versions where customer_source_id = $source_id
union
select source_system from entities.tickets_versions where customer_source_id = $source_id
union
select source_system from entities.opportunities_versions where customer_source_id = $source_id
union
select source_system from entities.contracts_versions where customer_source_id = $source_id
union
select source_system from entities.payments_versions where customer_source_id = $source_id
union
select source_system from entities.interactions_versions where customer_source_id = $source_id
union
select source_system from entities.campaign_members_versions where customer_source_id = $source_id
union
select source_system from entities.relations_versions where customer_source_id = $source_id
union
select source_system from entities.consents_versions where customer_source_id = $source_id
union
select source_system from entities.contacts_versions where customer_source_id = $source_id
union
select source_system from entities.feedback_versions where customer_source_id = $source_id
union
select source_system from entities.returns_versions where customer_source_id = $source_id
union
select source_system from entities.tasks_versions where customer_source_id = $source_id
union
select source_system from entities.leads_versions where converted_customer_source_id = $source_id
order by source_system
