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
    """CDNOW with spend that is missing, zero or negative here and there."""
    odd = cdnow.drop(columns="actual").astype({"monetary_value": float})
    odd.loc[[0, 5, 6], "monetary_value"] = [0.0, np.nan, -4.0]
    return odd


@pytest.mark.parametrize("model", ["bg_nbd", "pareto_nbd"])
def test_the_database_gives_what_python_gives(summary: pd.DataFrame, model: str) -> None:
    models = fit_models(summary, model=model)
    expected = score_summary(summary, models=models, model=model).set_index("customer_id")[NAMES]
    with Warehouse.open() as wh:
        with wh.registered(given=summary):
            wh.execute("create table scores.given_summary as select * from given")
        kept = []
        for batch in (400_000, 97):
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
    for name in NAMES:
        np.testing.assert_allclose(kept[0][name], expected[name], rtol=1e-12, err_msg=name)


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
    with Warehouse.open() as wh, pytest.raises(UsageError, match="batch=0 must be at least 1"):
        score_in_database(wh, as_of=AS_OF, models=fit_models(summary), into="scores.kept", batch=0)
