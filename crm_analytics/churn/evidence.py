"""How good is the chosen model window by window, for whom, and what would its calls have earned?

What a card shows besides the comparison of all candidates. A model may fail in a segment that it is needed
for: the new, the best, those about to be lost (`crm_analytics.churn.kinds` says which segments there are).
The money is counted with what is known at the cutoff, last year's margin (where no margin is known, net
spend), in the reporting currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.modelling.evaluate import Metric, evaluate_by, profit_at_capacity, reliability
from crm_analytics.modelling.model_card import ReliabilityGroup

Floats = NDArray[np.float64]
Metrics = dict[str, dict[str, Metric]]
# Assumed where money is shown: a call keeps one leaver in ten, and is free, since the card knows no costs.
SAVE_RATE = 0.1
# Of a segment with fewer who left, or who stayed, figures would say more than is known.
LEAST_CASES = 10
EARNED = "earned_by_calling_a_tenth"


@dataclass(frozen=True)
class Evidence:
    """What is known of the chosen model besides its overall metrics.

    Attributes
    ----------
    by_cutoff, by_segment : dict of str to dict of str to Metric
        Day of the hold-out (ISO), or segment -> metrics of the chosen model; segments of fewer than
        ``LEAST_CASES`` who left, or who stayed, are left out.
    reliability : tuple of ReliabilityGroup
        Ten groups per hold-out.
    earned : dict of str to Metric
        Candidate -> what calls would have earned; empty where no amounts are known.
    notes : tuple of str
        What was assumed.
    """

    by_cutoff: Metrics = field(default_factory=dict)
    by_segment: Metrics = field(default_factory=dict)
    reliability: tuple[ReliabilityGroup, ...] = ()
    earned: dict[str, Metric] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def evidence(
    rows: pd.DataFrame,
    outcome: Floats,
    probability: Mapping[str, Floats],
    *,
    chosen: str,
    segment: pd.Series | None,
    seed: int,
) -> Evidence:
    """Judge the chosen candidate per hold-out and segment, and all of them by what calls would have earned.

    Parameters
    ----------
    rows : DataFrame
        Rows of all hold-outs: ``as_of``, ``customer_id`` and the features known there.
    outcome : array of 0 and 1
        1 = churned.
    probability : mapping of str to array
        Candidate -> its probabilities, as fitted without these rows.
    chosen : str
        Key of `probability`.
    segment : Series of categories, optional
        Segment of each row, by its label in the index of `rows`, which may then occur only once.
    seed : int
        Seed of the intervals.
    """
    customers, best = rows["customer_id"].reset_index(drop=True), probability[chosen]
    days = pd.to_datetime(rows["as_of"]).dt.strftime("%Y-%m-%d").reset_index(drop=True)
    earned, notes = _earned(rows, outcome, probability, seed)
    by_segment: Metrics = {}
    if segment is not None:
        mine = segment.loc[rows.index].reset_index(drop=True)
        left = pd.Series(outcome).groupby(mine, observed=True).agg(["sum", "size"])
        is_known = np.minimum(left["sum"], left["size"] - left["sum"]) >= LEAST_CASES
        mine = mine.where(mine.isin(left.index[is_known]))
        found = evaluate_by(outcome, best, mine, customers=customers, windows=days, seed=seed)
        by_segment = {name: found[name] for name in segment.cat.categories if name in found}
    return Evidence(
        by_cutoff=evaluate_by(outcome, best, days, customers=customers, seed=seed),
        by_segment=by_segment,
        reliability=tuple(_reliability(days, outcome, best)),
        earned=earned,
        notes=notes,
    )


def _reliability(days: pd.Series, outcome: Floats, probability: Floats) -> list[ReliabilityGroup]:
    found = []
    for day in sorted(days.unique()):
        inside = (days == day).to_numpy()
        found += [
            ReliabilityGroup(
                pd.Timestamp(day).date(),
                int(row.row_count),
                row.mean_probability,
                row.event_rate,
                row.low,
                row.high,
            )
            for row in reliability(outcome[inside], probability[inside]).itertuples()
        ]
    return found


def _earned(
    rows: pd.DataFrame, outcome: Floats, probability: Mapping[str, Floats], seed: int
) -> tuple[dict[str, Metric], tuple[str, ...]]:
    amounts = {"net_margin_365": "margin", "net_spend_365": "net spend"}
    known = [column for column in amounts if column in rows and rows[column].notna().any()]
    if not known:
        return {}, ()
    column, words = known[0], amounts[known[0]]
    value = np.clip(rows[column].to_numpy(dtype=np.float64), 0.0, None)
    earned = {
        name: profit_at_capacity(
            outcome,
            p,
            value,
            capacity=len(rows) // 10,
            save_rate=SAVE_RATE,
            contact_cost=0.0,
            customers=rows["customer_id"],
            seed=seed,
        )
        for name, p in probability.items()
    }
    note = (
        f"Earned by calls: if the tenth with the highest risk x last year's {words} is called, and a call "
        f"keeps one leaver in {1 / SAVE_RATE:.0f}, so much of it stays (all windows, calls free)"
    )
    return earned, (note,)
