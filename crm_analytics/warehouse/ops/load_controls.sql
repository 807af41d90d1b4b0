-- kind:    table
-- purpose: What does the source say a load should add up to, and what does it add up to here?
-- grain:   load_id, control, scope, source_id
-- reads:   none
-- columns:
--   load_id       load that the control belongs to
--   control       records, amount ... (footers and control totals); total, group_total, groups_agreeing (rows of
--                 totals); order_total (heads against their lines). ..._with_quarantine adds what is set aside,
--                 ..._with_repeats what repeats a row of its own file: neither is in the store
--   scope         what is added up: entity, column, currency, or compared documents
--   source_id     number of the one document meant; empty where many are added up
--   theirs        count or sum as the source states it
--   ours          the same, counted here
--   difference    ours - theirs; shown, and nothing is changed because of it
create table if not exists ops.load_controls (
    load_id bigint not null,
    control varchar not null,
    scope varchar not null,
    source_id varchar not null,
    theirs decimal(38, 4) not null,
    ours decimal(38, 4) not null,
    difference decimal(38, 4) not null
)
