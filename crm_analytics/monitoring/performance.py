"""What did earlier nights predict, and what came since?  From the scores they kept and the facts known today.

Nothing is fitted again: expected purchases and revenue up to today, and their limits, come from the models
that a night kept (`crm_analytics.clv.kept_models`) and the histories it scored; churn is judged where the
horizon has ended. Revenue is not discounted. A customer who was merged into another since counts under that
one's purchases; orders that came in late count, edits and returns too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from crm_analytics import clv
from crm_analytics.errors import UsageError
from crm_analytics.modelling.evaluate import evaluate, reliability
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.run_log import published_nights

VALUE_COLUMNS = (
    "as_of", "elapsed_days", "customer_count", "model",
    "expected_purchases", "expected_purchases_low", "expected_purchases_high", "purchase_day_count",
    "expected_revenue", "expected_revenue_low", "expected_revenue_high", "net_spend", "told",
)  # fmt: skip
CHURN_METRICS = ("auc", "log_loss", "calibration_in_the_large")
_DEFAULT_HORIZON = 90


def value_performance(
    wh: Warehouse, *, as_of: date, nights: Sequence[date] | None = None, level: float = 0.9
) -> pd.DataFrame:
    """Compare purchases and revenue that earlier nights expected up to `as_of` with those that came.

    Parameters
    ----------
    wh : Warehouse
        With the scores of earlier nights; a published copy will do.
    as_of : date
        First day not seen: what came before it is known.
    nights : sequence of date, optional
        Nights to judge; default: every published one before `as_of`. One that kept no models is left out.
    level : float, default 0.9
        Probability inside the limits.

    Returns
    -------
    DataFrame
        One row per night, oldest first. as_of; elapsed_days of its horizon; customer_count scored; model;
        expected_purchases (days with a purchase) of these customers in the elapsed days and its limits,
        purchase_day_count that came; expected_revenue with limits, net_spend that came (reporting currency;
        missing where no price is known); told in words.

    Examples
    --------
    >>> value_performance(Warehouse.open(), as_of=date(2024, 1, 1)).empty
    True
    """
    rows = []
    for night in _judged(wh, as_of, nights):
        models = clv.kept_models(wh, as_of=night)
        if models is not None:
            row = _value_of(wh, night, as_of, models, level)
            rows += [row] if row else []
    return pd.DataFrame(rows, columns=list(VALUE_COLUMNS))


def churn_performance(
    wh: Warehouse,
    *,
    as_of: date,
    nights: Sequence[date] | None = None,
    horizon_days: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge churn probabilities whose horizon has ended before `as_of` by who really came back.

    Parameters
    ----------
    wh, as_of, nights
        As of `value_performance`.
    horizon_days : int, optional
        Horizon of the probabilities; default: what the settings of each night said, else 90.
    seed : int, default 0
        Seed of the intervals.

    Returns
    -------
    DataFrame
        One row per night, oldest first. as_of; horizon_days; customer_count; expected_rate and churn_rate
        (mean probability and share that left, 0..1); auc, log_loss and calibration_in_the_large (expected /
        observed leavers), each with 95 % limits ``_low`` and ``_high``; told in words. See
        `crm_analytics.modelling.evaluate`.

    Examples
    --------
    >>> churn_performance(Warehouse.open(), as_of=date(2024, 1, 1)).empty
    True
    """
    settings = published_nights(wh)
    rows = []
    for night in _judged(wh, as_of, nights):
        days = horizon_days or settings.get(night, {}).get("churn", {}).get("horizon_days", _DEFAULT_HORIZON)
        found = _churn_frame(wh, night, days) if night + timedelta(days=days) <= as_of else pd.DataFrame()
        if found.empty:
            continue
        measured = evaluate(found["churned"], found["churn_probability"], seed=seed)
        row = {
            "as_of": night,
            "horizon_days": days,
            "customer_count": len(found),
            "expected_rate": float(found["churn_probability"].mean()),
            "churn_rate": float(found["churned"].mean()),
        }
        for name in CHURN_METRICS:
            metric = measured[name]
            row |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
        rows.append(row | {"told": _churn_told(row)})
    metrics = [f"{name}{end}" for name in CHURN_METRICS for end in ("", "_low", "_high")]
    names = ["as_of", "horizon_days", "customer_count", "expected_rate", "churn_rate", *metrics, "told"]
    return pd.DataFrame(rows, columns=names)


def churn_reliability(
    wh: Warehouse, *, night: date, horizon_days: int = 90, groups: int = 10
) -> pd.DataFrame:
    """Return predicted and observed churn of one night in groups; see `modelling.evaluate.reliability`.

    Parameters
    ----------
    wh : Warehouse
        With the scores of the night, and what was bought since.
    night : date
        Which night; its horizon must have ended.
    horizon_days : int, default 90
        Horizon of its probabilities.
    groups : int, default 10
        At most so many groups of about equal size.

    Raises
    ------
    UsageError
        That night kept no churn probabilities.

    Examples
    --------
    >>> churn_reliability(Warehouse.open(), night=date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.UsageError: There are no churn probabilities of 2024-01-01. Name a night ...
    """
    found = _churn_frame(wh, night, horizon_days)
    if found.empty:
        raise UsageError(
            f"There are no churn probabilities of {night.isoformat()}. Name a night that has some."
        )
    return reliability(found["churned"], found["churn_probability"], groups=groups)


def _judged(wh: Warehouse, as_of: date, nights: Sequence[date] | None) -> list[date]:
    return sorted(night for night in (published_nights(wh) if nights is None else nights) if night < as_of)


def _value_of(
    wh: Warehouse, night: date, as_of: date, models: clv.Models, level: float
) -> dict[str, Any] | None:
    horizon = wh.value("select max(horizon_days) from scores.clv where as_of = $night", night=night)
    if horizon is None:
        return None
    until = min(as_of, night + timedelta(days=int(horizon)))
    file = SqlFile.beside(clv.__file__, "value_and_purchases.sql")
    known = wh.frame(file, as_of=night, until_on=until)
    known = known[known["is_scored"].astype(bool)].reset_index(drop=True)
    days = (until - night).days
    expected = clv.group_totals(
        known,
        models,
        np.zeros(len(known), dtype=np.intp),
        horizon_days=days,
        annual_discount_rate=0.0,
        level=level,
    ).iloc[0]
    came, spent = int(known["purchase_day_count"].sum()), _sum(known["net_spend"])
    row: dict[str, Any] = {
        "as_of": night,
        "elapsed_days": days,
        "customer_count": len(known),
        "model": "mean_rate" if models.purchase_fallback else models.purchases.name,
        "purchase_day_count": came,
        "net_spend": spent,
    }
    for end in ("", "_low", "_high"):
        row[f"expected_purchases{end}"] = float(expected[f"expected_purchases{end}"])
        row[f"expected_revenue{end}"] = float(expected[f"lifetime_revenue{end}"])
    return row | {"told": _value_told(row)}


def _sum(amounts: pd.Series) -> float:
    return float(sum(amounts)) if amounts.notna().all() else float("nan")


def _churn_frame(wh: Warehouse, night: date, days: int) -> pd.DataFrame:
    file = SqlFile.beside(__file__, "churn_and_purchases.sql")
    return wh.frame(file, as_of=night, until_on=night + timedelta(days=days))


def _value_told(row: dict[str, Any]) -> str:
    parts = [_placed("purchases", row, "expected_purchases", "purchase_day_count")]
    if np.isfinite([row["expected_revenue"], row["net_spend"]]).all():
        parts.append(_placed("revenue", row, "expected_revenue", "net_spend"))
    return (
        f"the night of {row['as_of']} expected of the {row['elapsed_days']} days after it {'; '.join(parts)}"
    )


def _placed(what: str, row: dict[str, Any], expected: str, came: str) -> str:
    middle, low, high, seen = (row[n] for n in (expected, f"{expected}_low", f"{expected}_high", came))
    where = "fewer" if seen < low else "more" if seen > high else "as expected"
    if what == "revenue" and where == "fewer":
        where = "less"
    return f"{what} of {middle:,.0f} ({low:,.0f} to {high:,.0f}), {seen:,.0f} came: {where}"


def _churn_told(row: dict[str, Any]) -> str:
    ratio = row["calibration_in_the_large"]
    low, high = (row[f"calibration_in_the_large_{end}"] for end in ("low", "high"))
    verdict = "as many as expected" if low <= 1.0 <= high else "more" if ratio < 1.0 else "fewer"
    return (
        f"the night of {row['as_of']} expected {100 * row['expected_rate']:.1f} % of "
        f"{row['customer_count']:,} customers to leave in {row['horizon_days']} days, "
        f"{100 * row['churn_rate']:.1f} % left: {verdict} (AUC {row['auc']:.2f})"
    )
