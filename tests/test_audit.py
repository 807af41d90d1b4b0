"""Is every fault that was put into a night's scores found, and no other night blocked?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from crm_analytics.audit import audit
from crm_analytics.warehouse import Warehouse

AS_OF, DAY_BEFORE = date(2025, 7, 1), date(2025, 6, 30)
MAIN = "scores.customer_scores"
TABLES = {MAIN: ("customer_id",), "scores.churn": ("customer_id",)}


def scores(customers: int = 200, *, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "as_of": AS_OF,
            "customer_id": [f"shop:{i:04d}" for i in range(customers)],
            "r_score": draw.integers(1, 6, customers),
            "order_count": draw.integers(1, 20, customers),
            "churn_probability": draw.beta(2, 3, customers),
            "lifetime_revenue": draw.gamma(1, 100, customers),
        }
    )


def findings(
    main: pd.DataFrame, *, previous: pd.DataFrame | None = None, days_before: int = 1
) -> set[tuple[str, str]]:
    with Warehouse.open() as wh:
        for name in TABLES:
            with wh.registered(given=main if name == MAIN else scores()):
                wh.execute(f"create or replace table {name} as select * from given")
        if previous is not None:
            with wh.registered(given=previous):
                before = wh.arrow("select * from given")
        found = audit(
            wh,
            as_of=AS_OF,
            tables=TABLES,
            previous=before if previous is not None else None,
            previous_as_of=AS_OF - timedelta(days=days_before),
        )
    return {(finding.check, finding.column) for finding in found}


def test_an_ordinary_night_passes() -> None:
    assert findings(scores(), previous=scores(seed=1)) == set()


def test_a_night_passes_without_a_run_to_compare_with() -> None:
    assert findings(scores()) == set()


def test_missing_scores_are_not_a_fault_when_they_were_missing_before() -> None:
    without = scores().assign(churn_probability=np.array([None] * 200, dtype=object))
    assert findings(without, previous=without) == set()


def test_one_probability_for_everybody_is_no_fault_when_it_was_so_before() -> None:
    base_rate = scores().assign(churn_probability=0.4)
    assert findings(base_rate, previous=base_rate) == set()
    assert findings(base_rate) == set()


Fault = Callable[[pd.DataFrame], pd.DataFrame]


def set_first(column: str, value: float) -> Fault:
    return lambda night: night.assign(**{column: [value, *night[column].iloc[1:]]})


@pytest.mark.parametrize(
    ("fault", "check", "column"),
    [
        (set_first("churn_probability", float("inf")), "not_finite", "churn_probability"),
        (set_first("churn_probability", 1.2), "out_of_range", "churn_probability"),
        (set_first("lifetime_revenue", float("-inf")), "not_finite", "lifetime_revenue"),
        (set_first("r_score", 6), "out_of_range", "r_score"),
        (set_first("order_count", -1), "out_of_range", "order_count"),
        (lambda night: night.assign(churn_probability=0.4), "became_equal", "churn_probability"),
        (lambda night: pd.concat([night, night.head(3)]), "duplicate_key", ""),
        (
            lambda night: night.assign(customer_id=[None, *night["customer_id"][1:]]),
            "null_key",
            "customer_id",
        ),
        (lambda night: night.head(130), "customers_missing", ""),
        (lambda night: night.head(130), "customers_dropped", ""),
        (lambda night: night.assign(as_of=DAY_BEFORE), "no_customers", ""),
        (
            lambda night: night.assign(lifetime_revenue=night["lifetime_revenue"] * 10),
            "mean_moved",
            "lifetime_revenue",
        ),
        (
            lambda night: night.assign(churn_probability=night["churn_probability"] / 10),
            "mean_moved",
            "churn_probability",
        ),
    ],
)
def test_a_fault_is_found(fault: Fault, check: str, column: str) -> None:
    assert (check, column) in findings(fault(scores()), previous=scores(seed=1))


def test_nan_is_a_fault_though_null_is_not() -> None:
    with Warehouse.open() as wh:
        for name in TABLES:
            with wh.registered(given=scores()):
                wh.execute(f"create or replace table {name} as select * from given")
        wh.execute(f"update {MAIN} set churn_probability = null where customer_id < 'shop:0010'")
        assert audit(wh, as_of=AS_OF, tables=TABLES) == []
        wh.execute(f"update {MAIN} set churn_probability = 'nan'::double where customer_id = 'shop:0100'")
        [finding] = audit(wh, as_of=AS_OF, tables=TABLES)
    assert finding.message == "scores.customer_scores.churn_probability: 1 values are NaN or infinite"


def test_a_score_that_most_customers_lost_is_a_fault() -> None:
    lost = scores().assign(lifetime_revenue=[1.0, 2.0, *[None] * 198])
    assert ("column_lost", "lifetime_revenue") in findings(lost, previous=scores(seed=1))


def test_a_missing_score_needs_a_status_that_says_so() -> None:
    with Warehouse.open() as wh:
        for name in TABLES:
            with wh.registered(given=scores().assign(status="ok")):
                wh.execute(f"create or replace table {name} as select * from given")
        wh.execute("update scores.churn set churn_probability = null, status = 'inactive' where r_score = 1")
        assert audit(wh, as_of=AS_OF, tables=TABLES) == []
        wh.execute("update scores.churn set churn_probability = null where customer_id = 'shop:0100'")
        wh.execute("update scores.churn set status = 'ok' where customer_id = 'shop:0100'")
        [finding] = audit(wh, as_of=AS_OF, tables=TABLES)
    assert (finding.check, finding.column) == ("promised_missing", "churn_probability")


def heavy_tailed(customers: int, *, seed: int, moved: float = 0.0) -> pd.DataFrame:
    """Scores of a night in which nothing changed, or the log-revenue by `moved` standard deviations."""
    draw = np.random.default_rng(seed)
    revenue = np.exp(1.2 * (draw.normal(size=customers) + moved) + 3.0)
    return scores(customers, seed=seed).assign(lifetime_revenue=revenue)


@pytest.mark.parametrize(("customers", "nights"), [(100, 12), (1_000, 6), (50_000, 1)])
def test_a_night_in_which_nothing_changed_is_not_blocked(customers: int, nights: int) -> None:
    """Promise D2: the textbook's limit of 0.25 would block a fifth of those of 100 customers."""
    with Warehouse.open() as wh:
        for number in range(nights):
            now, before = (
                heavy_tailed(customers, seed=2 * number),
                heavy_tailed(customers, seed=2 * number + 1),
            )
            with wh.registered(given=now, last=before):
                wh.execute(f"create or replace table {MAIN} as select * from given")
                previous = wh.arrow("select * from last")
            assert audit(wh, as_of=AS_OF, tables={MAIN: ("customer_id",)}, previous=previous) == []


@pytest.mark.parametrize("customers", [1_000, 50_000])
def test_a_score_that_moved_far_blocks_though_its_mean_moved_less_than_the_factor(customers: int) -> None:
    before = heavy_tailed(customers, seed=1)
    now = heavy_tailed(customers, seed=2, moved=0.6)
    found = findings(now, previous=before)
    assert found - {("customers_missing", "")} == {("distribution_moved", "lifetime_revenue")}
    # over weeks customers really change: it is told, and blocks nothing
    assert findings(now, previous=before, days_before=8) <= {("customers_missing", "")}
