"""May tonight's results be published?  Checks on the score tables, against themselves and the last run.

A finding blocks the night: what other applications read stays as it was. NULL is allowed (a status
column says why); NaN and infinity never are. What is right for a column follows from its name, as the
vocabulary fixes it: ``_probability`` and ``_rate`` are 0..1, counts and days are not negative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from crm_analytics.monitoring import drift, usual_limits
from crm_analytics.warehouse import Warehouse, quote_table

if TYPE_CHECKING:
    import pyarrow as pa

MAIN_TABLE = "scores.customer_scores"

# Within so many days customers hardly change: a score that moves far does so by a fault, or by another model.
WEEK_DAYS = 7
# Fewer customers than this say little about a mean or about all being equal.
ENOUGH_CUSTOMERS = 50
# A column that at least this share of customers had, and that this share lost, was lost by a fault.
_WAS_FILLED, _NOW_LOST = 0.5, 0.3


# What a row of status "ok" must have.
_PROMISED = {
    "scores.clv": "lifetime_revenue",
    "scores.churn": "churn_probability",
    "scores.contract_churn": "churn_probability",
}


@dataclass(frozen=True)
class Finding:
    """One reason not to publish.

    Attributes
    ----------
    check : str
        Code of the check, for example ``out_of_range``.
    table, column : str
        Where; the column is empty where the table as a whole is meant.
    message : str
        What is wrong, with figures.
    """

    check: str
    table: str
    column: str
    message: str


def audit(
    wh: Warehouse,
    *,
    as_of: date,
    tables: Mapping[str, Sequence[str]],
    previous: pa.Table | None = None,
    max_customer_drop_rate: float = 0.3,
    max_change_factor: float = 3.0,
    previous_as_of: date | None = None,
    max_shift: float = 0.25,
) -> list[Finding]:
    """Check one night's score tables.

    Parameters
    ----------
    wh : Warehouse
    as_of : date
        Night to check.
    tables : mapping of str to sequence of str
        Score table -> its key columns besides as_of; ``scores.customer_scores`` must be among them.
    previous : pyarrow.Table, optional
        customer_scores of the last published run; without it nothing is compared.
    max_customer_drop_rate : float, default 0.3
        Share of the last run's customers that may be gone.
    max_change_factor : float, default 3
        Factor by which the mean of a score may move, up or down.
    previous_as_of : date, optional
        Night of `previous`; default: `as_of`. Over more than a week customers really change, so shifts are
        told (`crm_analytics.monitoring`) and block nothing.
    max_shift : float, default 0.25
        Population stability index by which the distribution of a score may move, if that is more than chance
        brings for these customers, and more than this score usually moves.

    Returns
    -------
    list of Finding
        Empty when the night may be published.
    """
    tonight = {
        name: wh.arrow(f"select * exclude (as_of) from {quote_table(name)} where as_of = $as_of", as_of=as_of)
        for name in tables
    }
    findings: list[Finding] = []
    for name, table in tonight.items():
        findings += _keys(name, table, tables[name])
        findings += _values(name, table)
        findings += _promised(name, table)
    findings += _coverage(tonight)
    if previous is not None:
        main = tonight[MAIN_TABLE]
        findings += _fewer_customers(main, previous, max_customer_drop_rate)
        findings += _moved(main, previous, max_change_factor)
        gap_days = (as_of - (previous_as_of or as_of)).days
        if gap_days <= WEEK_DAYS:
            usual = usual_limits(wh, as_of=as_of, gap_days=gap_days)
            findings += _shifted(main, previous, max_shift, usual)
        findings += _lost_columns(main, previous)
        findings += _became_equal(main, previous)
    return findings


def _keys(name: str, table: pa.Table, keys: Sequence[str]) -> Iterator[Finding]:
    import pyarrow.compute as pc

    for key in keys:
        if pc.any(pc.is_null(table[key])).as_py():
            yield Finding("null_key", name, key, f"{name}: rows without {key}")
    distinct = table.group_by(list(keys)).aggregate([]).num_rows
    if distinct < table.num_rows:
        text = f"{name}: {table.num_rows - distinct} rows more than there are different {', '.join(keys)}"
        yield Finding("duplicate_key", name, "", text)


def _values(name: str, table: pa.Table) -> Iterator[Finding]:
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in table.column_names:
        if not _is_number(table.schema.field(column).type):
            continue
        values = pc.drop_null(table[column]).cast(pa.float64())
        broken = pc.sum(pc.invert(pc.is_finite(values))).as_py() or 0
        if broken:
            text = f"{name}.{column}: {broken} values are NaN or infinite"
            yield Finding("not_finite", name, column, text)
            continue
        low, high = _range(column)
        outside = pc.sum(pc.or_(pc.less(values, low), pc.greater(values, high))).as_py() or 0
        if outside:
            text = f"{name}.{column}: {outside} values outside {low:g} to {high:g}"
            yield Finding("out_of_range", name, column, text)


def _promised(name: str, table: pa.Table) -> Iterator[Finding]:
    import pyarrow.compute as pc

    column = _PROMISED.get(name)
    if column is not None and "status" in table.column_names:
        broken = pc.and_(pc.equal(table["status"], "ok"), pc.is_null(table[column]))
        missing = pc.sum(broken).as_py() or 0
        if missing:
            text = f"{name}.{column}: missing in {missing} rows whose status is ok"
            yield Finding("promised_missing", name, column, text)


def _coverage(tonight: Mapping[str, pa.Table]) -> Iterator[Finding]:
    import pyarrow.compute as pc

    main = tonight[MAIN_TABLE]["customer_id"]
    if not len(main):
        told = f"{MAIN_TABLE}: no customer has scores (was a file refused? `crm-analytics loads` says why)"
        yield Finding("no_customers", MAIN_TABLE, "", told)
    of_customers = {name: table for name, table in tonight.items() if "customer_id" in table.column_names}
    for name, table in of_customers.items():
        missing = pc.sum(pc.invert(pc.is_in(table["customer_id"], value_set=main.combine_chunks()))).as_py()
        if missing:
            text = f"{MAIN_TABLE}: {missing} rows of {name} belong to customers it does not hold"
            yield Finding("customers_missing", MAIN_TABLE, "", text)


def _fewer_customers(main: pa.Table, previous: pa.Table, max_drop_rate: float) -> Iterator[Finding]:
    before, now = previous.num_rows, main.num_rows
    if now < before * (1 - max_drop_rate):
        text = f"{MAIN_TABLE}: {now} customers, but the last published run has {before}"
        yield Finding("customers_dropped", MAIN_TABLE, "", f"{text} (limit: {max_drop_rate:.0%} fewer)")


def _moved(main: pa.Table, previous: pa.Table, max_factor: float) -> Iterator[Finding]:
    for column in _scores_of_both(main, previous):
        (count_now, now), (count_before, before) = _mean(main, column), _mean(previous, column)
        if min(count_now, count_before) < ENOUGH_CUSTOMERS or before <= 0:
            continue
        factor = now / before
        if not 1 / max_factor <= factor <= max_factor:
            text = f"{MAIN_TABLE}.{column}: the mean moved from {before:.4g} to {now:.4g}"
            yield Finding("mean_moved", MAIN_TABLE, column, f"{text} (limit: factor {max_factor:g})")


def _shifted(
    main: pa.Table, previous: pa.Table, max_shift: float, usual: Mapping[str, float]
) -> Iterator[Finding]:
    """Find scores whose distribution moved farther than the limit, chance and habit allow."""
    columns = ["customer_id", *_scores_of_both(main, previous)]
    if min(main.num_rows, previous.num_rows) < ENOUGH_CUSTOMERS or not _unique(main, previous):
        return
    before, now = (table.select(columns).to_pandas() for table in (previous, main))
    moved = drift(before, now, since="in the last published run", usual_limits=usual, large=max_shift)
    for row in moved[moved["verdict"] == "large"].to_dict("records"):
        column = row["column_name"]
        limit = max(max_shift, row["chance_limit"], usual.get(column, 0.0))
        text = f"{MAIN_TABLE}.{column}: the distribution moved by {row['psi']:.2f} (limit {limit:.2f})"
        yield Finding("distribution_moved", MAIN_TABLE, column, f"{text}: {row['told']}")


def _unique(*tables: pa.Table) -> bool:
    """Tell whether customers can be compared one by one; a missing or double key is found by other checks."""
    return all(
        table["customer_id"].null_count == 0 and len(table["customer_id"].unique()) == table.num_rows
        for table in tables
    )


def _lost_columns(main: pa.Table, previous: pa.Table) -> Iterator[Finding]:
    for column in _scores_of_both(main, previous):
        now, before = _filled(main, column), _filled(previous, column)
        if before >= _WAS_FILLED and now < before - _NOW_LOST:
            text = f"{MAIN_TABLE}.{column}: {now:.0%} of customers have it, {before:.0%} had"
            yield Finding("column_lost", MAIN_TABLE, column, text)


def _became_equal(main: pa.Table, previous: pa.Table) -> Iterator[Finding]:
    """Find scores that told customers apart and no longer do (a base rate for everybody may be honest)."""
    import pyarrow.compute as pc

    for column in _scores_of_both(main, previous):
        values, before = pc.drop_null(main[column]), pc.drop_null(previous[column])
        if len(values) >= ENOUGH_CUSTOMERS and len(pc.unique(values)) == 1 and len(pc.unique(before)) > 1:
            text = f"{MAIN_TABLE}.{column}: all {len(values)} values are {values[0].as_py():g}"
            yield Finding("became_equal", MAIN_TABLE, column, text)


def _range(column: str) -> tuple[float, float]:
    for fits, bounds in _RANGES:
        if fits(column):
            return bounds
    return (-math.inf, math.inf)


# The first that fits a column's name.
_RANGES: tuple[tuple[Callable[[str], bool], tuple[float, float]], ...] = (
    (lambda name: name in ("r_score", "f_score", "m_score"), (1, 5)),
    (lambda name: "probability" in name or name.endswith(("_rate", "_share")), (0, 1)),
    (lambda name: name.endswith(("_count", "_days")) or name.startswith("expected_purchases"), (0, math.inf)),
)


def _is_score(column: str) -> bool:
    return "probability" in column or column.startswith(("lifetime_", "expected_"))


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _scores_of_both(main: pa.Table, previous: pa.Table) -> list[str]:
    return [
        name
        for name in main.column_names
        if name in previous.column_names
        and _is_score(name)
        and _is_number(main.schema.field(name).type)
        and _is_number(previous.schema.field(name).type)
    ]


def _mean(table: pa.Table, column: str) -> tuple[int, float]:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.drop_null(table[column]).cast(pa.float64())
    return len(values), pc.mean(values).as_py() or 0.0


def _filled(table: pa.Table, column: str) -> float:
    return 1 - table[column].null_count / table.num_rows if table.num_rows else 0.0
