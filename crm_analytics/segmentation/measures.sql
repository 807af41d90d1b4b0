-- kind:    features
-- purpose: What can a rule ask about a customer as of as_of?
-- grain:   customer_id
-- reads:   facts.customers_before, facts.customer_profiles_before, facts.last_consents, facts.order_days_before,
--          facts.order_lines_before, facts.products_before, facts.tickets_before, facts.feedback_before,
--          facts.interactions_before, facts.campaign_contacts_before, facts.contracts_before,
--          facts.payments_before, facts.opportunities_before, scores.rfm, scores.lifecycle, scores.clusters,
--          scores.clv, scores.churn, scores.contract_churn
-- columns:
--   customer_id                       canonical customer, test and internal ones left out
--   type                              person or organisation
--   country                           country of the main address
--   region                            state or province of the main address; this and what follows as the last
--                                     version before as_of says
--   city                              city of the main address
--   industry                          field of activity of an organisation
--   employee_count                    persons who work for an organisation
--   occupation                        job of a person
--   acquisition_channel               how the customer was won
--   owner_source_id                   user who looks after the customer
--   has_opted_out                     wants no marketing on any channel
--   has_refused_email                 wants no e-mails: the last word on this channel is no
--   has_refused_phone                 wants no calls
--   tenure_days                       days since the customer was first known of
--   first_ordered_on                  day of the first purchase; missing = has never bought
--   last_ordered_on                   day of the last purchase
--   days_since_first_order            days from the first purchase to the last day seen
--   days_since_last_order             days from the last purchase to the last day seen; missing = has never bought
--   order_count                       purchases
--   order_count_90_days               purchases in the last 90 days
--   order_count_365_days              purchases in the last 365 days
--   mean_gap_days                     mean days between purchase days; missing with fewer than two
--   net_spend                         money spent, net of returns, reporting currency
--   net_spend_90_days                 the same in the last 90 days
--   net_spend_365_days                the same in the last 365 days
--   net_spend_previous_365_days       the same in the 365 days before those
--   mean_order_amount                 net_spend per purchase
--   net_margin                        net_spend less cost of the goods; missing where a cost is unknown
--   margin_rate                       net_margin per unit of net_spend
--   high_margin_share                 share of what was ordered, by amount, that is high-margin products
--   returned_share                    returned amount per amount ordered
--   product_count                     different products bought
--   category_count                    different product categories bought
--   favourite_category                category with most money spent
--   favourite_category_share          its share of the money
--   favourite_brand                   brand with most money spent
--   favourite_brand_share             its share of the money
--   ticket_count_365_days             requests and complaints of the last 365 days
--   open_ticket_count                 of all, those not resolved
--   complaint_count_365_days          complaints of the last 365 days
--   longest_resolution_days           longest time to resolve a ticket of the last 365 days
--   satisfaction_rate                 mean answer to surveys and reviews of the last 365 days, 0 worst, 1 best
--   days_since_last_contact           days since the last call, visit, chat or message from the customer or to it
--   email_open_count_90_days          mails opened in the last 90 days
--   email_click_count_90_days         mails clicked in the last 90 days
--   web_visit_count_90_days           visits of the website in the last 90 days
--   campaign_count_365_days           campaigns that addressed the customer in the last 365 days
--   campaign_response_rate            share of them that the customer responded to
--   has_running_contract              a contract is running
--   contract_ends_in_days             days until the first running contract ends that does not renew by itself
--   overdue_amount                    money not paid in time and still not paid, reporting currency; NULL = of a part
--                                     there is no rate
--   late_payment_share                share of the payments of the last 365 days that came late
--   open_deal_count                   deals that are open
--   open_deal_amount                  what they are worth, reporting currency; NULL = a part has no amount or rate
--   r_score                           1 to 5, 5 = bought most recently; this night's, as all that follow
--   f_score                           1 to 5, 5 = bought most often
--   m_score                           1 to 5, 5 = spent most
--   segment                           RFM segment
--   lifecycle_state                   prospect, new, active, at_risk, lapsed or won_back
--   days_in_lifecycle_state           days since that state began
--   cluster_name                      behavioural cluster
--   probability_alive                 0 to 1, that the customer has not left for good
--   lifetime_revenue                  expected net spend in the value horizon, reporting currency
--   lifetime_value                    expected margin in the value horizon, reporting currency
--   churn_probability                 0 to 1, of no purchase in the churn horizon
--   risk_band                         low, medium or high
--   contract_churn_probability        0 to 1, that no contract runs any more at the end of the churn horizon
with customers as (
    select * from facts.customers_before($as_of) where not is_excluded
),

purchases as (
    select
        customer_id,
        min(case when is_purchase_day then ordered_on end) as first_ordered_on,
        max(case when is_purchase_day then ordered_on end) as last_ordered_on,
        count(case when is_purchase_day then 1 end) as day_count,
        cast(sum(order_count) as bigint) as order_count,
        cast(sum(case when ordered_on >= cast($as_of as date) - 90 then order_count else 0 end) as bigint)
            as order_count_90_days,
        cast(sum(case when ordered_on >= cast($as_of as date) - 365 then order_count else 0 end) as bigint)
            as order_count_365_days,
        -- a sum of which a part is unknown is unknown
        case when count(*) = count(net_spend) then sum(net_spend) end as net_spend,
        case
            when count(case when ordered_on >= cast($as_of as date) - 90 and net_spend is null then 1 end) = 0
                then sum(case when ordered_on >= cast($as_of as date) - 90 then net_spend else 0 end)
        end as net_spend_90_days,
        case
            when count(case when ordered_on >= cast($as_of as date) - 365 and net_spend is null then 1 end) = 0
                then sum(case when ordered_on >= cast($as_of as date) - 365 then net_spend else 0 end)
        end as net_spend_365_days,
        case
            when count(
                case
                    when ordered_on >= cast($as_of as date) - 730 and ordered_on < cast($as_of as date) - 365
                        and net_spend is null then 1
                end
            ) = 0
                then sum(
                    case
                        when ordered_on >= cast($as_of as date) - 730 and ordered_on < cast($as_of as date) - 365
                            then net_spend
                        else 0
                    end
                )
        end as net_spend_previous_365_days,
        case when count(*) = count(net_margin) then sum(net_margin) end as net_margin,
        sum(returned_amount) as returned_amount
    from facts.order_days_before($as_of)
    group by customer_id
),

-- what was ordered, returns left aside
bought as (
    select customer_id, product_id, sum(amount) as amount, sum(cost_amount) as cost_amount
    from facts.order_lines_before($as_of)
    where quantity > 0 and amount is not null and product_id is not null
    group by customer_id, product_id
),

margins as (
    select
        product_id,
        cast(sum(amount) - sum(cost_amount) as double) / cast(sum(amount) as double) as margin_rate
    from bought
    where cost_amount is not null
    group by product_id
    having sum(amount) > 0
),

-- a high-margin product earns at least high_margin_rate; without one, it is of the best third of all products
high_margin_products as (
    select product_id
    from margins
    where margin_rate >= coalesce(
        cast($high_margin_rate as double),
        (select quantile_cont(margin_rate, cast(2 as double) / cast(3 as double)) from margins)
    )
),

baskets as (
    select
        b.customer_id,
        count(*) as product_count,
        count(distinct p.category) as category_count,
        sum(b.amount) as amount,
        sum(case when m.product_id is not null then b.amount end) as costed_amount,
        sum(case when h.product_id is not null then b.amount else 0 end) as high_margin_amount
    from bought as b
    left join facts.products_before($as_of) as p on p.product_id = b.product_id
    left join margins as m on m.product_id = b.product_id
    left join high_margin_products as h on h.product_id = b.product_id
    where b.customer_id is not null
    group by b.customer_id
),

-- of all categories, and of all brands, the one with most money
favourites as (
    select customer_id, kind, name, sum(amount) as amount
    from (
        select
            b.customer_id as customer_id,
            unnest(['category', 'brand']) as kind,
            unnest([p.category, p.brand]) as name,
            b.amount as amount
        from bought as b
        join facts.products_before($as_of) as p on p.product_id = b.product_id
    )
    where name is not null
    group by customer_id, kind, name
    qualify row_number() over (partition by customer_id, kind order by sum(amount) desc, name) = 1
),

refusals as (
    select
        customer_id,
        bool_or(channel = 'email') as has_refused_email,
        bool_or(channel = 'phone') as has_refused_phone
    from facts.last_consents($as_of, false)
    where not is_granted
    group by customer_id
),

service as (
    select
        customer_id,
        count(case when opened_on >= cast($as_of as date) - 365 then 1 end) as ticket_count_365_days,
        count(case when not is_resolved then 1 end) as open_ticket_count,
        count(case when opened_on >= cast($as_of as date) - 365 and kind = 'complaint' then 1 end)
            as complaint_count_365_days,
        max(case when opened_on >= cast($as_of as date) - 365 then days_to_resolve end) as longest_resolution_days
    from facts.tickets_before($as_of)
    group by customer_id
),

answers as (
    select
        customer_id,
        cast(sum(cast(score_rate as decimal(18, 6))) as double) / cast(count(*) as double) as satisfaction_rate
    from facts.feedback_before($as_of)
    where score_rate is not null and occurred_on >= cast($as_of as date) - 365
    group by customer_id
),

contacts as (
    select
        customer_id,
        -- a mail that was sent is no contact, one that was opened is
        max(
            case
                when kind in ('call', 'visit', 'chat', 'sms') and direction is distinct from 'missed' then occurred_on
                when kind = 'email' and outcome in ('opened', 'clicked', 'answered') then occurred_on
            end
        ) as last_contact_on,
        count(case when kind = 'email' and outcome = 'opened' and occurred_on >= cast($as_of as date) - 90 then 1 end)
            as email_open_count_90_days,
        count(case when kind = 'email' and outcome = 'clicked' and occurred_on >= cast($as_of as date) - 90 then 1 end)
            as email_click_count_90_days,
        count(case when kind = 'web' and occurred_on >= cast($as_of as date) - 90 then 1 end)
            as web_visit_count_90_days
    from facts.interactions_before($as_of)
    group by customer_id
),

campaigns as (
    select
        customer_id,
        count(*) as campaign_count_365_days,
        cast(count(responded_on) as double) / cast(count(*) as double) as campaign_response_rate
    from facts.campaign_contacts_before($as_of)
    where not is_control and contacted_on >= cast($as_of as date) - 365
    group by customer_id
),

contracts as (
    select
        customer_id,
        bool_or(is_active) as has_running_contract,
        min(
            case
                when is_active and not coalesce(renews, false) and ends_on >= cast($as_of as date) - 1
                    then date_diff('day', cast($as_of as date), ends_on)
            end
        ) as contract_ends_in_days
    from facts.contracts_before($as_of)
    group by customer_id
),

payments as (
    select
        customer_id,
        case
            when count(case when paid_on is null and days_late > 0 and amount is null then 1 end) = 0
                then sum(case when paid_on is null and days_late > 0 then amount else 0 end)
        end as overdue_amount,
        cast(count(case when days_late > 0 and requested_on >= cast($as_of as date) - 365 then 1 end) as double)
            / nullif(
                cast(count(case when days_late is not null and requested_on >= cast($as_of as date) - 365 then 1 end)
                    as double),
                0
            ) as late_payment_share
    from facts.payments_before($as_of)
    group by customer_id
),

deals as (
    select
        customer_id,
        count(*) as open_deal_count,
        case when count(*) = count(amount) then sum(amount) end as open_deal_amount
    from facts.opportunities_before($as_of)
    where stage_kind = 'open'
    group by customer_id
),

rfm as (
    select * from scores.rfm where as_of = cast($as_of as date)
),

lifecycle as (
    select * from scores.lifecycle where as_of = cast($as_of as date)
),

clusters as (
    select * from scores.clusters where as_of = cast($as_of as date)
),

clv as (
    select * from scores.clv where as_of = cast($as_of as date)
),

churn as (
    select * from scores.churn where as_of = cast($as_of as date)
),

contract_churn as (
    select * from scores.contract_churn where as_of = cast($as_of as date)
)

select
    c.customer_id as customer_id,
    c.type as type,
    c.country as country,
    f.region as region,
    f.city as city,
    f.industry as industry,
    f.employee_count as employee_count,
    f.occupation as occupation,
    c.acquisition_channel as acquisition_channel,
    c.owner_source_id as owner_source_id,
    c.has_opted_out as has_opted_out,
    coalesce(r.has_refused_email, false) as has_refused_email,
    coalesce(r.has_refused_phone, false) as has_refused_phone,
    date_diff('day', c.first_seen_on, cast($as_of as date)) - 1 as tenure_days,
    p.first_ordered_on as first_ordered_on,
    p.last_ordered_on as last_ordered_on,
    date_diff('day', p.first_ordered_on, cast($as_of as date)) - 1 as days_since_first_order,
    date_diff('day', p.last_ordered_on, cast($as_of as date)) - 1 as days_since_last_order,
    coalesce(p.order_count, 0) as order_count,
    coalesce(p.order_count_90_days, 0) as order_count_90_days,
    coalesce(p.order_count_365_days, 0) as order_count_365_days,
    case
        when p.day_count > 1
            then cast(date_diff('day', p.first_ordered_on, p.last_ordered_on) as double)
                / cast(p.day_count - 1 as double)
    end as mean_gap_days,
    cast(case when p.customer_id is null then 0 else p.net_spend end as decimal(38, 4)) as net_spend,
    cast(case when p.customer_id is null then 0 else p.net_spend_90_days end as decimal(38, 4)) as net_spend_90_days,
    cast(case when p.customer_id is null then 0 else p.net_spend_365_days end as decimal(38, 4)) as net_spend_365_days,
    cast(case when p.customer_id is null then 0 else p.net_spend_previous_365_days end as decimal(38, 4))
        as net_spend_previous_365_days,
    case
        when p.order_count > 0 then cast(p.net_spend as double) / cast(p.order_count as double)
    end as mean_order_amount,
    cast(case when p.customer_id is null then 0 else p.net_margin end as decimal(38, 4)) as net_margin,
    case
        when p.net_spend > 0 then cast(p.net_margin as double) / cast(p.net_spend as double)
    end as margin_rate,
    case
        when b.costed_amount > 0 then cast(b.high_margin_amount as double) / cast(b.costed_amount as double)
    end as high_margin_share,
    case
        when b.amount > 0 then least(1, cast(p.returned_amount as double) / cast(b.amount as double))
    end as returned_share,
    coalesce(b.product_count, 0) as product_count,
    coalesce(b.category_count, 0) as category_count,
    fc.name as favourite_category,
    case when b.amount > 0 then cast(fc.amount as double) / cast(b.amount as double) end as favourite_category_share,
    fb.name as favourite_brand,
    case when b.amount > 0 then cast(fb.amount as double) / cast(b.amount as double) end as favourite_brand_share,
    coalesce(s.ticket_count_365_days, 0) as ticket_count_365_days,
    coalesce(s.open_ticket_count, 0) as open_ticket_count,
    coalesce(s.complaint_count_365_days, 0) as complaint_count_365_days,
    s.longest_resolution_days as longest_resolution_days,
    a.satisfaction_rate as satisfaction_rate,
    date_diff('day', t.last_contact_on, cast($as_of as date)) - 1 as days_since_last_contact,
    coalesce(t.email_open_count_90_days, 0) as email_open_count_90_days,
    coalesce(t.email_click_count_90_days, 0) as email_click_count_90_days,
    coalesce(t.web_visit_count_90_days, 0) as web_visit_count_90_days,
    coalesce(k.campaign_count_365_days, 0) as campaign_count_365_days,
    k.campaign_response_rate as campaign_response_rate,
    coalesce(n.has_running_contract, false) as has_running_contract,
    n.contract_ends_in_days as contract_ends_in_days,
    cast(case when y.customer_id is null then 0 else y.overdue_amount end as decimal(38, 4)) as overdue_amount,
    y.late_payment_share as late_payment_share,
    coalesce(d.open_deal_count, 0) as open_deal_count,
    cast(case when d.customer_id is null then 0 else d.open_deal_amount end as decimal(38, 4)) as open_deal_amount,
    rfm.r_score as r_score,
    rfm.f_score as f_score,
    rfm.m_score as m_score,
    rfm.segment as segment,
    lifecycle.lifecycle_state as lifecycle_state,
    date_diff('day', lifecycle.since_on, cast($as_of as date)) - 1 as days_in_lifecycle_state,
    clusters.cluster_name as cluster_name,
    clv.probability_alive as probability_alive,
    clv.lifetime_revenue as lifetime_revenue,
    clv.lifetime_value as lifetime_value,
    churn.churn_probability as churn_probability,
    churn.risk_band as risk_band,
    contract_churn.churn_probability as contract_churn_probability
from customers as c
left join facts.customer_profiles_before($as_of) as f on f.customer_id = c.customer_id
left join refusals as r on r.customer_id = c.customer_id
left join purchases as p on p.customer_id = c.customer_id
left join baskets as b on b.customer_id = c.customer_id
left join favourites as fc on fc.customer_id = c.customer_id and fc.kind = 'category'
left join favourites as fb on fb.customer_id = c.customer_id and fb.kind = 'brand'
left join service as s on s.customer_id = c.customer_id
left join answers as a on a.customer_id = c.customer_id
left join contacts as t on t.customer_id = c.customer_id
left join campaigns as k on k.customer_id = c.customer_id
left join contracts as n on n.customer_id = c.customer_id
left join payments as y on y.customer_id = c.customer_id
left join deals as d on d.customer_id = c.customer_id
left join rfm on rfm.customer_id = c.customer_id
left join lifecycle on lifecycle.customer_id = c.customer_id
left join clusters on clusters.customer_id = c.customer_id
left join clv on clv.customer_id = c.customer_id
left join churn on churn.customer_id = c.customer_id
left join contract_churn on contract_churn.customer_id = c.customer_id
order by customer_id
