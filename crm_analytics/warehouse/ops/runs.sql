-- kind:    table
-- purpose: Which nights were run, on what, and what became of them?
-- grain:   run_id
-- reads:   none
-- columns:
--   run_id            as_of and the number of the attempt, for example 2025-07-01-001
--   as_of             first day not seen
--   status            running, published, blocked (by its audit) or failed
--   started_at        when the run began
--   finished_at       when it ended; NULL while it runs, or when it was killed
--   seconds           how long it took
--   versions          JSON: versions of the package and of the libraries that compute
--   parameters        JSON: settings the results depend on
--   input_load_ids    JSON list: loads that brought the data (ops.loads)
--   models            JSON: saved model -> SHA-256 of its file
--   published_run     run_id of the published run that holds the results; NULL when not published
--   reason            why it was blocked or failed
create table if not exists ops.runs (
    run_id varchar not null,
    as_of date not null,
    status varchar not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    seconds double,
    versions varchar not null,
    parameters varchar not null,
    input_load_ids varchar,
    models varchar,
    published_run varchar,
    reason varchar
)
