"""How high is churn in the window to come?  A level per cutoff, and the level to expect at a later day.

The features rank customers; how many of all of them leave depends on the season as well. So every learned
model has a level of its own per cutoff (log-odds, fitted with it), and for a new day the level of the most
comparable window of the past: the same season a year before, moved by half of what the level changed over
the year before the last window (a damped trend: Gardner and McKenzie 1985, Management Science 31(10)).
Where that change is not known, it is the mean of the season's and the last level.

Without a year of history the last level is that of another season, and nobody knows which part of it is. Then
theory speaks for the part of a year that was never seen: the level is the one at which as many leave as
theory expects (the purchase model, the curve of contracts), moved by what came on average above or below it,
times the share of a year that was seen. Where there is no theory either, it is the last level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.modelling.cutoffs import months_before
from crm_analytics.modelling.logistic import sigmoid

Floats = NDArray[np.float64]
DAMPING = 0.5
# A window counts as the same season when it began within half a month of the same day.
SAME_SEASON_DAYS = 16
_YEAR_DAYS = 365


@dataclass(frozen=True)
class Levels:
    """Levels in log-odds, oldest first; without any, the level is 0 everywhere.

    Attributes
    ----------
    days : tuple of date
        Cutoffs.
    values : tuple of float
        What was added to the log-odds there.
    theory : tuple of float
        What would have been added for as many to leave as theory expected there; empty = no theory.
    """

    days: tuple[date, ...] = ()
    values: tuple[float, ...] = ()
    theory: tuple[float, ...] = ()

    def expected(self, as_of: date) -> float:
        """Return the level to expect for the window that begins on a day after all of them.

        Examples
        --------
        >>> days = (date(2023, 1, 1), date(2023, 4, 1), date(2024, 1, 1))
        >>> Levels(days, (1.0, -1.0, 1.5)).expected(date(2024, 4, 1))
        -0.75
        >>> round(Levels(days[:1], (1.0,), (0.5,)).expected(date(2023, 4, 1)), 3)  # a quarter of the gap
        0.623
        """
        if not self.days:
            return 0.0
        season, last = self._near(months_before(as_of, 12)), self.values[-1]
        if season is None:
            return self._unseen(as_of) if self.theory else last
        year_before_last = self._near(months_before(self.days[-1], 12))
        if year_before_last is None:
            return (season + last) / 2.0
        return season + DAMPING * (last - year_before_last)

    def to_list(self) -> list[list[Any]]:
        """Return per cutoff the ISO day, the level, and theory's where there is one."""
        rows = zip(self.days, self.values, self.theory or [None] * len(self.days), strict=True)
        return [[day.isoformat(), value, theory] for day, value, theory in rows]

    @classmethod
    def from_list(cls, stored: list[list[Any]]) -> Levels:
        """Rebuild what `to_list` gave."""
        return cls(
            tuple(date.fromisoformat(day) for day, _, _ in stored),
            tuple(float(value) for _, value, _ in stored),
            tuple(float(theory) for _, _, theory in stored if theory is not None),
        )

    def _unseen(self, as_of: date) -> float:
        """Return theory's last level, moved by the mean gap times the share of a year that was seen."""
        gap = float(np.mean(np.subtract(self.values, self.theory)))
        return self.theory[-1] + gap * min(1.0, (as_of - self.days[0]).days / _YEAR_DAYS)

    def _near(self, day: date) -> float | None:
        gaps = [abs((one - day).days) for one in self.days]
        nearest = int(np.argmin(gaps))
        return self.values[nearest] if gaps[nearest] <= SAME_SEASON_DAYS else None


def fit_levels(table: pd.DataFrame, outcome: Floats, log_odds: Floats) -> Levels:
    """Return the level of each cutoff at which as many events are expected as came.

    A cutoff at which all or none of the rows are events is drawn towards one half by half an event.
    """
    days, values = [], []
    for day, rows in table.groupby("as_of", sort=True).indices.items():
        z, wanted = log_odds[rows], float(np.sum(outcome[rows]))
        wanted = min(max(wanted, 0.5), len(rows) - 0.5)
        days.append(pd.Timestamp(day).date())
        values.append(_level(z, wanted))
    return Levels(tuple(days), tuple(values))


def with_theory(levels: Levels, table: pd.DataFrame, theory: Floats, log_odds: Floats) -> Levels:
    """Add the level of each cutoff at which as many would leave as theory expects.

    Parameters
    ----------
    levels : Levels
        As fitted on `table`.
    theory : array
        Probability per row.
    log_odds : array
        Of the model, per row, without any level.
    """
    return replace(levels, theory=fit_levels(table, theory, log_odds).values)


def level_of_rows(table: pd.DataFrame, levels: Levels) -> Floats:
    """Return the fitted level of each row's cutoff."""
    known = dict(zip(map(pd.Timestamp, levels.days), levels.values, strict=True))
    return np.asarray(table["as_of"].map(known).to_numpy(dtype=np.float64))


def _level(log_odds: Floats, events: float) -> float:
    """Solve sum(sigmoid(z + level)) = events by bisection: the sum grows with the level."""
    low, high = -30.0 - float(np.max(log_odds)), 30.0 - float(np.min(log_odds))
    for _ in range(100):
        middle = (low + high) / 2.0
        if float(np.sum(sigmoid(log_odds + middle))) < events:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
