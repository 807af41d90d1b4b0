"""Which different purchase histories are there, how many customers have each, and which rows cannot be true?

A summary has one row per customer (see clv/summary.sql): frequency (days with a purchase after the first),
recency (days from first to last purchase day) and T (days from first purchase to the end of observation).
The likelihoods depend on these three only, so equal rows are merged and carry a weight: a million customers
are some hundred thousand patterns.  Patterns are sorted, and every sum runs in that order, so the order of
the rows changes nothing, not even the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import UsageError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

HISTORY = ("frequency", "recency", "T")


@dataclass(frozen=True)
class Levels:
    """A column as its distinct values (sorted) and the position of each row among them."""

    values: Floats
    position: Indices

    def map(self, function: Callable[[Floats], Floats]) -> Floats:
        """Evaluate a function once per distinct value and return it per row."""
        return np.asarray(function(self.values)[self.position])

    def total(self, weights: Floats) -> Floats:
        """Return the summed weight of each distinct value."""
        return np.asarray(np.bincount(self.position, weights, len(self.values)), dtype=np.float64)


@dataclass(frozen=True)
class Patterns:
    """Distinct histories in ascending order, how many customers have each, and where each row went."""

    frequency: Levels
    recency: Levels
    T: Levels
    weight: Floats
    position: Indices

    @cached_property
    def customers(self) -> float:
        """Number of customers (sum of the weights)."""
        return float(self.weight.sum())

    @cached_property
    def customers_by_frequency(self) -> Floats:
        """Number of customers of each distinct frequency."""
        return self.frequency.total(self.weight)

    @property
    def purchases(self) -> float:
        """Number of repeat purchase days of all customers together."""
        return float((self.customers_by_frequency * self.frequency.values).sum())

    def scaled(self, unit: float) -> Patterns:
        """Return the same patterns with recency and T divided by `unit`."""
        recency = Levels(self.recency.values / unit, self.recency.position)
        return Patterns(
            self.frequency, recency, Levels(self.T.values / unit, self.T.position), self.weight, self.position
        )

    def median_age(self) -> float:
        """Return the T that half of the customers do not exceed (0 if there is nobody)."""
        total = self.T.total(self.weight).cumsum()
        return float(self.T.values[np.searchsorted(total, total[-1] / 2.0)]) if len(total) else 0.0


def distinct_rows(*columns: Floats) -> tuple[list[Floats], Indices]:
    """Return the distinct rows of some columns in ascending order, and the position of every row among them.

    Examples
    --------
    >>> rows, position = distinct_rows(np.array([2.0, 1.0, 2.0]), np.array([5.0, 5.0, 5.0]))
    >>> rows[0].tolist(), position.tolist()
    ([1.0, 2.0], [1, 0, 1])
    """
    order = np.lexsort(columns[::-1])
    is_new = np.ones(len(order), dtype=bool)
    if len(order):
        is_new[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    position = np.empty(len(order), dtype=np.intp)
    position[order] = np.cumsum(is_new) - 1
    return [column[order][is_new] for column in columns], position


def find_patterns(
    summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None
) -> Patterns:
    """Check a summary and merge its equal rows.

    Parameters
    ----------
    summary : DataFrame
        Columns frequency, recency, T; other columns are ignored. Not changed.
    weights : array of shape (rows,), optional
        How many customers each row stands for, >= 0; default one each.

    Raises
    ------
    UsageError
        A column is missing, or a row cannot be true (see `impossible_rows`).
    """
    weight = checked_weights(summary, weights)
    (frequency, recency, age), position = distinct_rows(*possible_histories(summary))
    order = np.lexsort((weight, position))
    return Patterns(
        frequency=levels(frequency),
        recency=levels(recency),
        T=levels(age),
        weight=np.bincount(position[order], weight[order], len(frequency)).astype(np.float64),
        position=position,
    )


def checked_weights(summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None) -> Floats:
    """Return one weight >= 0 per row of the summary (one each if None)."""
    weight = np.ones(len(summary)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (len(summary),) or not np.isfinite(weight).all() or (weight < 0).any():
        raise UsageError(
            f"weights must be one finite number >= 0 per row of the summary ({len(summary)} rows), got shape "
            f"{weight.shape}. Leave weights out to count every row once."
        )
    return weight


def levels(column: Floats) -> Levels:
    """Return the distinct values of a column and the position of each row among them."""
    values, position = np.unique(column, return_inverse=True)
    return Levels(values, position)


def possible_histories(summary: pd.DataFrame) -> list[Floats]:
    """Return frequency, recency and T as float arrays; a row that cannot be true is a UsageError."""
    faults = impossible_rows(summary)
    if (faults != "").any():
        raise UsageError(describe_faults(faults))
    return history_columns(summary)


def history_columns(summary: pd.DataFrame) -> list[Floats]:
    """Return frequency, recency and T as float arrays; a missing or non-numeric column is a UsageError."""
    return [number_column(summary, name) for name in HISTORY]


def number_column(summary: pd.DataFrame, name: str) -> Floats:
    """Return one column as floats (missing values become NaN)."""
    if name not in summary.columns:
        found = ", ".join(repr(str(column)) for column in summary.columns) or "no column at all"
        raise UsageError(
            f"The summary has no column {name!r}; found {found}. Make it with crm.clv.summary(wh, "
            "as_of=...), which returns frequency, recency, T and monetary_value per customer."
        )
    try:
        return np.asarray(pd.to_numeric(summary[name]).to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise UsageError(
            f"Column {name!r} of the summary is not numeric (dtype {summary[name].dtype}). "
            "Frequency is a count; recency and T are days as numbers."
        ) from None


def impossible_rows(summary: pd.DataFrame) -> pd.Series:
    """Return per row why its history cannot be true, in words; an empty text where it can."""
    frequency, recency, age = history_columns(summary)
    with np.errstate(invalid="ignore"):
        rules = [
            (~np.isfinite(frequency + recency + age), "frequency, recency or T is missing or infinite"),
            ((frequency < 0) | (recency < 0) | (age < 0), "frequency, recency or T is negative"),
            (frequency != np.floor(frequency), "frequency is not a whole number of purchase days"),
            (recency > age, "recency is larger than T: the last purchase lies after the end of observation"),
            ((frequency > 0) & (recency <= 0), "there are repeat purchases, but recency is 0"),
            ((frequency <= 0) & (recency > 0), "there is no repeat purchase, but recency is not 0"),
        ]
    reason = np.full(len(summary), "", dtype=object)
    for broken, text in reversed(rules):
        reason[broken] = text
    return pd.Series(reason, index=summary.index, dtype=object)


def describe_faults(faults: pd.Series) -> str:
    """Return one message about all impossible rows: how many of each kind, and where the first one stands."""
    kinds = faults[faults != ""]
    lines = [
        f"- {text} (rows: {count}, the first at position {int(np.argmax(faults == text))})"
        for text, count in kinds.value_counts(sort=False).items()
    ]
    return (
        f"{len(kinds)} of {len(faults)} rows of the summary cannot be purchase histories:\n"
        + "\n".join(lines)
        + "\nCorrect or drop them, or use crm.clv.score_summary, which gives such rows the status 'excluded'."
    )
