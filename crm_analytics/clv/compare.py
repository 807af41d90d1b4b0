"""Which purchase model should score these customers, and why should it be believed?

Every candidate is fitted as it could have been on several past days and judged on the horizon_days that began
there (rolling origins); naive answers stand beside it: nobody buys again (zero), everybody buys the mean, and
everybody goes on at the rate so far (same_rate).  The measure of the choice is the log score: the mean
logarithm of the probability that the model gave to the number of purchases that came; it rewards saying how
sure one is.  Purchases are days with a purchase.

The winner, without any chance in it: among candidates whose fit is usable, the best log score; those that
are not worse than it by more than two standard errors of the difference (customers paired) tie.  Of those
win the ones whose 90 % limits held the total in the most windows; of these, the smallest error of the totals
(mean over windows of |expected / actual - 1|); those within one percentage point of it tie again, and the
lowest BIC wins.  Without an origin (the history is too short) the lowest BIC wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.customer_summary import summary as summarise
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.rolling_origins import BASELINES, Origin, measure, outcomes
from crm_analytics.errors import AnalysisError, NotEnoughData
from crm_analytics.modelling import arguments
from crm_analytics.modelling.cutoffs import rolling_cutoffs
from crm_analytics.warehouse import Warehouse

Floats = NDArray[np.float64]

MOST_CUSTOMERS = 20_000
MOST_ORIGINS = 2
# Errors of totals that differ by less say nothing of the models.
_SAME_ERROR = 0.01
# An Erlang-1 gap is exponential: nothing to predict that the plain model does not.
SAME = "k = 1, the same as the model without k"
MAE_NOTE = (
    "mae alone is a poor yardstick: where most customers buy nothing, 'nobody buys again' has a small one. "
    "Read total_error, band_error, rank_correlation and log_score first."
)


@dataclass(frozen=True)
class Comparison:
    """What the candidates said, what came, and which one is to be used.

    Attributes
    ----------
    as_of : date
        No purchase at or after this day was looked at.
    horizon_days : int
        Length of the windows that were predicted.
    origins : tuple of date
        First days of these windows, oldest first; empty where the history is too short.
    winner : str
        Key of `crm_analytics.clv.models.MODELS`.
    reason : str
        Why it won, in a sentence.
    models : DataFrame
        Index: candidates (by log score), then zero, mean and same_rate. log_likelihood (time in days) and
        bic of a fit at as_of, verdict of the fit; over all origins: log_score (higher is better),
        expected and actual (totals), total_error (expected / actual - 1), band_error (mean over bands of
        frequency of |expected - actual| per customer, weighted by customers), rank_correlation, rmse, mae;
        coverage (share of customers inside their 90 % limits) and total_coverage (share of origins whose
        total lay inside its limits).
    by_frequency : DataFrame
        Index: purchases before the origin, 0, 1, ... 7 (7 or more); customers, actual (mean per customer)
        and the mean prediction of each model.
    by_origin : DataFrame
        Index: origin and model; customers, expected, actual, log_score, verdict.
    notes : tuple of str
        What a reader must know besides.
    """

    as_of: date
    horizon_days: int
    origins: tuple[date, ...]
    winner: str
    reason: str
    models: pd.DataFrame
    by_frequency: pd.DataFrame
    by_origin: pd.DataFrame
    notes: tuple[str, ...]


def compare(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: int = 90,
    models: Sequence[str] | None = None,
    max_origins: int = MOST_ORIGINS,
    max_customers: int = MOST_CUSTOMERS,
) -> Comparison:
    """Fit all candidates on rolling origins before as_of, judge them, and choose one.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are.
    as_of : date
        First day not seen; the last window ends the day before.
    horizon_days : int
        Length of the predicted windows in days, default 90.
    models : sequence of str, optional
        Keys of `crm_analytics.clv.models.MODELS`; default: all of them.
    max_origins : int
        At most so many windows, the latest, default 2; they do not overlap, and before each lies at least
        one horizon of history.
    max_customers : int
        Above so many, every k-th customer by customer_id is taken, default 20,000.

    Returns
    -------
    Comparison
        What each candidate predicted for each window, what came, and which one wins.

    Raises
    ------
    UsageError
        A model is unknown, or an argument cannot be meant.
    NotEnoughData
        Nobody bought before as_of, or no candidate can be fitted (nobody bought twice, say).

    Examples
    --------
    >>> with Warehouse.open(":memory:") as wh:
    ...     compare(wh, as_of=date(2024, 1, 1))
    Traceback (most recent call last):
        ...
    crm_analytics.errors.NotEnoughData: Nobody bought before 2024-01-01; choose a later as_of.
    """
    names = list(MODELS) if models is None else arguments.some_of("models", models, MODELS)
    horizon_days = arguments.whole("horizon_days", horizon_days, least=1, what=" of days")
    max_origins = arguments.whole("max_origins", max_origins)
    max_customers = arguments.whole("max_customers", max_customers, least=100)
    return compare_summary(
        wh, summarise(wh, as_of=as_of), as_of=as_of, horizon_days=horizon_days, models=names,
        max_origins=max_origins, max_customers=max_customers,
    )  # fmt: skip


def compare_summary(
    wh: Warehouse,
    everybody: pd.DataFrame,
    *,
    as_of: date,
    horizon_days: int = 90,
    models: Sequence[str] = tuple(MODELS),
    max_origins: int = MOST_ORIGINS,
    max_customers: int = MOST_CUSTOMERS,
) -> Comparison:
    """Do what `compare` does, given the summary at as_of."""
    if everybody.empty:
        raise NotEnoughData(f"Nobody bought before {as_of}; choose a later as_of.")
    names = list(models)
    step = -(-len(everybody) // max_customers)
    chosen = everybody.iloc[::step]
    fits = _fits(chosen, names)
    first_on = pd.Timestamp(everybody["first_ordered_on"].min()).date() + timedelta(days=horizon_days)
    different = [name for name in names if not str(fits.loc[name, "verdict"]).endswith(SAME)]
    origins = [
        measure(found, different, as_of=cutoff.as_of, horizon_days=horizon_days)
        for cutoff in rolling_cutoffs(
            end_on=as_of, horizon_days=horizon_days, first_on=first_on, max_count=max(max_origins, 1)
        )[: max_origins or 0]
        for found in [outcomes(wh, cutoff, chosen["customer_id"])]
        if found is not None
    ]
    return _judged(fits, origins, as_of=as_of, horizon_days=horizon_days, step=step)


def _fits(summary: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return log-likelihood, BIC and verdict of each candidate on the same customers."""
    rows = {}
    for name in names:
        try:
            model = MODELS[name]().fit(summary)
        except AnalysisError as error:
            rows[name] = {"log_likelihood": np.nan, "bic": np.nan, "verdict": f"failed: {error}"}
            continue
        verdict = ": ".join(filter(None, (model.verdict_.status, "; ".join(model.verdict_.reasons))))
        if getattr(model, "k_", None) == 1:
            verdict = f"{verdict}: {SAME}"
        rows[name] = {"log_likelihood": model.log_likelihood_, "bic": model.bic(), "verdict": verdict}
    return pd.DataFrame(rows).T.astype({"log_likelihood": float, "bic": float})


def _judged(
    fits: pd.DataFrame, origins: list[Origin], *, as_of: date, horizon_days: int, step: int
) -> Comparison:
    usable = [name for name in fits.index if not str(fits.loc[name, "verdict"]).startswith("failed")]
    usable = [name for name in usable if not str(fits.loc[name, "verdict"]).endswith(SAME)]
    usable = [name for name in usable if all(name in origin.log_scores for origin in origins)]
    if not usable:
        raise NotEnoughData("No candidate can be fitted. " + "; ".join(fits["verdict"].astype(str).unique()))
    winner, reason = _winner(fits, origins, usable)
    table = pd.concat([fits, pd.DataFrame(index=list(BASELINES))])
    if origins:
        table = table.join(pd.DataFrame({name: _over_origins(origins, name) for name in table.index}).T)
        order = [*sorted(fits.index, key=lambda name: -_score(table, name)), *BASELINES]
        table = table.loc[order]
    notes = [*_misses(origins, winner), MAE_NOTE]
    if step > 1:
        notes.append(f"judged on one customer in {step}, in the order of customer_id")
    if not origins:
        notes.append("the history is too short for a window to be predicted: judged by BIC alone")
    elif (beaten := _baselines_that_win(table, winner)) != "":
        notes.append(f"on RMSE the winner does not beat {beaten}: its sums may serve, its ranking hardly")
    return Comparison(
        as_of=as_of,
        horizon_days=horizon_days,
        origins=tuple(origin.as_of for origin in origins),
        winner=winner,
        reason=reason,
        models=table,
        by_frequency=_bands(origins),
        by_origin=pd.concat([origin.table() for origin in origins]) if origins else pd.DataFrame(),
        notes=tuple(notes),
    )


def _winner(fits: pd.DataFrame, origins: list[Origin], usable: list[str]) -> tuple[str, str]:
    if not origins:
        winner = min(usable, key=lambda name: (fits.loc[name, "bic"], name))
        return winner, f"{winner} has the lowest BIC; the history is too short to predict a past window."
    scores = {name: np.concatenate([origin.log_scores[name] for origin in origins]) for name in usable}
    best = max(usable, key=lambda name: (scores[name].mean(), name))
    tied = [name for name in usable if not _clearly_worse(scores[name], scores[best])]
    missed = {name: sum(not origin.total_inside[name] for origin in origins) for name in tied}
    held = [name for name in tied if missed[name] == min(missed.values())]
    errors = {name: _total_error(origins, name) for name in held}
    near = [name for name in held if errors[name] <= min(errors.values()) + _SAME_ERROR]
    winner = min(near, key=lambda name: (fits.loc[name, "bic"], name))
    windows = f"{len(origins)} past window{'s' if len(origins) > 1 else ''}"
    if len(tied) == 1:
        return winner, f"{winner} predicted {windows} clearly best (log score)."
    others = ", ".join(name for name in tied if name != winner)
    if len(held) < len(tied) and len(held) == 1:
        why = "its limits held the total more often than those"
    elif len(near) == 1:
        why = f"its totals were nearest ({errors[winner]:.1%} off)"
    else:
        why = "it has the lowest BIC where totals were as near"
    return winner, f"{winner}: {why}, of those that predicted {windows} equally well ({others})."


def _total_error(origins: list[Origin], name: str) -> float:
    """Return by how much the totals of the windows were missed on average, as a fraction of what came."""
    off = [
        abs(float(origin.predictions[name].sum()) - float(origin.actual.sum()))
        / max(float(origin.actual.sum()), 1.0)
        for origin in origins
    ]
    return float(np.mean(off))


def _misses(origins: list[Origin], winner: str) -> list[str]:
    """Return a sentence for every window whose total lay outside the winner's limits."""
    return [
        f"the total of {len(origin.actual):,} customers from {origin.as_of} on lay outside the 90 % limits "
        f"of {winner}: {origin.predictions[winner].sum():,.0f} expected, {origin.actual.sum():,.0f} came"
        for origin in origins
        if not origin.total_inside[winner]
    ]


def _clearly_worse(score: Floats, best: Floats) -> bool:
    difference = best - score
    error = float(difference.std()) / np.sqrt(len(difference))
    return bool(difference.mean() > 2.0 * error)


def _score(table: pd.DataFrame, name: str) -> float:
    value = float(table.loc[name, "log_score"])
    return value if np.isfinite(value) else -np.inf


def _over_origins(origins: list[Origin], name: str) -> dict[str, float]:
    """Return the figures of one model over all origins together."""
    if any(name not in origin.predictions for origin in origins):
        return {}
    expected = np.concatenate([origin.predictions[name] for origin in origins])
    actual = np.concatenate([origin.actual for origin in origins])
    band = np.concatenate([origin.band for origin in origins])
    error, total = expected - actual, float(actual.sum())
    by_band = np.abs(np.bincount(band, error))
    ranks = pd.DataFrame({"expected": expected, "actual": actual}).rank()
    figures = {
        "expected": float(expected.sum()),
        "actual": total,
        "total_error": float(expected.sum()) / total - 1.0 if total else np.nan,
        "band_error": float(by_band.sum()) / len(error),
        "rank_correlation": float(ranks["expected"].corr(ranks["actual"]))
        if np.ptp(expected) > 0
        else np.nan,
        "rmse": float((error**2).mean()) ** 0.5,
        "mae": float(np.abs(error).mean()),
    }
    if all(name in origin.log_scores for origin in origins):
        scores = np.concatenate([origin.log_scores[name] for origin in origins])
        inside = np.concatenate([origin.inside[name] for origin in origins])
        totals = [origin.total_inside[name] for origin in origins]
        figures |= {
            "log_score": float(scores.mean()),
            "coverage": float(inside.mean()),
            "total_coverage": float(np.mean(totals)),
        }
    return figures


def _bands(origins: list[Origin]) -> pd.DataFrame:
    if not origins:
        return pd.DataFrame()
    rows = pd.concat(
        [
            pd.DataFrame({"frequency": origin.band, "actual": origin.actual, **origin.predictions})
            for origin in origins
        ]
    )
    means = rows.groupby("frequency").mean()
    means.insert(0, "customers", rows.groupby("frequency").size())
    return means


def _baselines_that_win(table: pd.DataFrame, winner: str) -> str:
    better = [name for name in BASELINES if table.loc[name, "rmse"] < table.loc[winner, "rmse"]]
    return " and ".join(f"'{name}'" for name in better)
