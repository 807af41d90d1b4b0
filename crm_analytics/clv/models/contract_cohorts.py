"""Do cohorts of contracts differ in how long they last?  One shifted beta-geometric model for all, one each.

Input: lives as in shifted_beta_geo.py with the column that names the cohort; `lives_from_survivors` makes
them from a table of how many contracts were left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from crm_analytics.clv.models.patterns import checked_weights, number_column
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError
from crm_analytics.modelling.arguments import future_days, instance, refuse_no_table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CohortFits:
    """One model for all cohorts, one per cohort, and whether the cohorts differ.

    Attributes
    ----------
    pooled : ShiftedBetaGeoModel
        Fitted to all.
    by_cohort : dict
        Cohort -> model fitted to it alone; cohorts that identify no model are in `left_out`.
    left_out : dict
        Cohort -> why it has no model of its own.
    likelihood_ratio : float
        Twice the gain in log-likelihood of one model per fitted cohort over one for all of these.
    p_value : float
        Chance of such a gain if these cohorts were alike (chi-squared, 2 parameters per further cohort).
    """

    pooled: ShiftedBetaGeoModel
    by_cohort: dict[object, ShiftedBetaGeoModel]
    left_out: dict[object, str]
    likelihood_ratio: float
    p_value: float


def fit_cohorts(
    lives: pd.DataFrame,
    weights: Sequence[float] | Floats | pd.Series | None = None,
    *,
    by: str = "cohort",
    period_days: float = 30.0,
) -> CohortFits:
    """Fit one model to all contracts and one to each cohort, and test whether the cohorts differ.

    Parameters
    ----------
    lives : DataFrame
        periods, has_ended, and the column `by`.
    weights : array of shape (rows,), optional
        How many contracts each row stands for; default one.
    by : str
        Column that names the cohort.
    period_days : float
        Setting of the models.

    Examples
    --------
    >>> lives = lives_from_survivors(pd.DataFrame({
    ...     "cohort": ["a"] * 4 + ["b"] * 4, "period": [0, 1, 2, 3] * 2,
    ...     "customers": [1000, 631, 468, 382, 1000, 869, 743, 653]}))
    >>> fits = fit_cohorts(lives, weights=lives["customer_count"], period_days=365)
    >>> fits.p_value < 0.001
    True
    """
    refuse_no_table(lives, "lives")
    instance("by", by, str, "the name of a column")
    future_days(period_days, "period_days")
    if by not in lives.columns:
        raise UsageError(f"by={by!r}: the lives have no such column that names the cohort.")
    weight = checked_weights(lives, weights)
    fitted: dict[object, ShiftedBetaGeoModel] = {}
    left_out: dict[object, str] = {}
    among = np.zeros(len(lives), dtype=bool)
    for cohort, rows in lives.groupby(by, sort=True).indices.items():
        try:
            fitted[cohort] = ShiftedBetaGeoModel(period_days).fit(lives.iloc[rows], weight[rows])
            among[rows] = True
        except (DegenerateCohortError, NotEnoughData) as problem:
            left_out[cohort] = str(problem)
    pooled = ShiftedBetaGeoModel(period_days).fit(lives, weight)
    together = pooled
    if fitted and left_out:
        together = ShiftedBetaGeoModel(period_days).fit(lives[among], weight[among])
    separate = sum(model.log_likelihood_ for model in fitted.values())
    gain = max(2.0 * (separate - together.log_likelihood_), 0.0) if len(fitted) > 1 else 0.0
    p_value = float(chdtrc(2.0 * (len(fitted) - 1), gain)) if len(fitted) > 1 else 1.0
    return CohortFits(pooled, fitted, left_out, gain, p_value)


def lives_from_survivors(survivors: pd.DataFrame) -> pd.DataFrame:
    """Return lives from a table of how many customers were left.

    Parameters
    ----------
    survivors : DataFrame
        period (0, 1, 2, ... without a gap; 0 = the start), customers (how many were left after so many
        periods), and, where there are several cohorts, cohort.

    Returns
    -------
    DataFrame
        cohort, periods, has_ended, customer_count (the weight of the row).

    Raises
    ------
    UsageError
        A column is missing, a period is missing or twice there, or the customers become more.

    Examples
    --------
    >>> lives_from_survivors(pd.DataFrame({"period": [0, 1, 2], "customers": [100, 60, 45]})
    ...     )[["periods", "has_ended", "customer_count"]].values.tolist()
    [[1, True, 40.0], [2, True, 15.0], [2, False, 45.0]]
    """
    if not isinstance(survivors, pd.DataFrame) or not {"period", "customers"} <= set(survivors.columns):
        given = list(survivors) if isinstance(survivors, pd.DataFrame) else type(survivors).__name__
        raise UsageError(
            "survivors must be a table (pandas DataFrame) with the columns period (0, 1, 2, ...) and "
            f"customers (how many were left), got {given}."
        )
    table = pd.DataFrame(
        {
            "cohort": survivors.get("cohort", "all"),
            "period": number_column(survivors, "period"),
            "customers": number_column(survivors, "customers"),
        },
        index=survivors.index,
    )
    rows = []
    for cohort, part in table.groupby("cohort", sort=True):
        part = part.sort_values("period")
        left = part["customers"].to_numpy()
        if part["period"].tolist() != list(range(len(part))):
            raise UsageError(f"Cohort {cohort}: the periods must be 0, 1, 2, ... without a gap or a repeat.")
        if not np.isfinite(left).all() or (left < 0).any() or (np.diff(left) > 0).any():
            raise UsageError(f"Cohort {cohort}: the customers left must be counts that never grow.")
        gone = -np.diff(left)
        rows += [(cohort, t, True, float(count)) for t, count in enumerate(gone, start=1)]
        rows.append((cohort, len(gone), False, float(left[-1])))
    return pd.DataFrame(rows, columns=["cohort", "periods", "has_ended", "customer_count"])
