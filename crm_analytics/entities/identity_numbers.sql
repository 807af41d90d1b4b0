-- kind:    table
-- purpose: Which number was given to a change of identity last?  One row; it only goes up, whatever is erased.
-- grain:   last_number
-- reads:   none
-- columns:
--   last_number    change_number of the last change that was ever written to entities.identity_log
create table if not exists entities.identity_numbers (
    last_number bigint not null
)
