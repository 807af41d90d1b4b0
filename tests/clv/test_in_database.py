"""Does scoring in the database give what scoring in Python gives, in batches of any size?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import score_in_database, score_summary
from crm_analytics.clv.cohort_models import fit_models
from crm_analytics.clv.customer_value import NUMBERS
from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse

AS_OF = date(1997, 10, 1)
NAMES = [name for name in NUMBERS if "lifetime_value" not in name]


@pytest.fixture(scope="module")
def summary(cdnow: pd.DataFrame) -> pd.DataFrame:
    """CDNOW with spend that is missing, zero, negative or odd here and there, and an impossible history."""
    odd = cdnow.drop(columns="actual").astype({"monetary_value": float}).assign(unpriced_order_count=0)
    repeaters = odd.index[odd["frequency"] > 0][:6]
    odd.loc[repeaters[:4], "monetary_value"] = [0.0, np.nan, -4.0, 1e9]
    odd.loc[repeaters[3:], "unpriced_order_count"] = 2
    impossible = odd.iloc[[100]].assign(customer_id="late", frequency=2, recency=400)
    return pd.concat([odd, impossible], ignore_index=True)


@pytest.mark.parametrize("model", ["bg_nbd", "pareto_nbd"])
def test_the_database_gives_what_python_gives(summary: pd.DataFrame, model: str) -> None:
    models = fit_models(summary.iloc[:-1], model=model)
    expected = score_summary(summary, models=models, model=model).set_index("customer_id")
    assert set(expected["status"]) == {"ok", "low_information", "excluded"}
    assert expected["status_reason"].nunique() == 8, "every rule decides somebody"
    with Warehouse.open() as wh:
        with wh.registered(given=summary):
            wh.execute("create table scores.given_summary as select * from given")
        kept = []
        for batch in (400_000, 397):
            rows = score_in_database(
                wh,
                as_of=AS_OF,
                models=models,
                into="scores.kept",
                summary_table="scores.given_summary",
                batch=batch,
            )
            assert rows == len(summary)
            kept.append(wh.frame("select * from scores.kept order by customer_id").set_index("customer_id"))
    pd.testing.assert_frame_equal(*kept, check_exact=True)
    expected = expected.loc[kept[0].index]
    for name in NAMES:
        np.testing.assert_allclose(kept[0][name], expected[name], rtol=1e-12, err_msg=name)
    for name in ("status", "status_reason"):
        assert kept[0][name].tolist() == expected[name].tolist()


@pytest.mark.parametrize("robust", [True, False])
def test_stand_ins_and_models_at_their_edge_are_named_in_the_database_too(robust: bool) -> None:
    x = np.arange(60) % 7
    few = pd.DataFrame({"frequency": [0, 1], "recency": [0, 30], "T": [60, 90], "monetary_value": [0.0, 9.0]})
    spend = np.where(x > 0, np.random.default_rng(0).gamma(2.0, 10.0, 60), 0.0)
    edge = pd.DataFrame({"frequency": x, "recency": 30 * x, "T": 250, "monetary_value": spend})
    for table, status in ((few, "fallback"), (edge, "low_information")):
        known = table.assign(customer_id=[f"C{n:02d}" for n in range(len(table))])
        models = fit_models(known, robust=robust)
        expected = score_summary(known, models=models)
        assert set(expected["status"]) == {status}
        with Warehouse.open() as wh:
            with wh.registered(given=known):
                wh.execute("create table scores.given_summary as select * from given")
            score_in_database(
                wh, as_of=AS_OF, models=models, into="scores.kept", summary_table="scores.given_summary"
            )
            kept = wh.frame("select * from scores.kept order by customer_id")
        for name in ("status", "status_reason"):
            assert kept[name].tolist() == expected[name].tolist()
        np.testing.assert_allclose(kept["probability_alive"], expected["probability_alive"], rtol=1e-12)


def test_the_summary_of_the_warehouse_is_scored_and_nothing_is_left_behind(
    cdnow_warehouse: Warehouse,
) -> None:
    from crm_analytics.clv import summary as summarise

    known = summarise(cdnow_warehouse, as_of=AS_OF)
    models = fit_models(known)
    rows = score_in_database(cdnow_warehouse, as_of=AS_OF, models=models, into="scores.kept")
    assert rows == len(known)
    total = cdnow_warehouse.value("select sum(expected_purchases) from scores.kept")
    assert total == pytest.approx(score_summary(known, models=models)["expected_purchases"].sum(), rel=1e-12)
    left = cdnow_warehouse.rows(
        "select table_name from duckdb_tables() where table_name like 'clv_%' and temporary"
    )
    assert left == []
    cdnow_warehouse.execute("drop table scores.kept")


def test_an_empty_batch_is_refused(summary: pd.DataFrame) -> None:
    with Warehouse.open() as wh, pytest.raises(UsageError, match="batch=0 must be a whole number >= 1"):
        score_in_database(wh, as_of=AS_OF, models=fit_models(summary[:-1]), into="scores.kept", batch=0)
