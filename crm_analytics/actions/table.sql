-- kind:    table
-- purpose: Who was to be called, night by night, and for which reason?
-- grain:   as_of, customer_id
-- reads:   none
-- columns:
--   as_of                    first day not seen; the night that put the customer on its list
--   customer_id              canonical customer
--   rank                     1 = call first
--   kind                     alert (risk has risen) or call (worth most by its level)
--   owner_source_id          user who looks after the customer; NULL = nobody yet
--   due_on                   last day on which the call still makes sense
--   churn_probability        probability of leaving in the horizon
--   earlier_probability      the same at the earliest night of the weeks before; NULL = not scored then
--   value_at_stake           expected margin that leaves in the horizon with those still there: of orders and of contracts,
--                            each by its own probability, reporting currency
--   value_kind               margin, or revenue where no margin of any customer is known
--   expected_saved_margin    value at stake x save rate - cost of the call, reporting currency
--   save_rate                share of leavers whom a call keeps, as assumed, moved by what earlier calls showed
--   horizon_days             horizon of the probability
--   reason_code              theme that raises the risk most; NULL = none stands out
--   reason                   in words
--   leaving                  purchase or contract: which kind of leaving the probability is of (the alert, else the larger
--                            stake); NULL = purchase
create table if not exists scores.actions (
    as_of date not null,
    customer_id varchar not null,
    rank bigint not null,
    kind varchar not null,
    owner_source_id varchar,
    due_on date not null,
    churn_probability double not null,
    earlier_probability double,
    value_at_stake double not null,
    value_kind varchar not null,
    expected_saved_margin double not null,
    save_rate double not null,
    horizon_days bigint not null,
    reason_code varchar,
    reason varchar not null,
    leaving varchar
)
