"""Which different purchase histories are there, how many customers have each, and which rows cannot be true?

A summary has one row per customer (see clv/summary.sql): frequency (days with a purchase after the first),
recency (days from first to last purchase day) and T (days from first purchase to the end of observation),
and perhaps covariates.  The likelihoods depend on these only, so equal rows are merged and carry a weight: a
million customers are some hundred thousand patterns.  Patterns are sorted, and every sum runs in that order,
so the order of the rows changes nothing, not even the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import UsageError
from crm_analytics.modelling.arguments import as_floats, refuse_no_table

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

HISTORY = ("frequency", "recency", "T")
# No decimal of the warehouse holds more; above it, sums and products leave the floating point numbers.
LARGEST_AMOUNT = 1e18
TOO_DENSE = "frequency counts more purchase days than recency has days; recency and T are days"
_DENSE = 2.0**20
_LARGEST_KEY = 2**62
# Kinds of columns (numpy's letters): durations, moments and complex numbers would be read as other numbers.
_NO_NUMBERS, _NO_COUNTS = "mMc", "mMcb"


@dataclass(frozen=True)
class Histories:
    """Purchase histories as columns of equal length; covariates have shape (n, number of covariates)."""

    frequency: Floats
    recency: Floats
    T: Floats
    covariates: Floats

    def __len__(self) -> int:
        return len(self.frequency)

    def take(self, rows: Indices | slice) -> Histories:
        """Return some of the histories."""
        return replace(
            self,
            frequency=self.frequency[rows],
            recency=self.recency[rows],
            T=self.T[rows],
            covariates=self.covariates[rows],
        )

    def distinct(self, columns: Sequence[str]) -> tuple[Histories, Indices]:
        """Return histories that differ in some columns or a covariate, and the place of every row in them.

        Of a column that is not named, some value of the merged rows is kept.
        """
        named = [getattr(self, name) for name in columns]
        rows, position = distinct_rows(*named, *self.covariates.T)
        first = np.empty(len(rows[0]), dtype=np.intp)
        first[position[::-1]] = np.arange(len(position))[::-1]
        return self.take(first), position


@dataclass(frozen=True)
class Levels:
    """A column as its distinct values (sorted) and the position of each row among them."""

    values: Floats
    position: Indices

    def map(self, function: Callable[..., Floats], *parameters: Floats | float) -> Floats:
        """Return function(values, *parameters) per row; the function may return several rows of numbers.

        Evaluated once per distinct value where the parameters are plain numbers; parameters that differ by
        row have one value per row.
        """
        if all(np.ndim(parameter) == 0 for parameter in parameters):
            return np.asarray(function(self.values, *parameters)[..., self.position])
        return np.asarray(function(self.values[self.position], *parameters))

    def table(
        self, function: Callable[..., Floats], *parameters: Floats | float
    ) -> Callable[[slice], Floats]:
        """Return what `map` returns, for some rows at a time."""
        if all(np.ndim(parameter) == 0 for parameter in parameters):
            return self.spread(np.atleast_2d(function(self.values, *parameters)))
        return lambda rows: np.atleast_2d(
            function(
                self.values[self.position[rows]],
                *(value if np.ndim(value) == 0 else np.asarray(value)[rows] for value in parameters),
            )
        )

    def spread(self, table: Floats) -> Callable[[slice], Floats]:
        """Return rows of numbers, given per distinct value, for some rows of the column at a time."""
        return lambda rows: np.take(table, self.position[rows], axis=1)

    def total(self, weights: Floats) -> Floats:
        """Return the summed weight of each distinct value."""
        return np.asarray(np.bincount(self.position, weights, len(self.values)), dtype=np.float64)

    def every(self, step: int) -> Levels:
        """Return the column of every step-th row."""
        return Levels(self.values, self.position[::step])


@dataclass(frozen=True)
class Patterns:
    """Distinct histories in ascending order, and how many customers have each."""

    frequency: Levels
    recency: Levels
    T: Levels
    covariates: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.weight)

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

    @cached_property
    def histories(self) -> Histories:
        """The patterns as plain columns."""
        x, t, age = (levels.values[levels.position] for levels in (self.frequency, self.recency, self.T))
        return Histories(x, t, age, self.covariates)

    def scaled(self, unit: float) -> Patterns:
        """Return the same patterns with recency and T divided by `unit`."""
        recency = Levels(self.recency.values / unit, self.recency.position)
        age = Levels(self.T.values / unit, self.T.position)
        return replace(self, recency=recency, T=age)

    def every(self, step: int) -> Patterns:
        """Return every step-th pattern."""
        return Patterns(
            self.frequency.every(step), self.recency.every(step), self.T.every(step),
            self.covariates[::step], self.weight[::step],
        )  # fmt: skip

    def weighted(self, weight: Floats) -> Patterns:
        """Return the same patterns with other weights."""
        return Patterns(self.frequency, self.recency, self.T, self.covariates, weight)

    def median_age(self) -> float:
        """Return the T that half of the customers do not exceed (0 if there is nobody)."""
        total = self.T.total(self.weight).cumsum()
        return float(self.T.values[np.searchsorted(total, total[-1] / 2.0)]) if len(total) else 0.0


def chunks(rows: int, size: int) -> list[slice]:
    """Return slices of `size` rows that cover all."""
    return [slice(first, first + size) for first in range(0, rows, size)]


def distinct_rows(*columns: Floats) -> tuple[list[Floats], Indices]:
    """Return the distinct rows of some columns in ascending order, and the position of every row among them.

    Examples
    --------
    >>> rows, position = distinct_rows(np.array([2.0, 1.0, 2.0]), np.array([5.0, 5.0, 5.0]))
    >>> rows[0].tolist(), position.tolist()
    ([1.0, 2.0], [1, 0, 1])
    """
    distinct, position = _distinct_levels(*columns)
    return [column.values[column.position] for column in distinct], position


def _distinct_levels(*columns: Floats) -> tuple[list[Levels], Indices]:
    """Return the columns of the distinct rows in ascending order, and where every row is among them."""
    coded = [levels(column) for column in columns]
    key = _row_keys(coded)
    _, representative, position = np.unique(key, return_index=True, return_inverse=True)
    return [Levels(column.values, column.position[representative]) for column in coded], position


def _row_keys(coded: Sequence[Levels]) -> NDArray[np.int64]:
    """Return one whole number per row, in the order of the rows' columns."""
    key, span = np.zeros(len(coded[0].position), dtype=np.int64), 1
    for column in coded:
        if span * len(column.values) >= _LARGEST_KEY:
            known, key = np.unique(key, return_inverse=True)
            span = len(known)
        key = key * max(len(column.values), 1) + column.position
        span *= max(len(column.values), 1)
    return key


def _counted(coded: Sequence[Levels]) -> tuple[list[Levels], Floats]:
    """Return the columns of the distinct rows in ascending order, and how many rows are alike.

    As `_distinct_levels`, several times faster: sorting alone, without remembering where every row came from.
    """
    key, count = np.unique(_row_keys(coded), return_counts=True)
    columns = []
    for column in reversed(coded):
        key, position = np.divmod(key, max(len(column.values), 1))
        columns.append(Levels(column.values, position))
    return columns[::-1], count.astype(np.float64)


def find_patterns(
    summary: pd.DataFrame,
    weights: Sequence[float] | Floats | pd.Series | None = None,
    *,
    covariates: Sequence[str] = (),
) -> Patterns:
    """Check a summary and merge its equal rows.

    Parameters
    ----------
    summary : DataFrame
        Columns frequency, recency, T and the covariates; other columns are ignored. Not changed.
    weights : array of shape (rows,), optional
        How many customers each row stands for, >= 0; default one each.
    covariates : sequence of str
        Further numeric columns that distinguish patterns.

    Raises
    ------
    UsageError
        A column is missing, or a row cannot be true (see `impossible_rows`).
    """
    weight = checked_weights(summary, weights)
    known = possible_histories(summary, covariates=covariates)
    columns = [known.frequency, known.recency, known.T, *known.covariates.T]
    coded = [levels(column) for column in columns]
    if weights is None and math.prod(len(column.values) for column in coded) < _LARGEST_KEY:
        (frequency, recency, age, *further), total = _counted(coded)
    else:
        (frequency, recency, age, *further), position = _distinct_levels(*columns)
        order = np.lexsort((weight, position))  # summed in an order that the order of the rows cannot change
        total = np.bincount(position[order], weight[order], len(frequency.position)).astype(np.float64)
    return Patterns(
        frequency=frequency,
        recency=recency,
        T=age,
        covariates=_columns([column.values[column.position] for column in further], len(total)),
        weight=total,
    )


def as_patterns(known: Histories) -> Patterns:
    """Return histories as patterns of one customer each, in their order."""
    return Patterns(
        frequency=levels(known.frequency),
        recency=levels(known.recency),
        T=levels(known.T),
        covariates=known.covariates,
        weight=np.ones(len(known)),
    )


def checked_weights(summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None) -> Floats:
    """Return one weight >= 0 per row of the summary (one each if None)."""
    refuse_no_table(summary)
    try:
        weight = np.ones(len(summary)) if weights is None else as_floats(weights)
    except (TypeError, ValueError):
        weight = np.full(len(summary), np.nan)
    if weight.shape != (len(summary),) or not np.isfinite(weight).all() or (weight < 0).any():
        raise UsageError(
            f"weights must be one finite number >= 0 per row of the summary ({len(summary)} rows), got "
            f"{_given(weights)}. Leave weights out to count every row once."
        )
    return weight


def _given(weights: object) -> str:
    return f"shape {np.shape(weights)}" if isinstance(weights, np.ndarray | pd.Series) else repr(weights)[:60]


def levels(column: Floats) -> Levels:
    """Return the distinct values of a column (sorted) and the position of each row among them."""
    if len(column) and column.min() >= 0 and column.max() < _DENSE:
        whole = column.astype(np.int64)
        if np.array_equal(whole, column):
            is_there = np.bincount(whole) > 0
            return Levels(np.flatnonzero(is_there).astype(np.float64), (np.cumsum(is_there) - 1)[whole])
    values, position = np.unique(column, return_inverse=True)
    return Levels(values, position)


def possible_histories(summary: pd.DataFrame, *, covariates: Sequence[str] = ()) -> Histories:
    """Return the histories of a summary; a row that cannot be true is a UsageError."""
    frequency, recency, age = _history_columns(summary)
    with np.errstate(invalid="ignore"):
        whole = (frequency == np.floor(frequency)) & (frequency >= 0) & np.isfinite(frequency + age)
        if not (whole & (recency >= 0) & (recency <= age) & ((frequency > 0) == (recency > 0))).all():
            raise UsageError(describe_faults(impossible_rows(summary)))
    return Histories(frequency, recency, age, covariate_columns(summary, covariates))


def covariate_columns(summary: pd.DataFrame, covariates: Sequence[str]) -> Floats:
    """Return the covariates of every row, shape (rows, covariates); a missing value is a UsageError."""
    columns = [number_column(summary, name) for name in covariates]
    for name, column in zip(covariates, columns, strict=True):
        if not np.isfinite(column).all():
            raise UsageError(
                f"Covariate {name!r} is missing or infinite in {int((~np.isfinite(column)).sum())} of "
                f"{len(column)} rows. Fill it, or leave those customers out."
            )
    return _columns(columns, len(summary))


def traits_of(table: pd.DataFrame | None, covariates: Sequence[str], rows: int) -> Floats:
    """Return the covariates of customers that have no history yet, shape (rows, covariates)."""
    if not covariates:
        return np.zeros((rows, 0))
    refuse_no_table(table, "covariates")
    traits = covariate_columns(table, covariates)
    if len(traits) != rows:
        raise UsageError(f"covariates needs one row per contract or customer ({rows}), got {len(traits)}.")
    return traits


def new_customer(covariates: Sequence[float] = ()) -> Histories:
    """Return the history of a customer at the moment of the first purchase."""
    return Histories(np.zeros(1), np.zeros(1), np.zeros(1), np.array([covariates], dtype=np.float64))


def _columns(columns: Sequence[Floats], rows: int) -> Floats:
    return np.column_stack(columns) if columns else np.zeros((rows, 0))


def _history_columns(summary: pd.DataFrame) -> list[Floats]:
    return [number_column(summary, name) for name in HISTORY]


def number_column(summary: pd.DataFrame, name: str) -> Floats:
    """Return one column as floats (missing values become NaN).

    Numbers, decimals, numbers as text and, except for histories, true and false; never dates or durations,
    whose ticks would be read as numbers.
    """
    refuse_no_table(summary)
    if name not in summary.columns:
        found = ", ".join(repr(str(column)) for column in summary.columns) or "no column at all"
        raise UsageError(
            f"The summary has no column {name!r}; found {found}. Make it with crm.clv.summary(wh, "
            "as_of=...), which returns frequency, recency, T and monetary_value per customer."
        )
    column = summary[name]
    if isinstance(column, pd.DataFrame):
        raise UsageError(f"The summary has {column.shape[1]} columns {name!r}. Drop or rename all but one.")
    refused = _NO_COUNTS if name in HISTORY else _NO_NUMBERS
    try:
        if column.dtype.kind in refused or isinstance(column.dtype, pd.PeriodDtype):
            raise TypeError
        numbers = pd.to_numeric(column)
        if numbers.dtype.kind in refused:
            raise TypeError
        return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise UsageError(
            f"Column {name!r} of the summary is not numeric (dtype {column.dtype}). {_as_numbers(column)}"
        ) from None


def _as_numbers(column: pd.Series) -> str:
    """Return how a column that holds no numbers is made to."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if column.dtype.kind == "m" or kind.startswith("timedelta"):
        return f"Give days as numbers: summary[{column.name!r}].dt.days."
    if column.name in HISTORY:
        return "Frequency is a count; recency and T are days as numbers."
    return "Give numbers; a trait in words becomes one column of 0 and 1 per word."


def impossible_rows(summary: pd.DataFrame, *, in_days: bool = False) -> pd.Series:
    """Return per row why its history cannot be true, in words; an empty text where it can.

    With in_days, recency and T are days, of which no two purchase days share one.
    """
    frequency, recency, age = _history_columns(summary)
    with np.errstate(invalid="ignore"):
        rules = [
            (~np.isfinite(frequency + recency + age), "frequency, recency or T is missing or infinite"),
            ((frequency < 0) | (recency < 0) | (age < 0), "frequency, recency or T is negative"),
            (frequency != np.floor(frequency), "frequency is not a whole number of purchase days"),
            (recency > age, "recency is larger than T: the last purchase lies after the end of observation"),
            ((frequency > 0) & (recency <= 0), "there are repeat purchases, but recency is 0"),
            ((frequency <= 0) & (recency > 0), "there is no repeat purchase, but recency is not 0"),
            (in_days & (frequency > recency + 1.0), TOO_DENSE),
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
