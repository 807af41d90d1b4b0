-- kind:    label
-- purpose: Which customers with a running contract at as_of have none any more at the end of the horizon?
-- grain:   customer_id
-- reads:   facts.contracts_before, facts.customers_before
-- columns:
--   customer_id    canonical customer
--   churned        1 = every contract ended or was not renewed by as_of + horizon_days, and no other began
--   churn_kind     involuntary = the contract that ended last was cancelled by us (unpaid, for example);
--                  voluntary = cancelled by the customer, or let run out; NULL = stayed
with running as (
    select distinct customer_id
    from facts.contracts_before($as_of, _known_at := $known_at)
    where is_active and customer_id is not null
),

-- what is told of the contracts by the end of the window
later as (
    select
        customer_id,
        contract_id,
        is_active,
        end_kind,
        ended_on
    from facts.contracts_before(
        cast(cast($as_of as date) + cast($horizon_days as integer) as date), _known_at := $known_at
    )
),

stayed as (
    select distinct customer_id from later where is_active
),

last_ends as (
    select customer_id, end_kind
    from later
    where not is_active
    qualify row_number() over (partition by customer_id order by ended_on desc, contract_id desc) = 1
),

-- test and internal records are counted nowhere
excluded as (
    select customer_id from facts.customers_before($as_of, _known_at := $known_at) where is_excluded
)

select
    running.customer_id as customer_id,
    case when stayed.customer_id is null then 1 else 0 end as churned,
    case
        when stayed.customer_id is not null then null
        -- a contract that vanished from what is told was let run out
        else coalesce(last_ends.end_kind, 'voluntary')
    end as churn_kind
from running
anti join excluded on excluded.customer_id = running.customer_id
left join stayed on stayed.customer_id = running.customer_id
left join last_ends on last_ends.customer_id = running.customer_id
