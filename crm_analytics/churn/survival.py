"""How long do customers or contracts stay?  Survival curve, hazard by age, median and mean with intervals.

A life is the number of days from the beginning to the end, or to the day we stand on while it runs
(censored). `survival_curve` is Kaplan and Meier's estimate (1958, Journal of the American Statistical
Association 53(282)) by statsmodels, with Greenwood's variance and limits on the log-log scale, which stay
between 0 and 1 (Kalbfleisch and Prentice 1980). Hazards with features are in `crm_analytics.churn.hazards`.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_analytics.errors import NotEnoughData, UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its limits; infinite = not reached within what was seen."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SurvivalCurve:
    """Share that stays, by age; arrays run over the ages at which a life ended.

    Attributes
    ----------
    days : array of float
        Ages at which a life ended, rising.
    at_risk, ended : array of float
        Lives that had reached the age, and those that ended there.
    survival, low, high : array of float
        Share staying longer than the age, with its limits.
    longest_days : float
        Longest life seen, ended or not: nothing is known beyond.
    level : float
        Coverage of the limits.
    """

    days: Floats
    at_risk: Floats
    ended: Floats
    survival: Floats
    low: Floats
    high: Floats
    longest_days: float
    level: float

    def at(self, days: ArrayLike) -> Floats:
        """Return the share that stays longer than so many days; NaN beyond the longest life seen."""
        asked = np.asarray(days, dtype=np.float64)
        steps = np.r_[1.0, self.survival]
        found = steps[np.searchsorted(self.days, asked, side="right")]
        return np.where(asked > self.longest_days, np.nan, found)

    def median_days(self) -> Estimate:
        """Return the age that half of the lives do not exceed (limits: Brookmeyer and Crowley 1982)."""
        return Estimate(*(self._first_at_half(curve) for curve in (self.survival, self.low, self.high)))

    def restricted_mean(self, until_days: float) -> Estimate:
        """Return the mean number of days stayed within the first `until_days`: the area under the curve.

        The variance is that of Klein and Moeschberger (2003, eq. 4.5.2).

        Raises
        ------
        UsageError
            `until_days` is not positive, or beyond the longest life seen.
        """
        if not 0.0 < until_days <= self.longest_days:
            raise UsageError(
                f"until_days={until_days} must lie above 0 and not beyond {self.longest_days:g}, the longest "
                "life seen."
            )
        inside = self.days < until_days
        edges = np.r_[0.0, self.days[inside], until_days]
        areas = np.diff(edges) * np.r_[1.0, self.survival[inside]]
        # area under the curve from each end on
        rest = areas.sum() - np.cumsum(areas)[:-1]
        at_risk, ended = self.at_risk[inside], self.ended[inside]
        left = at_risk - ended
        parts = np.divide(rest**2 * ended, at_risk * left, out=np.zeros_like(rest), where=left > 0)
        wide = NormalDist().inv_cdf(0.5 + self.level / 2.0) * float(np.sqrt(parts.sum()))
        mean = float(areas.sum())
        return Estimate(mean, max(mean - wide, 0.0), min(mean + wide, until_days))

    def to_frame(self) -> pd.DataFrame:
        """Return the curve as a table, from age 0 on."""
        return pd.DataFrame(
            {
                "age_days": np.r_[0.0, self.days],
                "at_risk": np.r_[self.at_risk[0] if len(self.at_risk) else 0.0, self.at_risk],
                "ended": np.r_[0.0, self.ended],
                "survival": np.r_[1.0, self.survival],
                "survival_low": np.r_[1.0, self.low],
                "survival_high": np.r_[1.0, self.high],
            }
        )

    def _first_at_half(self, curve: Floats) -> float:
        reached = np.flatnonzero(curve <= 0.5 + 1e-12)
        return float(self.days[reached[0]]) if len(reached) else float("inf")


def survival_curve(
    life_days: ArrayLike,
    is_ended: ArrayLike,
    *,
    entered_days: ArrayLike | None = None,
    level: float = 0.95,
) -> SurvivalCurve:
    """Estimate the share that stays, by age.

    Parameters
    ----------
    life_days : array of float, shape (n,)
        Length of each life so far, more than 0.
    is_ended : array of bool
        False = still running (censored).
    entered_days : array of float, optional
        Age at which each life came under observation; those that ended before are not in the data.
    level : float, default 0.95
        Coverage of the limits.

    Raises
    ------
    NotEnoughData
        There is no life.
    UsageError
        Lengths differ, a life is not positive, or the level is not between 0 and 1.

    Examples
    --------
    >>> curve = survival_curve([10, 20, 30, 40], [True, True, False, True])
    >>> [round(float(share), 6) for share in curve.at([5, 10, 25])]
    [1.0, 0.75, 0.5]
    >>> curve.median_days().value
    20.0
    """
    from statsmodels.duration.survfunc import SurvfuncRight

    life = np.asarray(life_days, dtype=np.float64)
    ended = np.asarray(is_ended).astype(bool)
    if not len(life):
        raise NotEnoughData("There is no life to draw a curve of.")
    if life.shape != ended.shape or not (life > 0.0).all():
        raise UsageError("Each life needs a length above 0 days and a word on whether it has ended.")
    if not 0.0 < level < 1.0:
        raise UsageError(f"level={level} must lie between 0 and 1.")
    longest = float(life.max())
    if not ended.any():
        none = np.zeros(0)
        return SurvivalCurve(none, none, none, none, none, none, longest, level)
    entry = None if entered_days is None else np.asarray(entered_days, dtype=np.float64)
    found = SurvfuncRight(life, ended.astype(int), entry=entry)
    low, high = _limits(found.surv_prob, found.surv_prob_se, level)
    return SurvivalCurve(
        np.asarray(found.surv_times, dtype=np.float64),
        np.asarray(found.n_risk, dtype=np.float64),
        np.asarray(found.n_events, dtype=np.float64),
        np.asarray(found.surv_prob, dtype=np.float64),
        low,
        high,
        longest,
        level,
    )


def hazard_by_age(
    life_days: ArrayLike, is_ended: ArrayLike, *, period_days: int = 30, level: float = 0.95
) -> pd.DataFrame:
    """Return how many of those who reached each age ended within the period that follows.

    Parameters
    ----------
    life_days, is_ended
        As for `survival_curve`.
    period_days : int, default 30
        Length of a period.
    level : float, default 0.95
        Coverage of the limits (Wilson 1927).

    Returns
    -------
    DataFrame
        ``age_days`` (beginning of the period), ``at_risk`` (lives that reached it, those censored within
        it as one half), ``ended``, ``hazard``, ``hazard_low``, ``hazard_high``. Periods that nobody reached
        are left out.

    Examples
    --------
    >>> hazard_by_age([10, 40, 50, 90], [1, 1, 0, 0])[["age_days", "at_risk", "ended"]].values.tolist()
    [[0.0, 4.0, 1.0], [30.0, 2.5, 1.0], [60.0, 0.5, 0.0]]
    """
    life = np.asarray(life_days, dtype=np.float64)
    ended = np.asarray(is_ended).astype(bool)
    if life.shape != ended.shape or not (life > 0.0).all():
        raise UsageError("Each life needs a length above 0 days and a word on whether it has ended.")
    last = np.ceil(life / period_days).astype(np.int64) - 1
    count = int(last.max()) + 1 if len(last) else 0
    ends = np.bincount(last[ended], minlength=count).astype(np.float64)
    cut = np.bincount(last[~ended], minlength=count).astype(np.float64)
    entered = len(life) - np.r_[0.0, np.cumsum(ends + cut)[:-1]] if count else np.zeros(0)
    at_risk = entered - cut / 2.0
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    share = ends / at_risk
    middle = (share + z**2 / (2 * at_risk)) / (1 + z**2 / at_risk)
    wide = z * np.sqrt(share * (1 - share) / at_risk + z**2 / (4 * at_risk**2)) / (1 + z**2 / at_risk)
    return pd.DataFrame(
        {
            "age_days": np.arange(count) * period_days,
            "at_risk": at_risk,
            "ended": ends,
            "hazard": share,
            "hazard_low": np.maximum(middle - wide, 0.0),
            "hazard_high": np.minimum(middle + wide, 1.0),
        }
    )


def _limits(survival: ArrayLike, error: ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Return limits on the scale log(-log S); where nobody stays, or the error is 0, the value itself."""
    s, se = np.asarray(survival, dtype=np.float64), np.asarray(error, dtype=np.float64)
    inside = (s > 0.0) & (s < 1.0)
    held = np.where(inside, s, 0.5)
    wide = NormalDist().inv_cdf(0.5 + level / 2.0) * se / (held * np.abs(np.log(held)))
    low, high = held ** np.exp(wide), held ** np.exp(-wide)
    return np.where(inside, low, s), np.where(inside, high, s)
