"""Which columns of a feature frame put a customer's score where it stands, and in which words?

A column's contribution is how far its value moves the log-odds away from the average row that the model
learned from: exact Shapley values of the trees, weight x value of the logistic regression, added up over the
words of a column. A column of the user's has no wording of its own, so a reason gives its value, and of a
number also what is usual: "tenure is 3 (usually 29)".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.candidates import Parts
from crm_analytics.churn.reasons import MAX_REASONS, Bools, places

Floats = NDArray[np.float64]


def by_column(parts: Parts, count: int, row_count: int) -> Floats:
    """Add up the parts of each column of the frame, shape (rows, columns).

    Parameters
    ----------
    parts : dict of str to array
        Name -> part of the log-odds; names begin with the number of the column and a colon, and what has
        no number is the same for every row.
    count, row_count : int
        Number of columns and of rows.

    Examples
    --------
    >>> by_column({"0: plan=month": np.array([0.5]), "0: plan=year": np.array([0.25])}, 2, 1).tolist()
    [[0.75, 0.0]]
    """
    found = np.zeros((row_count, count))
    for name, part in parts.items():
        number = name.partition(":")[0]
        if number.isdigit():
            found[:, int(number)] += part
    return found


def worded(
    frame: pd.DataFrame,
    contributions: Floats,
    raises: Bools,
    usual: Sequence[float | None],
) -> pd.DataFrame:
    """Return the first, second and third reason of every row.

    Parameters
    ----------
    frame : DataFrame
        The columns as they were given.
    contributions : array, shape (rows, columns)
        As of `by_column`, measured against the average.
    raises : array of bool
        Where to say what raises the probability; elsewhere, what lowers it.
    usual : sequence of float or None
        Median of each column that holds numbers.

    Returns
    -------
    DataFrame
        ``reason_1, reason_2, reason_3``, with the index of `frame`; missing where no further column moves the
        score in its direction by as much as a reason must.
    """
    texts = np.full((MAX_REASONS, len(frame)), None, dtype=object)
    place_of = places({str(n): contributions[:, n] for n in range(frame.shape[1])}, raises)
    for number, name in enumerate(frame.columns):
        rows = np.flatnonzero(place_of[number] >= 0)
        values = frame.iloc[rows, number].tolist()
        told = [_said(str(name), value, usual[number]) for value in values]
        texts[place_of[number][rows], rows] = told
    return pd.DataFrame(
        {f"reason_{n + 1}": pd.Series(texts[n], index=frame.index, dtype="str") for n in range(MAX_REASONS)}
    )


def _said(name: str, value: object, usual: float | None) -> str:
    """Put one value into words.

    Examples
    --------
    >>> _said("tenure", 3.0, 29.0), _said("plan", "month", None), _said("plan", None, None)
    ('tenure is 3 (usually 29)', 'plan is month', 'plan is not known')
    """
    if pd.isna(value):
        return f"{name} is not known"
    if usual is None:
        return f"{name} is {value}"
    return f"{name} is {_figure(float(value))} (usually {_figure(usual)})"  # type: ignore[arg-type]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def medians(frame: pd.DataFrame, words: Mapping[object, list[str] | None]) -> list[float | None]:
    """Return the median of each column of numbers; None for words, and where nothing is known."""
    found = [float(frame[name].median()) if words[name] is None else None for name in words]
    return [None if middle is None or np.isnan(middle) else middle for middle in found]
