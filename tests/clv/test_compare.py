"""Is the choice of a model reproducible, explained, and made from what was known before?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import compare
from crm_analytics.clv.compare import MAE_NOTE, Comparison
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.warehouse import Warehouse
from tests import build

PLAIN = ("bg_nbd", "mbg_nbd", "nbd")


@pytest.fixture(scope="module")
def judged(cdnow_warehouse: Warehouse) -> Comparison:
    return compare(cdnow_warehouse, as_of=date(1998, 7, 1), horizon_days=273, models=PLAIN)


def test_cdnow_is_judged_on_the_published_window(judged: Comparison) -> None:
    assert judged.origins == (date(1997, 10, 1),)
    table = judged.models
    assert table["actual"].dropna().eq(1882.0).all()
    assert table.loc["same_rate", "expected"] == pytest.approx(2930.10, abs=5e-3)
    assert table.loc["zero", "mae"] == pytest.approx(1882 / 2357)
    assert table.loc["mean", "expected"] == pytest.approx(2928.95, abs=0.01)
    assert table.loc["bg_nbd", "expected"] == pytest.approx(1662.60, abs=5e-3)
    assert table.loc["bg_nbd", "total_error"] == pytest.approx(1662.60 / 1882 - 1, abs=1e-4)
    assert table.loc[list(PLAIN), "coverage"].between(0.87, 1.0).all()
    assert set(table["total_coverage"].dropna()) <= {0.0, 1.0}
    assert judged.by_frequency["customers"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    assert judged.by_frequency["actual"].round(4).tolist()[:3] == [0.2367, 0.697, 1.3925]
    assert MAE_NOTE in judged.notes


def test_the_winner_has_the_lowest_bic_of_those_that_predict_equally_well(judged: Comparison) -> None:
    assert judged.winner == "mbg_nbd"
    assert judged.models.loc["mbg_nbd", "bic"] < judged.models.loc["bg_nbd", "bic"]
    assert "bg_nbd" in judged.reason
    assert judged.models.index[-3:].tolist() == ["zero", "mean", "same_rate"]
    assert judged.models.loc["nbd", "log_score"] < judged.models.loc["bg_nbd", "log_score"] - 0.05


def test_choosing_again_gives_the_same_to_the_last_bit(
    judged: Comparison, cdnow_warehouse: Warehouse
) -> None:
    again = compare(cdnow_warehouse, as_of=date(1998, 7, 1), horizon_days=273, models=PLAIN)
    assert again.winner == judged.winner
    pd.testing.assert_frame_equal(again.models, judged.models, check_exact=True)


def test_a_part_of_the_customers_is_taken_by_their_ids(cdnow_warehouse: Warehouse) -> None:
    part = compare(
        cdnow_warehouse, as_of=date(1998, 7, 1), horizon_days=273, models=("bg_nbd",), max_customers=1000
    )
    assert part.by_origin["customers"].iloc[0] == 786
    assert any("one customer in 3" in note for note in part.notes)


def test_a_short_history_is_judged_by_bic_alone(cdnow_warehouse: Warehouse) -> None:
    early = compare(cdnow_warehouse, as_of=date(1997, 4, 1), horizon_days=90, models=PLAIN)
    assert early.origins == ()
    assert "lowest BIC" in early.reason
    assert early.winner == early.models["bic"].idxmin()
    assert early.by_frequency.empty


def test_a_model_that_cannot_be_fitted_does_not_win_and_says_why() -> None:
    days = {f"C{n:02d}": [f"2024-01-{n % 27 + 1:02d}"] for n in range(40)}
    with (
        build.warehouse(order_lines=build.order_lines_of(days)) as wh,
        pytest.raises(NotEnoughData, match=r"No candidate can be fitted.*bought on a second day"),
    ):
        compare(wh, as_of=date(2024, 9, 1), models=("bg_nbd", "mbg_nbd"))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"models": ("bg", "nbd")}, "no purchase model 'bg'"),
        ({"models": ()}, "no purchase model ''"),
        ({"horizon_days": 0}, "horizon_days=0 must be at least 1"),
        ({"max_customers": 5}, "max_customers=5"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(wrong: dict[str, object], complaint: str) -> None:
    with Warehouse.open() as wh, pytest.raises(UsageError, match=complaint):
        compare(wh, as_of=date(2024, 1, 1), **wrong)  # type: ignore[arg-type]


def test_no_score_is_missing_for_a_candidate(judged: Comparison) -> None:
    figures = judged.models.loc[list(PLAIN)].drop(columns="verdict").astype(float)
    assert np.isfinite(figures.to_numpy()).all()
