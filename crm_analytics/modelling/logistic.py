"""Which weights explain the outcome?  Ridge logistic regression that can be read and rebuilt to the bit.

Columns are compressed (sign(x) ln(1 + |x|)), standardised, and held within four standard deviations of
what was seen in training; a missing value stands at the mean and, where training rows lacked it too, has a
weight of its own. Fitting is scikit-learn's with one BLAS thread (its result depends on the number of
threads otherwise); prediction adds column by column, so that a customer's score does not depend on who
else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_analytics.errors import NotEnoughData, UsageError

Floats = NDArray[np.float64]
_LIMIT = 4.0
_LEVEL_UNIT = 3.0


@dataclass(frozen=True)
class LogisticModel:
    """A fitted logistic regression; all tuples run parallel to `columns`.

    Attributes
    ----------
    columns : tuple of str
        Columns it needs.
    center, scale : tuple of float
        Mean and standard deviation of the compressed column; scale 0 = the column never varied and is not
        used.
    weights : tuple of float
        Change of the log-odds per standard deviation.
    missing_weights : tuple of float
        Change of the log-odds where the value is missing.
    intercept : float
        Log-odds of a row that stands at every mean.
    """

    columns: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    missing_weights: tuple[float, ...]
    intercept: float

    def contributions(self, frame: pd.DataFrame) -> Floats:
        """Return each column's part of the log-odds, shape (rows, columns); they and the intercept add up."""
        parts = np.zeros((len(frame), len(self.columns)))
        for number, column in enumerate(self.columns):
            if self.scale[number] > 0.0:
                values, missing = _standardised(
                    _numbers(frame, column), self.center[number], self.scale[number]
                )
                parts[:, number] = np.where(
                    missing, self.missing_weights[number], self.weights[number] * values
                )
        return parts

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """Return the log-odds of each row."""
        total = np.full(len(frame), self.intercept)
        parts = self.contributions(frame)
        for number in range(len(self.columns)):
            total = total + parts[:, number]
        return total

    def probability(self, frame: pd.DataFrame) -> Floats:
        """Return the probability of the event for each row."""
        return sigmoid(self.log_odds(frame))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> LogisticModel:
        """Rebuild what `to_dict` gave."""
        return cls(
            columns=tuple(stored["columns"]),
            center=tuple(stored["center"]),
            scale=tuple(stored["scale"]),
            weights=tuple(stored["weights"]),
            missing_weights=tuple(stored["missing_weights"]),
            intercept=float(stored["intercept"]),
        )


def fit_logistic(
    frame: pd.DataFrame,
    outcome: ArrayLike,
    *,
    l2: float = 1.0,
    row_weights: ArrayLike | None = None,
) -> LogisticModel:
    """Fit a ridge logistic regression on the columns of `frame`.

    Parameters
    ----------
    frame : DataFrame
        Numeric columns; NaN = unknown. The bits of the result depend on the order of rows, so sort them
        first.
    outcome : array of 0 and 1
        1 = the event happened; both must occur.
    l2 : float, default 1.0
        Strength of the penalty on standardised weights (1 = a normal prior of variance 1).
    row_weights : array of float, optional
        How many rows each row stands for; default 1.

    Raises
    ------
    NotEnoughData
        Only one class, or no rows.

    Examples
    --------
    >>> days = pd.DataFrame({"days": [1.0, 2.0, 50.0, 60.0]})
    >>> model = fit_logistic(days, [0, 0, 1, 1])
    >>> bool(model.probability(pd.DataFrame({"days": [80.0]}))[0] > 0.5)
    True
    """
    columns = tuple(frame.columns)
    y, weight = _outcome(frame, outcome, row_weights)
    center, scale, design, has_gaps = _design(frame, weight)
    slopes, intercept = _weights(design, y, weight, l2)
    return _model(columns, center, scale, has_gaps, slopes, intercept)


def fit_logistic_by_group(
    frame: pd.DataFrame, outcome: ArrayLike, groups: ArrayLike, *, l2: float = 1.0
) -> tuple[LogisticModel, Floats]:
    """Fit a ridge logistic regression in which every group of rows has a level of its own.

    Parameters
    ----------
    frame, outcome, l2
        As for `fit_logistic`.
    groups : array
        Group of each row, for example the day of its cutoff.

    Returns
    -------
    (LogisticModel, array)
        The model without the levels, and the level of each group (in the sorted order of their names):
        what is added to the log-odds of its rows.

    Examples
    --------
    >>> rows = pd.DataFrame({"days": [1.0, 9.0, 2.0, 8.0, 1.0, 9.0, 2.0, 8.0]})
    >>> model, levels = fit_logistic_by_group(rows, [0, 1, 0, 1, 0, 0, 0, 1], [1, 1, 1, 1, 2, 2, 2, 2])
    >>> bool(levels[0] > levels[1])
    True
    """
    y, weight = _outcome(frame, outcome, None)
    center, scale, design, has_gaps = _design(frame, weight)
    members = (np.asarray(groups)[:, None] == np.unique(np.asarray(groups))[None, :]).astype(np.float64)
    # Levels are held back a tenth as much as the weights: they are many rows' common truth, not noise.
    slopes, intercept = _weights(np.column_stack([design, members * _LEVEL_UNIT]), y, weight, l2)
    model = _model(tuple(frame.columns), center, scale, has_gaps, slopes[: design.shape[1]], intercept)
    return model, slopes[design.shape[1] :] * _LEVEL_UNIT


def _outcome(frame: pd.DataFrame, outcome: ArrayLike, row_weights: ArrayLike | None) -> tuple[Floats, Floats]:
    y = np.asarray(outcome, dtype=np.float64)
    if len(frame) != len(y):
        raise UsageError(f"{len(frame)} rows of features for {len(y)} outcomes.")
    events = int(np.sum(y == 1.0))
    if events in (0, len(y)):
        raise NotEnoughData(f"{events} events in {len(y)} rows: a model needs both outcomes.")
    return y, np.ones(len(y)) if row_weights is None else np.asarray(row_weights, dtype=np.float64)


def _weights(design: Floats, y: Floats, weight: Floats, l2: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if design.shape[1] == 0:
        design = np.zeros((len(y), 1))
    with threadpool_limits(limits=1):
        found = LogisticRegression(C=1.0 / l2, max_iter=1000, tol=1e-8).fit(design, y, sample_weight=weight)
    return np.asarray(found.coef_[0], dtype=np.float64), float(found.intercept_[0])


def _model(
    columns: tuple[str, ...],
    center: tuple[float, ...],
    scale: tuple[float, ...],
    has_gaps: tuple[bool, ...],
    slopes: Floats,
    intercept: float,
) -> LogisticModel:
    rest = iter(slopes)
    weights = tuple(float(next(rest)) if spread > 0.0 else 0.0 for spread in scale)
    gaps = tuple(float(next(rest)) if gap else 0.0 for gap in has_gaps)
    return LogisticModel(columns, center, scale, weights, gaps, intercept)


def sigmoid(log_odds: Floats) -> Floats:
    """Return 1 / (1 + exp(-z)) without overflow.

    Examples
    --------
    >>> [float(p) for p in sigmoid(np.array([0.0, 1000.0, -1000.0]))]
    [0.5, 1.0, 0.0]
    """
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0.0, 1.0 / (1.0 + small), small / (1.0 + small))


def _design(
    frame: pd.DataFrame, weight: Floats
) -> tuple[tuple[float, ...], tuple[float, ...], Floats, tuple[bool, ...]]:
    center, scale, values, gaps, has_gaps = [], [], [], [], []
    for column in frame.columns:
        raw = _numbers(frame, column)
        known = ~np.isnan(raw)
        compressed = _compressed(raw[known])
        total = float(np.sum(weight[known]))
        mean = float(np.sum(weight[known] * compressed)) / total if total else 0.0
        variance = float(np.sum(weight[known] * (compressed - mean) ** 2)) / total if total else 0.0
        spread = float(np.sqrt(variance)) if variance > 1e-18 else 0.0
        center.append(mean)
        scale.append(spread)
        has_gaps.append(spread > 0.0 and not bool(known.all()))
        if spread > 0.0:
            standardised, missing = _standardised(raw, mean, spread)
            values.append(standardised)
            if has_gaps[-1]:
                gaps.append(missing.astype(np.float64))
    design = np.column_stack(values + gaps) if values else np.zeros((len(frame), 0))
    return tuple(center), tuple(scale), design, tuple(has_gaps)


def _numbers(frame: pd.DataFrame, column: str) -> Floats:
    return np.ascontiguousarray(frame[column].to_numpy(dtype=np.float64, na_value=np.nan))


def _compressed(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), dtype=np.float64)


def _standardised(raw: Floats, center: float, scale: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return compressed, standardised values (missing: 0, the mean) and where they are missing."""
    missing = np.isnan(raw)
    values = (_compressed(np.where(missing, 0.0, raw)) - center) / scale
    return np.where(missing, 0.0, np.clip(values, -_LIMIT, _LIMIT)), missing
