"""Which candidate is best on days it has not seen, should it be calibrated, and may it be used?

Everything here looks at one hold-out window that lies after everything the candidates learned from. The
measure is log-loss. A learned model that does not beat the best baseline is not used, and the verdict says
so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.candidates import CANDIDATES
from crm_analytics.churn.known import THEORY
from crm_analytics.modelling.evaluate import Metric, evaluate, log_loss, log_loss_gain
from crm_analytics.modelling.logistic import sigmoid

Floats = NDArray[np.float64]
# Fewer events (or non-events) than this in the hold-out cannot tell a learned model from a lucky one.
MIN_HOLD_OUT_CASES = 25
# A calibration line has to lower the hold-out's log-loss by more than this to be used: on Online Retail a
# gain of 0.002 there became a loss of 0.02 in the next season.
MIN_CALIBRATION_GAIN = 0.005
NO_CALIBRATION = (0.0, 1.0)
_BETTER = "clearly better than"
_PERHAPS = "better on average, but not with certainty, than"
_WORDS = {
    "base_rate": "overall churn rate",
    "days_since_last_order": "curve over days since the last order",
    "closed_form": "purchase model's closed form",
    "logistic": "logistic regression",
    "boosted": "boosted-tree model",
}


@dataclass(frozen=True)
class Choice:
    """The candidate that is used.

    Attributes
    ----------
    chosen : str
        Key of ``CANDIDATES``.
    verdict : str
        May it be used, in one sentence.
    calibration : tuple of float
        Intercept and slope for its log-odds.
    metrics : dict of str to dict of str to Metric
        Candidate -> metric on the hold-out, before calibration; empty when nothing could be judged.
    notes : tuple of str
        What else a reader must know.
    """

    chosen: str
    verdict: str
    calibration: tuple[float, float] = NO_CALIBRATION
    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def choose(training: pd.DataFrame, hold_out: pd.DataFrame, *, seed: int) -> Choice:
    """Fit every candidate on `training`, compare them on `hold_out`, and choose.

    Parameters
    ----------
    training, hold_out : DataFrame
        Rows of `crm_analytics.modelling.training_table`; no label of `training` ends after the first
        day of `hold_out`.
    seed : int
        Seed of the fits and the intervals.
    """
    if min(training["churned"].nunique(), hold_out["churned"].nunique()) < 2:
        has_theory = training[THEORY].notna().any() or hold_out[THEORY].notna().any()
        chosen = "closed_form" if has_theory else "base_rate"
        return Choice(
            chosen,
            "Use with care: there is not enough history to judge any model on later days, so the "
            f"{_WORDS[chosen]} is used, and its probabilities are unproven.",
        )
    y = outcome_of(hold_out)
    odds = {
        name: kind.fit(training, outcome_of(training), seed=seed).log_odds(hold_out)
        for name, kind in CANDIDATES.items()
    }
    losses = {name: log_loss(y, sigmoid(z)) for name, z in odds.items()}
    best_baseline = min((name for name in losses if CANDIDATES[name].is_baseline), key=losses.__getitem__)
    can_judge = min(y.sum(), len(y) - y.sum()) >= MIN_HOLD_OUT_CASES
    chosen = min(losses, key=losses.__getitem__) if can_judge else best_baseline
    metrics = {
        name: evaluate(y, sigmoid(z), customers=hold_out["customer_id"], seed=seed)
        for name, z in odds.items()
    }
    calibration, notes = _calibrate(training, y, chosen, odds[chosen], seed)
    if not can_judge:
        verdict = (
            f"Use with care: of {len(y)} customers of a later window too few left or stayed to judge a "
            f"learned model, so the {_WORDS[chosen]} is used: {_quality(len(y), metrics[chosen])}."
        )
    elif chosen == best_baseline:
        verdict = (
            f"No learned model beat the simple ones, so the {_WORDS[chosen]} is used: "
            f"{_quality(len(y), metrics[chosen])}."
        )
    else:
        gain = log_loss_gain(
            y,
            sigmoid(odds[chosen]),
            sigmoid(odds[best_baseline]),
            customers=hold_out["customer_id"],
            seed=seed,
        )
        verdict = (
            f"May be used: the {_WORDS[chosen]} is {_BETTER if gain.low > 0.0 else _PERHAPS} "
            f"the best baseline, the {_WORDS[best_baseline]} (log-loss lower by {gain.value:.4f}, 95 % "
            f"interval {gain.low:.4f} to {gain.high:.4f}): {_quality(len(y), metrics[chosen])}."
        )
    return Choice(chosen, verdict, calibration, metrics, notes)


def outcome_of(table: pd.DataFrame) -> Floats:
    """Return the label column as floats."""
    return np.asarray(table["churned"].to_numpy(dtype=np.float64), dtype=np.float64)


def _quality(row_count: int, found: dict[str, Metric]) -> str:
    return (
        f"on {row_count:,} customers of a later window it ranks a leaving customer above a staying one in "
        f"{found['auc'].value:.0%} of pairs, and expects {found['calibration_in_the_large'].value:.2f} times "
        "the churn that came"
    )


def _calibrate(
    training: pd.DataFrame, y: Floats, chosen: str, odds: Floats, seed: int
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Return Platt's line for the chosen log-odds, if one learned on an earlier cutoff helps on the hold-out.

    The line is learned where the model had not looked (fitted without the last training cutoff, judged on
    it). If it helps on the hold-out, the line is learned again there, on the latest days.
    """
    days = sorted(training["as_of"].unique())
    if CANDIDATES[chosen].is_baseline or len(days) < 2:
        return NO_CALIBRATION, ()
    earlier, later = training[training["as_of"] < days[-1]], training[training["as_of"] == days[-1]]
    if min(earlier["churned"].nunique(), later["churned"].nunique()) < 2:
        return NO_CALIBRATION, ()
    unseen = CANDIDATES[chosen].fit(earlier, outcome_of(earlier), seed=seed).log_odds(later)
    intercept, slope = _platt(unseen, outcome_of(later))
    before, after = log_loss(y, sigmoid(odds)), log_loss(y, sigmoid(intercept + slope * odds))
    found = f"log-loss {after:.4f} with it, {before:.4f} without, on the hold-out"
    if slope <= 0.0 or after > before - MIN_CALIBRATION_GAIN:
        return NO_CALIBRATION, (f"Calibration (Platt) was tried and is not used: {found}.",)
    intercept, slope = _platt(odds, y)
    if slope <= 0.0:
        return NO_CALIBRATION, ()
    return (intercept, slope), (f"Calibrated (Platt): {found}.",)


def _platt(odds: Floats, y: Floats) -> tuple[float, float]:
    """Return intercept and slope of a logistic regression of the outcome on the log-odds."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        found = LogisticRegression(C=1e6, max_iter=1000, tol=1e-8).fit(odds.reshape(-1, 1), y)
    return float(found.intercept_[0]), float(found.coef_[0][0])
