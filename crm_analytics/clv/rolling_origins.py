"""What would each model have said on a past day, and what came?  One origin of a comparison.

Predictions are those that `lifetime_value` would have made on that day (odd customers held back,
stated fall-backs), with the probability of every number of purchases and the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.cohort_models import fit_purchases
from crm_analytics.clv.customer_summary import summary as summarise
from crm_analytics.clv.future_counts import FutureCounts
from crm_analytics.clv.group_totals import purchase_limits
from crm_analytics.clv.intervals import future_limits
from crm_analytics.clv.models.patterns import HISTORY, number_column
from crm_analytics.errors import AnalysisError
from crm_analytics.modelling.cutoffs import Cutoff
from crm_analytics.warehouse import SqlFile, Warehouse

Floats = NDArray[np.float64]

BASELINES = ("zero", "mean", "same_rate")
HIGHEST_BAND = 7
LEVEL = 0.9
_LEAST_CHANCE = 1e-12


@dataclass(frozen=True)
class Origin:
    """Predictions and outcome of one day; arrays have one number per customer.

    ``predictions`` holds models that could be fitted and baselines; ``log_scores`` (logarithm of the
    probability of what came), ``inside`` (limits) and ``total_inside`` the models only.
    """

    as_of: date
    actual: Floats
    band: NDArray[np.intp]
    predictions: dict[str, Floats]
    log_scores: dict[str, Floats]
    inside: dict[str, NDArray[np.bool_]]
    total_inside: dict[str, bool]
    verdicts: dict[str, str]

    def table(self) -> pd.DataFrame:
        """Return the totals by model."""
        rows = {
            (self.as_of, name): {
                "customers": len(self.actual),
                "buying_rate": float((self.actual > 0).mean()),
                "expected": float(expected.sum()),
                "actual": float(self.actual.sum()),
                "log_score": float(self.log_scores[name].mean()) if name in self.log_scores else np.nan,
                "verdict": self.verdicts.get(name, ""),
            }
            for name, expected in self.predictions.items()
        }
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.index = table.index.set_names(["origin", "model"])
        return table


def outcomes(wh: Warehouse, cutoff: Cutoff, customer_ids: pd.Series) -> pd.DataFrame | None:
    """Return the summary at a cutoff with the column actual, of some customers; None if nobody was there."""
    known = summarise(wh, as_of=cutoff.as_of)
    known = known[known["customer_id"].isin(customer_ids)].reset_index(drop=True)
    if known.empty:
        return None
    bought = wh.frame(
        SqlFile.beside(__file__, "holdout.sql"), as_of=cutoff.as_of, horizon_days=cutoff.horizon_days
    ).set_index("customer_id")["purchase_day_count"]
    return known.assign(actual=bought.reindex(known["customer_id"]).fillna(0).to_numpy(dtype=np.int64))


def measure(known: pd.DataFrame, names: Sequence[str], *, as_of: date, horizon_days: int) -> Origin:
    """Let the models predict the horizon from a summary that also has the column actual.

    A model that cannot be fitted (fall-backs would take its place) is left out.
    """
    actual = number_column(known, "actual")
    frequency = number_column(known, "frequency")
    age = np.maximum(number_column(known, "T"), 1.0)
    origin = Origin(
        as_of=as_of,
        actual=actual,
        band=np.minimum(frequency, HIGHEST_BAND).astype(np.intp),
        predictions={},
        log_scores={},
        inside={},
        total_inside={},
        verdicts={},
    )
    for name in names:
        _predict(origin, known, name, horizon_days)
    origin.predictions.update(
        zero=np.zeros(len(known)),
        mean=np.full(len(known), frequency.sum() / age.sum() * horizon_days),
        same_rate=frequency / age * horizon_days,
    )
    return origin


def _predict(origin: Origin, known: pd.DataFrame, name: str, horizon_days: int) -> None:
    """Add what one model says."""
    try:
        used = fit_purchases(known, model=name)
    except AnalysisError:
        return
    if used.fallback:
        return
    model, actual = used.model, origin.actual
    distinct, row = model._histories(known).distinct(HISTORY)
    alive, customers = model._alive(distinct), np.bincount(row).astype(np.float64)
    futures = FutureCounts(model, distinct, horizon_days=horizon_days)
    limits = future_limits(futures, None, distinct, alive=alive, level=LEVEL)
    counts, which, number = futures.tables(0, futures.rows), futures.row[row], actual.astype(np.intp)
    below = np.where(number > 0, counts.up_to(which, np.maximum(number - 1, 0)), 0.0)
    chance = alive[row] * (counts.up_to(which, number) - below) + (1.0 - alive[row]) * (number == 0)
    low, high = purchase_limits(model, distinct, customers, futures, level=LEVEL)
    origin.predictions[name] = model._expected(distinct, float(horizon_days))[row]
    origin.log_scores[name] = np.log(np.maximum(chance, _LEAST_CHANCE))
    origin.inside[name] = (actual >= limits.purchases_low[row]) & (actual <= limits.purchases_high[row])
    origin.total_inside[name] = bool(low <= actual.sum() <= high)
    origin.verdicts[name] = model.verdict_.status
