"""Does the holdout show CDNOW's published table, and say what is missing?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import holdout
from crm_analytics.clv.holdout import compare_predictions
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError
from crm_analytics.warehouse import Warehouse
from tests import build


def test_cdnow_holdout_is_the_published_one(cdnow_warehouse: Warehouse) -> None:
    result = holdout(cdnow_warehouse, calibration_end=date(1997, 10, 1), holdout_days=39 * 7)
    assert result.metrics["actual"].tolist() == [1882.0] * 4
    assert result.metrics["expected"].round(2).to_dict() == {
        "bg_nbd": 1653.41,
        "mbg_nbd": 1576.73,
        "zero": 0.0,
        "same_rate": 2930.10,
    }
    assert result.metrics["mae"].round(3).to_dict() == {
        "bg_nbd": 0.785,
        "mbg_nbd": 0.765,
        "zero": 0.798,
        "same_rate": 1.024,
    }
    bands = result.by_frequency
    assert bands["customers"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    assert bands["actual"].round(4).tolist() == [0.2367, 0.697, 1.3925, 1.56, 2.5323, 2.9474, 3.8621, 6.3594]
    assert bands["bg_nbd"].round(4).tolist() == [
        0.2251,
        0.5231,
        1.0441,
        1.5203,
        2.1639,
        2.6538,
        3.504,
        6.1572,
    ]
    assert result.customers["actual"].sum() == 1882


def test_baselines_have_no_correlation_where_nothing_varies(cdnow: pd.DataFrame) -> None:
    result = compare_predictions(
        cdnow.assign(actual=0), calibration_end=date(1997, 10, 1), holdout_days=10, models=("bg_nbd",)
    )
    assert np.isnan(result.metrics.loc["zero", "correlation"])
    assert np.isnan(result.metrics.loc["bg_nbd", "bias"])
    assert result.metrics.loc["zero", "mae"] == 0.0


def test_what_is_missing_is_said_in_words() -> None:
    lines = build.order_lines_of({"A": ["2024-01-01"], "B": ["2024-02-01"]})
    with build.warehouse(order_lines=lines) as wh:
        with pytest.raises(NotEnoughData, match="Nobody bought before 2023-01-01"):
            holdout(wh, calibration_end=date(2023, 1, 1), holdout_days=30)
        with pytest.raises(NotEnoughData, match="No order lies in the 30 days from 2024-06-01 on"):
            holdout(wh, calibration_end=date(2024, 6, 1), holdout_days=30)
        with pytest.raises(DegenerateCohortError, match="none of the 1 customers bought on a second day"):
            holdout(wh, calibration_end=date(2024, 1, 15), holdout_days=30)
        with pytest.raises(UsageError, match="holdout_days=0 must be a whole number of days >= 1"):
            holdout(wh, calibration_end=date(2024, 1, 15), holdout_days=0)
        with pytest.raises(UsageError, match=r"models=.'pareto'.* must be a list of at least one of nbd"):
            holdout(wh, calibration_end=date(2024, 1, 15), holdout_days=30, models=("pareto",))
