"""How good would the prediction have been?  A model fitted up to a day, compared with what happened after it.

Calibration sees everything before `calibration_end`; the holdout is the holdout_days from there on, of the
customers seen before.  Purchases are days with a purchase.  Mean absolute error alone is a poor yardstick (on
CDNOW "nobody buys again" has .798, the models .75 to .79), so totals, bands of frequency and rank correlation
stand beside it, and so do the naive answers: nobody buys again (zero), and everybody goes on at the rate so
far (same rate again, x / T).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from crm_analytics.clv.customer_summary import summary as summarise
from crm_analytics.clv.models import MODELS
from crm_analytics.errors import NotEnoughData
from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse

HIGHEST_BAND = 7


@dataclass(frozen=True)
class Holdout:
    """Predicted against actual purchases.

    Attributes
    ----------
    calibration_end : date
        First day of the holdout.
    holdout_days : int
        Its length.
    metrics : DataFrame
        Index: the models asked for, then zero and same_rate. Columns: expected and actual (totals), bias
        (expected / actual - 1; missing if nobody bought), mae, rmse, correlation, rank_correlation (both
        missing for zero).
    by_frequency : DataFrame
        Index: purchases in calibration, 0, 1, ... 7 (7 or more). Columns: customers, actual (mean per
        customer) and the mean prediction of each model.
    customers : DataFrame
        One row per customer: customer_id, frequency, actual and each prediction.
    """

    calibration_end: date
    holdout_days: int
    metrics: pd.DataFrame
    by_frequency: pd.DataFrame
    customers: pd.DataFrame


def holdout(
    wh: Warehouse,
    *,
    calibration_end: date,
    holdout_days: int,
    models: tuple[str, ...] = ("bg_nbd", "mbg_nbd"),
) -> Holdout:
    """Fit models to all orders before calibration_end and compare them with the holdout_days after it.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are; they should reach to the end of the holdout.
    calibration_end : date
        First day not seen by the fit, and the first day of the holdout.
    holdout_days : int
        Length of the holdout, at least 1.
    models : tuple of str
        Keys of `crm_analytics.clv.models.MODELS`.

    Returns
    -------
    Holdout
        What each model predicted beside what came.

    Raises
    ------
    NotEnoughData
        Nobody bought before calibration_end, nobody bought twice, or no order reaches into the holdout.

    Examples
    --------
    >>> from datetime import date
    >>> with Warehouse.open(":memory:") as wh:
    ...     holdout(wh, calibration_end=date(2024, 1, 1), holdout_days=90)
    Traceback (most recent call last):
        ...
    crm_analytics.errors.NotEnoughData: Nobody bought before 2024-01-01; choose a later calibration_end.
    """
    holdout_days = arguments.whole("holdout_days", holdout_days, least=1, what=" of days")
    calibration_end = arguments.day("calibration_end", calibration_end)
    models = tuple(arguments.some_of("models", models, MODELS))
    summary = summarise(wh, as_of=calibration_end)
    if summary.empty:
        raise NotEnoughData(f"Nobody bought before {calibration_end}; choose a later calibration_end.")
    bought = wh.frame(
        SqlFile.beside(__file__, "holdout.sql"),
        as_of=calibration_end,
        horizon_days=holdout_days,
    )
    if bought.empty:
        raise NotEnoughData(
            f"No order lies in the {holdout_days} days from {calibration_end} on. "
            "Choose an earlier calibration_end."
        )
    actual = bought.set_index("customer_id")["purchase_day_count"]
    return compare_predictions(
        summary.assign(actual=actual.reindex(summary["customer_id"]).fillna(0).to_numpy(dtype=np.int64)),
        calibration_end=calibration_end,
        holdout_days=holdout_days,
        models=models,
    )


def compare_predictions(
    summary: pd.DataFrame, *, calibration_end: date, holdout_days: int, models: tuple[str, ...]
) -> Holdout:
    """Fit models to a summary that also has the column actual (purchases in the holdout), and compare.

    Raises
    ------
    UsageError
        A model is unknown.
    DegenerateCohortError
        The summary cannot identify a model.
    """
    age = np.maximum(summary["T"].to_numpy(dtype=np.float64), 1.0)
    predictions = {
        name: MODELS[name]().fit(summary).expected_purchases(summary, horizon_days=holdout_days)
        for name in models
    } | {
        "zero": pd.Series(0.0, index=summary.index),
        "same_rate": summary["frequency"] * holdout_days / age,
    }
    customers = summary[["customer_id", "frequency", "actual"]].assign(**predictions)
    band = customers["frequency"].clip(upper=HIGHEST_BAND).rename("frequency")
    means = customers[["actual", *predictions]].groupby(band).mean()
    means.insert(0, "customers", customers.groupby(band).size())
    metrics = pd.DataFrame({name: _metrics(customers[name], customers["actual"]) for name in predictions}).T
    return Holdout(calibration_end, holdout_days, metrics, means, customers)


def _metrics(expected: pd.Series, actual: pd.Series) -> dict[str, float]:
    error = expected - actual
    total = float(actual.sum())
    varied = expected.nunique() > 1 and actual.nunique() > 1
    return {
        "expected": float(expected.sum()),
        "actual": total,
        "bias": float(expected.sum()) / total - 1.0 if total else np.nan,
        "mae": float(error.abs().mean()),
        "rmse": float((error**2).mean()) ** 0.5,
        "correlation": float(expected.corr(actual)) if varied else np.nan,
        "rank_correlation": float(expected.rank().corr(actual.rank())) if varied else np.nan,
    }
