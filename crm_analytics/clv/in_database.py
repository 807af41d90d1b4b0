"""How are ten million customers scored in bounded memory?  In the database, over distinct purchase histories.

The summary stays in DuckDB.  Python sees its distinct histories (frequency, recency, T) in batches of a few
hundred thousand, scores each once (`pattern_scores`: a history's scores depend on nothing else, so batches
change nothing), and hands the scores back; SQL joins them to the customers and multiplies by spend.  The
columns that both have equal those of `score_summary` (tests: to 1e-12).  What needs more than the history and
the spend of a customer is `score_summary`'s alone: lifetime_value and its limits (margins, serving costs),
historic_revenue, historic_value, cohort_revenue, source_system, source_id and the name of the model.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from crm_analytics.clv.cohort_models import Models
from crm_analytics.clv.customer_value import check_terms
from crm_analytics.clv.models.patterns import Histories, impossible_rows
from crm_analytics.clv.odd_customers import SPEND_LIMIT, Typical
from crm_analytics.clv.pattern_scores import pattern_scores
from crm_analytics.clv.statuses import REASONS, reason_for_all
from crm_analytics.errors import UsageError
from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse, quote_table

BATCH = 400_000


def score_in_database(
    wh: Warehouse,
    *,
    as_of: date,
    models: Models,
    into: str,
    summary_table: str | None = None,
    horizon_days: float = 365,
    annual_discount_rate: float = 0.1,
    level: float = 0.9,
    batch: int = BATCH,
) -> int:
    """Score all customers with fitted models and keep the result as a table; returns the number of rows.

    Columns: customer_id, horizon_days, frequency, recency, T, monetary_value, probability_alive,
    expected_purchases and next_purchase_days with limits, expected_spend, lifetime_revenue with limits,
    status and status_reason, as in `score_summary`; no lifetime_value: multiply lifetime_revenue
    and its limits by a margin of your own.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are; open for writing.
    as_of : date
        First day not seen, and the first day of the horizon.
    models : Models
        Fitted before (`fit_models`), for example to a part of the customers; without covariates.
    into : str
        Table to write, ``schema.table``; what it held is replaced.
    summary_table : str, optional
        A table with customer_id, frequency, recency, T, monetary_value and, if known,
        unpriced_order_count, that stands for the summary; default: the summary of the warehouse at as_of.
    horizon_days, annual_discount_rate, level
        As in `score_summary`.
    batch : int
        Histories scored at once, default 400,000 (about 300 MB).

    Raises
    ------
    UsageError
        The models need more than a history (covariates).
    """
    arguments.warehouse(wh)
    arguments.instance("models", models, Models, "fitted models (crm.clv.fit_models)")
    if models.purchases.coefficient_names:
        raise UsageError("Scoring in the database knows no covariates; use score_summary for this model.")
    batch = arguments.whole("batch", batch, least=1)
    as_of = arguments.day("as_of", as_of)
    check_terms(horizon_days, annual_discount_rate, level, None)
    for name, table in (("into", into), ("summary_table", summary_table or "")):
        arguments.instance(name, table, str, "the name of a table")
    source = SqlFile.beside(__file__, "summary.sql")
    if summary_table is None:
        wh.execute(f"create or replace temp table clv_summary as {source.text}", as_of=as_of, known_at=None)
    else:
        given = quote_table(summary_table)
        is_priced = "unpriced_order_count" in wh.frame(f"select * from {given} limit 0")
        more = "" if is_priced else ", 0 as unpriced_order_count"
        wh.execute(f"create or replace temp view clv_summary as select *{more} from {given}")
    odd = pd.DataFrame({"customer_id": pd.array(sorted(models.odd_customers), dtype="str")})
    with wh.registered(odd_customers_given=odd):
        wh.execute("create or replace temp table clv_odd_customers as select * from odd_customers_given")
    patterns = SqlFile.beside(__file__, "patterns.sql")
    wh.execute(f"create or replace temp table clv_patterns as {patterns.text}")
    wh.execute("drop table if exists clv_scored_patterns")
    count = int(wh.value("select count(*) from clv_patterns"))
    for first in range(0, max(count, 1), batch):
        _score_batch(wh, models, first, first + batch, horizon_days, annual_discount_rate, level)
    values = SqlFile.beside(__file__, "pattern_values.sql")
    p, q, v = models.spend.params_.values() if not models.priceless else (None, None, None)
    usual = models.typical_spend or Typical()
    rows = wh.execute(
        f"create or replace table {quote_table(into)} as {values.text}",
        horizon_days=float(horizon_days), spend_p=p, spend_q=q, spend_v=v,
        usual_log_spend=usual.median, spend_spread=usual.spread,
        spend_limit=SPEND_LIMIT if models.typical_spend else float("inf"),
        everybody=reason_for_all(models), remark=models.remark, is_mean_rate=bool(models.purchase_fallback),
        **REASONS,
    )  # fmt: skip
    for name in (
        "table clv_patterns",
        "table clv_odd_customers",
        "table clv_scored_patterns",
        "view clv_summary",
    ):
        kind = name if summary_table is not None else name.replace("view", "table")
        wh.execute(f"drop {kind}")
    return rows


def _score_batch(
    wh: Warehouse,
    models: Models,
    first: int,
    last: int,
    horizon_days: float,
    annual_rate: float,
    level: float,
) -> None:
    """Score the histories numbered [first, last) and add them to clv_scored_patterns."""
    some = wh.frame(
        'select frequency, recency, "T" from clv_patterns '
        "where pattern_number >= $first and pattern_number < $last order by pattern_number",
        first=first, last=last,
    )  # fmt: skip
    faults = impossible_rows(some, in_days=True).astype("str")
    possible = some[faults == ""]
    x, recency, age = (possible[name].to_numpy(dtype=np.float64) for name in ("frequency", "recency", "T"))
    scores = pattern_scores(
        models.purchases, models.spend, Histories(x, recency, age, np.empty((len(x), 0))),
        horizon_days=float(horizon_days), annual_discount_rate=annual_rate, level=level,
    )  # fmt: skip
    scored = some.assign(fault=faults).join(scores.set_index(possible.index))
    with wh.registered(scored_now=scored):
        exists = wh.value("select count(*) from duckdb_tables() where table_name = 'clv_scored_patterns'")
        how = "insert into" if exists else "create temp table"
        link = " " if exists else " as "
        wh.execute(f"{how} clv_scored_patterns{link}select * from scored_now")
