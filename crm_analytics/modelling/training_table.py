"""What does a model learn from?  Features and label of several cutoffs, stacked into one table.

One row per customer and cutoff. A customer may occur at several cutoffs, so whoever resamples rows
resamples customers (see `crm_analytics.modelling.evaluate`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import pandas as pd

from crm_analytics.errors import UsageError
from crm_analytics.modelling.cutoffs import Cutoff

LabelAt = Callable[[Cutoff], pd.DataFrame]
FeaturesOf = Callable[[Cutoff, pd.Series], pd.DataFrame]


def _nothing(cutoff: Cutoff) -> AbstractContextManager[None]:
    return nullcontext()


def training_table(
    cutoffs: Sequence[Cutoff],
    *,
    features: FeaturesOf,
    label: LabelAt,
    around: Callable[[Cutoff], AbstractContextManager[None]] = _nothing,
) -> pd.DataFrame:
    """Stack the labelled customers of each cutoff with their features.

    Parameters
    ----------
    cutoffs : sequence of Cutoff
        Days to learn from, in any order.
    label : function of Cutoff to DataFrame
        One row per ``customer_id`` who counts.
    features : function of Cutoff and Series of customer_id (sorted) to DataFrame
        What was known of them, one row per ``customer_id``.
    around : function of Cutoff to context manager, optional
        Entered around the two for each cutoff, for what they share (`Warehouse.holding`).

    Returns
    -------
    DataFrame
        ``as_of`` (date), ``customer_id``, the columns of `label`, then those of `features`, sorted by
        ``as_of`` and ``customer_id``. A labelled customer without features has NaN there.

    Examples
    --------
    >>> from datetime import date
    >>> known = lambda cutoff, whom: pd.DataFrame({"customer_id": ["a", "b"], "orders": [1.0, 2.0]})
    >>> asked = lambda cutoff: pd.DataFrame({"customer_id": ["b"], "churned": [1]})
    >>> table = training_table([Cutoff(date(2024, 1, 1), 30)], features=known, label=asked)
    >>> table[["customer_id", "churned", "orders"]].values.tolist()
    [['b', 1, 2.0]]
    """
    if not cutoffs:
        raise UsageError("A training table needs at least one cutoff.")
    parts = []
    for cutoff in sorted(set(cutoffs)):
        with around(cutoff):
            asked = label(cutoff).sort_values("customer_id", kind="stable")
            known = features(cutoff, asked["customer_id"])
            part = asked.merge(known, on="customer_id", how="left", validate="one_to_one")
        part.insert(0, "as_of", pd.Timestamp(cutoff.as_of))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
