-- kind:    features
-- purpose: What has serving each customer cost before as_of, besides the goods?
-- grain:   customer_id
-- reads:   facts.campaign_contacts_before, facts.campaign_costs_before, facts.tickets_before
-- columns:
--   customer_id      canonical customer with a ticket, or addressed by a campaign whose cost is known
--   ticket_count     tickets opened
--   campaign_cost    share of the campaigns that addressed the customer, reporting currency
with members as (
    select
        campaign_id,
        customer_id
    from facts.campaign_contacts_before($as_of)
    where not is_control
),

-- everybody addressed carries the same share, leads too
shares as (
    select
        costs.campaign_id as campaign_id,
        costs.cost_amount / cast(count(*) as decimal(38, 4)) as share
    from facts.campaign_costs_before($as_of) as costs
    join members on members.campaign_id = costs.campaign_id
    where costs.cost_amount is not null
    group by costs.campaign_id, costs.cost_amount
),

costs as (
    select
        members.customer_id as customer_id,
        cast(0 as bigint) as ticket_count,
        cast(shares.share as decimal(38, 4)) as campaign_cost
    from members
    join shares on shares.campaign_id = members.campaign_id
    where members.customer_id is not null
    union all
    select
        customer_id,
        cast(1 as bigint),
        cast(0 as decimal(38, 4))
    from facts.tickets_before($as_of)
    where customer_id is not null
)

select
    customer_id as customer_id,
    cast(sum(ticket_count) as bigint) as ticket_count,
    cast(sum(campaign_cost) as decimal(38, 4)) as campaign_cost
from costs
group by customer_id
order by customer_id
