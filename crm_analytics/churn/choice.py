"""Which candidate is best on days it has not seen, and may it be used?

Every candidate is fitted as it could have been on several past days, and judged on the window that began
there: nothing it learned from ended after that day (rolling origins). The measure is log-loss, the mean
over these windows. A learned model that does not beat the best baseline is not used; where nothing is shown
to beat one rate for everybody, everybody gets that rate, and the verdict says that nobody can be told apart.
Where too few left or stayed to judge a learned model, a baseline is used only if it is shown to beat that
rate.
Theory learns nothing from outcomes. Where there are none to judge by it is used, and where candidates could
learn from too short a time before the only window, it stays unless another one is clearly better there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.candidates import CANDIDATES, ClosedForm, fit_all, outcome_of, theory_column
from crm_analytics.churn.evidence import EARNED, LEAST_CASES, Evidence, evidence
from crm_analytics.modelling.baselines import base_rate, base_rate_limits
from crm_analytics.modelling.evaluate import Metric, evaluate, log_loss, log_loss_gain
from crm_analytics.modelling.logistic import sigmoid

Floats = NDArray[np.float64]
# Fewer events (or non-events) than this in the hold-outs cannot tell a learned model from a lucky one.
MIN_HOLD_OUT_CASES = 25
# Windows that candidates are judged on, as far as the history reaches. Before the last one there must be
# cutoffs over so many horizons: what was learned from less says little of what is learned from everything.
MAX_HOLD_OUTS = 3
LEARNED_HORIZONS = 2
# The blend is used when it comes so near to the best learned model: one part's lead over the mean of both
# turned round from one season to the next on Online Retail and CDNOW.
BLEND_MARGIN = 0.002
_BETTER = "clearly better than"
_PERHAPS = "better on average, but not with certainty, than"
_WORDS = {
    "base_rate": "overall churn rate",
    "days_since_last_order": "curve over days since the last order",
    "closed_form": "purchase model's closed form",
    "contract_age": "curve over the age of the contract",
    "survival_curve": "survival curve of the contracts",
    "recency_frequency_spend_age": "logistic regression on recency, frequency, spend and age",
    "plain_xgboost": "xgboost as it comes",
    "logistic": "logistic regression",
    "boosted": "boosted-tree model",
    "blend": "mean of logistic regression and boosted trees",
}


@dataclass(frozen=True)
class Choice:
    """The candidate that is used.

    Attributes
    ----------
    chosen : str
        Key of ``CANDIDATES``.
    verdict : str
        May it be used, in one sentence; what to beware of in another.
    hold_outs : tuple of date
        Cutoffs it was judged on, oldest first; empty when nothing could be judged.
    metrics : dict of str to dict of str to Metric
        Candidate -> metric over all hold-outs.
    evidence : Evidence
        The chosen one per hold-out and segment.
    """

    chosen: str
    verdict: str
    hold_outs: tuple[date, ...] = ()
    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    evidence: Evidence = Evidence()  # noqa: RUF009 (does not change)


def choose(table: pd.DataFrame, *, horizon_days: int, segment: pd.Series | None = None, seed: int) -> Choice:
    """Fit every candidate on what had ended before each hold-out, compare them there, and choose.

    Parameters
    ----------
    table : DataFrame
        Rows of `crm_analytics.modelling.training_table` of several cutoffs.
    horizon_days : int
        Length of the label windows.
    segment : Series of categories, optional
        Segment of each row of the table, for which the chosen one is judged too.
    seed : int
        Seed of the fits and the intervals.
    """
    origins = _origins(table, horizon_days)
    if not origins:
        return judge([], [], table=table, where="", seed=seed)
    judged, odds_of = [], []
    for origin in origins:
        hold_out = table[table["as_of"] == origin]
        judged.append(hold_out)
        odds_of.append(
            {
                name: fitted.log_odds(hold_out) + fitted.levels.expected(origin.date())
                for name, fitted in fit_all(_ended(table, origin, horizon_days), seed=seed).items()
            }
        )
    windows = f"{len(origins)} later windows" if len(origins) > 1 else "a later window"
    days = tuple(origin.date() for origin in origins)
    return judge(
        judged,
        odds_of,
        table=table,
        where=windows,
        hold_outs=days,
        is_thin=_learned_days(_ended(table, origins[-1], horizon_days)) < LEARNED_HORIZONS * horizon_days,
        segment=segment,
        seed=seed,
    )


def one_outcome(table: pd.DataFrame) -> Choice:
    """Choose one rate for everybody, where nobody left or nobody stayed: nothing can be told apart.

    The rate is that of customers, each counted once, drawn towards one half (`base_rate`).
    """
    y = outcome_of(one_row_each(table))
    low, high = base_rate_limits(y)
    did = "left" if y[0] else "stayed"
    who = "the only customer" if len(y) == 1 else f"all {len(y):,} customers"
    return Choice(
        "base_rate",
        f"Use with care: not enough to learn from, since {who} {did}, and a model needs some who left and "
        f"some who stayed. Here is the baseline: one rate for everybody, {base_rate(y):.2%} (95 % interval "
        f"{low:.2%} to {high:.2%}; prior Beta(1/2, 1/2), each customer counted once). It ranks nobody: a "
        "list of calls by it goes by value alone.",
    )


def one_row_each(table: pd.DataFrame) -> pd.DataFrame:
    """Return the last row of each customer: where all did the same, many days are not many customers."""
    return table.drop_duplicates("customer_id", keep="last")


def judge(
    judged: Sequence[pd.DataFrame],
    odds_of: Sequence[Mapping[str, Floats]],
    *,
    table: pd.DataFrame,
    where: str,
    hold_outs: tuple[date, ...] = (),
    is_thin: bool = False,
    segment: pd.Series | None = None,
    seed: int,
) -> Choice:
    """Choose by the mean log-loss over parts of the data that no candidate had seen.

    Parameters
    ----------
    judged : sequence of DataFrame
        Rows of each part, with their outcome; without a part, theory or the base rate is used.
    odds_of : sequence of mapping
        Per part: candidate -> log-odds of its rows, as fitted without them.
    table : DataFrame
        All rows.
    where : str
        What the parts are, in words.
    hold_outs : tuple of date
        Days on which they begin, if they have one.
    is_thin : bool, default False
        What was learned from is too short to say much of what is learned from everything: theory is then
        used unless another candidate is clearly better (95 % interval of the gain above 0).
    segment : Series of categories, optional
        As of `choose`.
    seed : int
        Seed of the intervals.
    """
    if not judged:
        return _unproven(table)
    names = tuple(odds_of[0])
    rows = pd.concat(judged)
    y = outcome_of(rows)
    odds = {name: np.concatenate([one[name] for one in odds_of]) for name in names}
    losses = _mean_losses(judged, odds_of)
    can_judge = min(y.sum(), len(y) - y.sum()) >= MIN_HOLD_OUT_CASES
    best_baseline = min(
        (
            name
            for name in losses
            if CANDIDATES[name].is_simple or (can_judge and CANDIDATES[name].is_baseline)
        ),
        key=losses.__getitem__,
    )
    chosen = _best(losses, best_baseline) if can_judge else best_baseline
    customers = rows["customer_id"]
    theory = _theory(table) if is_thin and can_judge else None
    keeps_theory = theory is not None and (
        chosen == theory or not _gain(y, odds, chosen, theory, customers, seed).low > 0.0
    )
    if theory is not None and keeps_theory:
        chosen = theory
    best = chosen
    against_one_rate = _gain(y, odds, best, "base_rate", customers, seed)
    if not keeps_theory and not against_one_rate.low > 0.0:
        chosen = "base_rate"
    windows = np.repeat(np.arange(len(judged)), [len(part) for part in judged])
    metrics = {
        name: evaluate(y, sigmoid(z), customers=customers, windows=windows, seed=seed)
        for name, z in odds.items()
        if can_judge or CANDIDATES[name].is_simple
    }
    quality = _quality(where, len(y), metrics[chosen])
    if not can_judge:
        left = int(y.sum())
        told = (
            f"Use with care: not enough customers to judge a learned model. Of {len(y)} in {where} {left} "
            f"left and {len(y) - left} stayed; it takes {MIN_HOLD_OUT_CASES} of both. Here is the baseline: "
        )
        if min(left, len(y) - left) < LEAST_CASES:  # figures would say more than is known
            return Choice(chosen, f"{told}the {_WORDS[chosen]}, unproven.", hold_outs)
        if chosen == "base_rate":
            verdict = f"{told}one rate for everybody, since no simple way was shown to be better."
        else:
            verdict = f"{told}the {_WORDS[chosen]}, {_BETTER} one rate for everybody: {quality}."
    elif keeps_theory:
        verdict = (
            f"Use with care: the history before {where} is too short to learn from, and no model was clearly "
            f"better there than the {_WORDS[chosen]}, so that is used: {quality}."
        )
    elif chosen == "base_rate":
        verdict = (
            "Not to be used for telling customers apart: no model was shown to be better than one rate for "
            f"everybody{_tried(best, against_one_rate)}, so everybody gets the overall churn rate, which "
            f"{_expects(metrics[chosen])} on {len(y):,} customers of {where}."
        )
    elif chosen == best_baseline:
        verdict = (
            f"May be used: the {_WORDS[chosen]} is {_BETTER} one rate for everybody "
            f"({_told(against_one_rate)}), and none of our models beat it: {quality}."
        )
    else:
        gain = _gain(y, odds, chosen, best_baseline, customers, seed)
        verdict = (
            f"May be used: the {_WORDS[chosen]} is {_BETTER if gain.low > 0.0 else _PERHAPS} "
            f"the best baseline, the {_WORDS[best_baseline]} ({_told(gain)}): {quality}."
        )
    verdict += _why_blend(chosen, losses)
    if not hold_outs:
        return Choice(chosen, verdict, hold_outs, metrics)
    chances = {name: sigmoid(odds[name]) for name in metrics}
    found = evidence(rows, y, chances, chosen=chosen, segment=segment, seed=seed)
    if can_judge and chosen != "base_rate" and not keeps_theory:
        found = replace(found, notes=(_seen_before(judged, odds_of, seed), *found.notes))
    for name, earned in found.earned.items():
        metrics[name][EARNED] = earned
    return Choice(chosen, verdict + _newest_miss(found), hold_outs, metrics, found)


def _best(losses: Mapping[str, float], best_baseline: str) -> str:
    """Return the candidate of the lowest log-loss; the blend where a learned one hardly leads it."""
    chosen = min(losses, key=losses.__getitem__)
    is_learned = not CANDIDATES[chosen].is_baseline
    if is_learned and losses["blend"] < min(losses[chosen] + BLEND_MARGIN, losses[best_baseline]):
        return "blend"
    return chosen


def _mean_losses(judged: Sequence[pd.DataFrame], odds_of: Sequence[Mapping[str, Floats]]) -> dict[str, float]:
    """Return candidate -> log-loss, the mean over the parts."""
    return {
        name: float(
            np.mean(
                [
                    log_loss(outcome_of(part), sigmoid(one[name]))
                    for part, one in zip(judged, odds_of, strict=True)
                ]
            )
        )
        for name in odds_of[0]
    }


def _seen_before(judged: Sequence[pd.DataFrame], odds_of: Sequence[Mapping[str, Floats]], seed: int) -> str:
    """Say that the windows chose the model as well, and what came of a choice that did not see the newest."""
    if len(judged) == 1:
        return (
            "The window that figures are measured on also chose the model, so they are somewhat too good; no "
            "later window is there to check them"
        )
    losses = _mean_losses(judged[:-1], odds_of[:-1])
    baseline = min((name for name in losses if CANDIDATES[name].is_baseline), key=losses.__getitem__)
    early, newest = _best(losses, baseline), judged[-1]
    told = (
        "The windows that figures are measured on also chose the model, so they are somewhat too good. "
        f"Chosen by the earlier windows alone, it would be the {_WORDS[early]}"
    )
    if early == baseline:
        return f"{told}, a baseline"
    gain = _gain(outcome_of(newest), odds_of[-1], early, baseline, newest["customer_id"], seed)
    return (
        f"{told}; on the newest, which that choice had not seen, its log-loss is "
        f"{'lower' if gain.value > 0.0 else 'higher'} by {abs(gain.value):.4f} than that of the "
        f"{_WORDS[baseline]}, the best baseline before ({_limits(gain)})"
    )


def _limits(gain: Metric) -> str:
    low, high = sorted((abs(gain.low), abs(gain.high)))
    if gain.low > 0.0 or gain.high < 0.0:
        return f"95 % interval {low:.4f} to {high:.4f}"
    return f"which is not certain: 95 % interval of the gain {gain.low:.4f} to {gain.high:.4f}"


def _why_blend(chosen: str, losses: Mapping[str, float]) -> str:
    """Say why the blend is used where one of its parts did better."""
    best = min(losses, key=losses.__getitem__)
    if chosen != "blend" or best == "blend":
        return ""
    return (
        f" The {_WORDS[best]} alone did better there, by {losses['blend'] - losses[best]:.4f} of log-loss: "
        f"leads of less than {BLEND_MARGIN} turn round from one season to the next, so the mean is used."
    )


def _newest_miss(found: Evidence) -> str:
    """Say how far the newest window was missed, where that is more than chance."""
    day = max(found.by_cutoff, default="")
    ratio = found.by_cutoff.get(day, {}).get("calibration_in_the_large")
    if ratio is None or not (ratio.low > 1.0 or ratio.high < 1.0):
        return ""
    way = "too high" if ratio.value > 1.0 else "too low"
    return (
        f" Levels are to be taken with care: in the newest window (from {day}) it expected {ratio.value:.2f} "
        f"times the churn that came, 95 % interval {ratio.low:.2f} to {ratio.high:.2f}, {way} by more than "
        "chance."
    )


def _gain(
    y: Floats, odds: Mapping[str, Floats], name: str, than: str, customers: pd.Series, seed: int
) -> Metric:
    return log_loss_gain(y, sigmoid(odds[name]), sigmoid(odds[than]), customers=customers, seed=seed)


def _told(gain: Metric) -> str:
    return f"log-loss lower by {gain.value:.4f}, 95 % interval {gain.low:.4f} to {gain.high:.4f}"


def _tried(best: str, gain: Metric) -> str:
    return "" if best == "base_rate" else f" (the best, the {_WORDS[best]}: {_told(gain)})"


def _expects(found: Mapping[str, Metric]) -> str:
    return f"expects {found['calibration_in_the_large'].value:.2f} times the churn that came"


def _theory(table: pd.DataFrame) -> str | None:
    """Return the candidate that is theory alone, None where theory says nothing."""
    column = theory_column(table)
    if column is None or not table[column].notna().any():
        return None
    return next(
        name for name, kind in CANDIDATES.items() if kind.fit == ClosedForm.fit and kind.needs == column
    )


def _unproven(table: pd.DataFrame) -> Choice:
    chosen = _theory(table) or "base_rate"
    return Choice(
        chosen,
        "Use with care: not enough history to judge any model on customers it has not seen. Here is the "
        f"baseline: the {_WORDS[chosen]}, unproven.",
    )


def _origins(table: pd.DataFrame, horizon_days: int) -> list[pd.Timestamp]:
    """Return the last cutoffs, one horizon apart, with both outcomes and enough before them to learn from."""
    found: list[pd.Timestamp] = []
    for day in sorted(table["as_of"].unique(), reverse=True):
        origin = pd.Timestamp(day)
        if found and (found[-1] - origin).days < horizon_days:
            continue
        before, there = _ended(table, origin, horizon_days), table[table["as_of"] == origin]
        if min(before["churned"].nunique(), there["churned"].nunique()) < 2:
            continue
        if not found or _learned_days(before) >= LEARNED_HORIZONS * horizon_days:
            found.append(origin)
        if len(found) == MAX_HOLD_OUTS:
            break
    return found[::-1]


def _learned_days(table: pd.DataFrame) -> int:
    return int((table["as_of"].max() - table["as_of"].min()).days)


def _ended(table: pd.DataFrame, origin: pd.Timestamp, horizon_days: int) -> pd.DataFrame:
    """Return the rows whose label window had ended by a day."""
    return table[table["as_of"] + timedelta(days=horizon_days) <= origin]


def _quality(where: str, row_count: int, found: Mapping[str, Metric]) -> str:
    return (
        f"on {row_count:,} customers of {where} it ranks a leaving customer above a staying one in "
        f"{found['auc'].value:.0%} of pairs, and {_expects(found)}"
    )
