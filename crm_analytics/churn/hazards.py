"""How likely does a contract end soon, given its age and what is known of the customer?  Two hazard models.

- `fit_hazard`: discrete time. Every period a life has entered is a row, ended there or not, and a logistic
  regression of these rows is the hazard (Cox 1972; Singer and Willett 1993, Journal of Educational
  Statistics 18(2)). Age enters as its logarithm, so it says something beyond the longest life seen.
- `fit_cox`: proportional hazards, no shape assumed for age (Cox 1972, Journal of the Royal Statistical
  Society B 34(2); Breslow's baseline; ties after Efron). Says nothing beyond the longest life seen: the
  hazard there is that of the last days known.

Lives are days from the beginning to the end, or to the day we stand on for those that run (censored).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.modelling.logistic import LogisticModel, fit_logistic
from crm_analytics.warehouse import SqlFile, Warehouse

Floats = NDArray[np.float64]
PERIOD_DAYS = 30
_AGE = "age_days"
# Above so many person-periods the rows are those of lives drawn by their place: more change no weight.
MAX_ROWS = 500_000


def contract_durations(wh: Warehouse, *, as_of: date, known_at: datetime | None = None) -> pd.DataFrame:
    """Return the life of every contract begun before `as_of`.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen; contracts that run on the day before are censored here.
    known_at : datetime, optional
        What was recorded later is left out.

    Returns
    -------
    DataFrame
        ``contract_id, customer_id, life_days`` (at least 1), ``is_ended``, ``end_kind`` (voluntary,
        involuntary, or missing while it runs).

    Examples
    --------
    >>> len(contract_durations(Warehouse.open(), as_of=date(2024, 1, 1)))
    0
    """
    return wh.frame(SqlFile.beside(__file__, "contract_durations.sql"), as_of=as_of, known_at=known_at)


@dataclass(frozen=True)
class DiscreteHazard:
    """Hazard per period as a logistic regression on age and, if given, other columns.

    Attributes
    ----------
    model : LogisticModel
        Its first column is the age at the beginning of the period, days.
    period_days : int
        Length of a period.
    """

    model: LogisticModel
    period_days: int

    def probability_within(
        self, age_days: ArrayLike, *, horizon_days: int, frame: pd.DataFrame | None = None
    ) -> Floats:
        """Return the probability of ending within the horizon, given the age reached.

        Parameters
        ----------
        age_days : array of float, shape (n,)
            Age now.
        horizon_days : int
            Window to come; a part of a period counts in proportion of its cumulative hazard.
        frame : DataFrame, optional
            The other columns the model was fitted on, held as they are now.
        """
        age = np.asarray(age_days, dtype=np.float64)
        total = np.zeros(len(age))
        done = 0
        while done < horizon_days:
            step = min(self.period_days, horizon_days - done)
            rows = pd.DataFrame({_AGE: age + done}) if frame is None else _with_age(frame, age + done)
            kept = 1.0 / (1.0 + np.exp(np.clip(self.model.log_odds(rows), -700.0, 700.0)))
            total = total - np.log(np.maximum(kept, 1e-300)) * (step / self.period_days)
            done += step
        return np.asarray(-np.expm1(-total), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {"model": self.model.to_dict(), "period_days": self.period_days}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> DiscreteHazard:
        """Rebuild what `to_dict` gave."""
        return cls(LogisticModel.from_dict(stored["model"]), int(stored["period_days"]))


def fit_hazard(
    life_days: ArrayLike,
    is_ended: ArrayLike,
    *,
    frame: pd.DataFrame | None = None,
    period_days: int = PERIOD_DAYS,
) -> DiscreteHazard:
    """Fit a discrete-time hazard.

    Parameters
    ----------
    life_days : array of float, shape (n,)
        Length of each life so far, more than 0.
    is_ended : array of bool
        False = still running (censored).
    frame : DataFrame, optional
        Other numeric columns, one row per life; they are taken as they were for its whole length.
    period_days : int, default 30
        Length of a period.

    Raises
    ------
    NotEnoughData
        No life has ended, or each ended in its first period.
    UsageError
        Lengths differ, or a life is not positive.

    Examples
    --------
    >>> hazard = fit_hazard([40, 80, 100, 300, 300, 300], [1, 1, 1, 0, 0, 0])
    >>> bool(0 < hazard.probability_within([90], horizon_days=60)[0] < 0.5)
    True
    """
    life, ended = _checked(life_days, is_ended, frame)
    count = np.ceil(life / period_days).astype(np.int64)
    step = max(1, -(-int(count.sum()) // MAX_ROWS))
    drawn = np.arange(len(life)) % step == 0
    life, ended, count = life[drawn], ended[drawn], count[drawn]
    row = np.repeat(np.arange(len(life)), count)
    period = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    outcome = (ended[row] & (period == count[row] - 1)).astype(np.float64)
    if frame is None:
        # equal rows are one row with a weight: there are two per period
        table = pd.DataFrame({_AGE: period * float(period_days), "ended": outcome})
        table = table.groupby([_AGE, "ended"], as_index=False, sort=True).size()
        model = fit_logistic(table[[_AGE]], table["ended"].to_numpy(), row_weights=table["size"].to_numpy())
    else:
        rows = _with_age(frame[drawn].iloc[row], period * float(period_days))
        model = fit_logistic(rows, outcome)
    return DiscreteHazard(model, period_days)


@dataclass(frozen=True)
class CoxModel:
    """Proportional hazards.

    Attributes
    ----------
    columns : tuple of str
        Columns it needs.
    log_hazard_ratios, standard_errors : tuple of float
        Per unit of each column.
    means : tuple of float
        Mean of each column where the baseline holds.
    days, baseline : tuple of float
        Days on which a life ended, and the cumulative hazard up to each for a life at the means.
    """

    columns: tuple[str, ...]
    log_hazard_ratios: tuple[float, ...]
    standard_errors: tuple[float, ...]
    means: tuple[float, ...]
    days: tuple[float, ...]
    baseline: tuple[float, ...]

    def hazard_ratio(self, frame: pd.DataFrame) -> Floats:
        """Return each row's hazard as a multiple of that of a life at the means."""
        values = frame[list(self.columns)].to_numpy(dtype=np.float64) - np.asarray(self.means)
        return np.asarray(np.exp(values @ np.asarray(self.log_hazard_ratios)), dtype=np.float64)

    def probability_within(self, age_days: ArrayLike, *, horizon_days: int, frame: pd.DataFrame) -> Floats:
        """Return the probability of ending within the horizon, given the age reached.

        Beyond the longest life seen the cumulative hazard grows as it did on average before.
        """
        age = np.asarray(age_days, dtype=np.float64)
        gain = self._cumulative(age + horizon_days) - self._cumulative(age)
        return np.asarray(-np.expm1(-gain * self.hazard_ratio(frame)), dtype=np.float64)

    def _cumulative(self, days: Floats) -> Floats:
        known = np.asarray(self.days)
        steps = np.r_[0.0, np.asarray(self.baseline)]
        found = steps[np.searchsorted(known, days, side="right")]
        beyond = np.maximum(days - known[-1], 0.0) * steps[-1] / known[-1]
        return np.asarray(found + beyond, dtype=np.float64)


def fit_cox(
    life_days: ArrayLike,
    is_ended: ArrayLike,
    frame: pd.DataFrame,
    *,
    entered_days: ArrayLike | None = None,
) -> CoxModel:
    """Fit proportional hazards with statsmodels (ties after Efron).

    Parameters
    ----------
    life_days : array of float, shape (n,)
        Length of each life so far, more than 0.
    is_ended : array of bool
        False = still running (censored).
    frame : DataFrame
        Numeric columns without gaps, one row per life; a column that never varies gets no weight.
    entered_days : array of float, optional
        Age at which each life came under observation; those that ended before are not in the data.

    Raises
    ------
    NotEnoughData
        No life has ended, or no column varies.
    UsageError
        Lengths differ, a life is not positive, or a column has gaps.

    Examples
    --------
    >>> plans = pd.DataFrame({"monthly": [1, 1, 1, 1, 0, 0, 0, 0]})
    >>> model = fit_cox([10, 20, 30, 90, 40, 80, 90, 90], [1, 1, 1, 0, 1, 1, 0, 0], plans)
    >>> model.log_hazard_ratios[0] > 0
    True
    """
    from statsmodels.duration.hazard_regression import PHReg

    life, ended = _checked(life_days, is_ended, frame)
    if frame.isna().any(axis=None):
        gaps = [str(name) for name in frame.columns if frame[name].isna().any()]
        raise UsageError(f"fit_cox: {', '.join(gaps)} have gaps. Fill them, or leave the columns out.")
    columns = [str(name) for name in frame.columns if frame[name].nunique() > 1]
    if not columns:
        raise NotEnoughData("fit_cox: no column varies, so no life can be told from another.")
    values = frame[columns].to_numpy(dtype=np.float64)
    means = values.mean(axis=0)
    entry = None if entered_days is None else np.asarray(entered_days, dtype=np.float64)
    found = PHReg(life, values - means, status=ended.astype(int), entry=entry, ties="efron").fit(disp=False)
    beta = np.asarray(found.params, dtype=np.float64)
    days, baseline = _breslow(life, ended, np.exp((values - means) @ beta), entry)
    return CoxModel(
        tuple(columns),
        tuple(map(float, beta)),
        tuple(map(float, np.asarray(found.bse))),
        tuple(map(float, means)),
        tuple(map(float, days)),
        tuple(map(float, baseline)),
    )


def _breslow(
    life: Floats, ended: NDArray[np.bool_], ratio: Floats, entry: Floats | None
) -> tuple[Floats, Floats]:
    """Return the days with an end and the cumulative hazard: ends / sum of the ratios at risk, added up."""
    days = np.unique(life[ended])
    ends = np.array([float(np.sum(ended & (life == day))) for day in days])
    order = np.argsort(life, kind="stable")
    tail = np.cumsum(ratio[order][::-1])[::-1]
    at_risk = tail[np.searchsorted(life[order], days, side="left")]
    if entry is not None:
        late = np.argsort(entry, kind="stable")
        later = np.r_[np.cumsum(ratio[late][::-1])[::-1], 0.0]
        at_risk = at_risk - later[np.searchsorted(entry[late], days, side="left")]
    return days, np.cumsum(ends / at_risk)


def _checked(
    life_days: ArrayLike, is_ended: ArrayLike, frame: pd.DataFrame | None
) -> tuple[Floats, NDArray[np.bool_]]:
    life = np.asarray(life_days, dtype=np.float64)
    ended = np.asarray(is_ended).astype(bool)
    if life.shape != ended.shape or (frame is not None and len(frame) != len(life)):
        raise UsageError(f"{len(life)} lives, {len(ended)} ends: each life needs one of both, and one row.")
    if not (life > 0.0).all():
        raise UsageError("A life is not longer than 0 days. Count the first day as one.")
    if not ended.any():
        raise NotEnoughData(f"None of {len(life)} lives has ended, so there is no hazard to learn.")
    return life, ended


def _with_age(frame: pd.DataFrame, age: Floats) -> pd.DataFrame:
    rows = frame.reset_index(drop=True)
    rows.insert(0, _AGE, age)
    return rows
