"""What have the calls saved so far?  The save rate, learned from the tasks that people did.

A customer counts as called when the task of a list was done within two weeks of the list, and as judged
when the horizon of the list's probability has ended. Of the called, as many were expected to leave as
their probabilities add up to; the share of them that did not is the measured save rate. It leans on
calibrated probabilities (the card says whether they are), and on nothing else having changed: a held-out
group would be better evidence, and with it the campaign tools measure uplift.

Chance alone makes the measured rate of fifty calls anything from -0.3 to 0.4, so the rate that is *used* is
the assumed one, moved by as much as the calls prove: the mean of a Beta(1, 9), whose mean is the assumed
0.1, times the normal likelihood of the measured rate (Bayes; the integral is a sum over a grid). It is
never 0: a list that chance had emptied would never again be tried, and so never learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from crm_analytics.actions.tasks import task_key
from crm_analytics.warehouse import SqlFile, Warehouse

ASSUMED_RATE = 0.1
# The assumption is worth as much as this many leavers that were called and judged.
ASSUMED_WEIGHT = 10.0
# A task done later than this after its list is no call that could have changed what was predicted.
CALL_DAYS = 14
_GRID = 2000


@dataclass(frozen=True)
class SaveRate:
    """The share of leavers whom a call keeps.

    Attributes
    ----------
    rate : float
        To be used, above 0 and below 1: the assumed 0.1, moved by what the calls have shown.
    low, high : float
        95 % limits of `rate`, the assumption and the calls taken together.
    measured : float
        1 - left / expected to leave, from the calls alone; below 0 where more left than was expected, NaN
        without any.
    called_count : int
        Calls whose outcome is known.
    """

    rate: float
    low: float
    high: float
    measured: float
    called_count: int

    def __str__(self) -> str:
        """Say both rates and the limits in words."""
        told = f"save rate {self.rate:.1%} ({self.low:.1%} to {self.high:.1%})"
        if not self.called_count:
            return f"{told}, assumed: no call has been judged yet"
        return f"{told}; {self.called_count:,} judged calls alone say {self.measured:.1%}"


def save_rate(wh: Warehouse, *, as_of: date) -> SaveRate:
    """Learn the save rate from the lists, tasks and purchases before `as_of`.

    Parameters
    ----------
    wh : Warehouse
        With scores.actions of earlier nights, and the tasks that came back from the record store.
    as_of : date
        First day not seen.

    Returns
    -------
    SaveRate
        0.1 until calls have been judged, then the nearer to 1 - left / expected to leave the more calls
        there are.

    Examples
    --------
    >>> print(save_rate(Warehouse.open(), as_of=date(2024, 1, 1)))
    save rate 10.0% (0.3% to 33.6%), assumed: no call has been judged yet
    """
    listed = wh.frame(SqlFile.beside(__file__, "outcomes.sql"), as_of=as_of)
    done = dict(wh.rows(SqlFile.beside(__file__, "done_tasks.sql"), as_of=as_of))
    called = [_was_called(row.as_of, row.listed_id, done) for row in listed.itertuples()]
    return learned(listed[np.array(called, dtype=bool)])


def learned(called: pd.DataFrame) -> SaveRate:
    """Return the save rate that judged calls show.

    Parameters
    ----------
    called : DataFrame
        One row per judged call: ``customer_id``, ``churn_probability`` and ``has_left``.

    Examples
    --------
    >>> left = pd.DataFrame({"customer_id": range(60), "has_left": [1] * 34 + [0] * 26})
    >>> print(learned(left.assign(churn_probability=0.5)))
    save rate 4.6% (0.1% to 15.3%); 60 judged calls alone say -13.3%
    """
    shares = (np.arange(_GRID) + 0.5) / _GRID
    weight = (ASSUMED_WEIGHT * (1.0 - ASSUMED_RATE) - 1.0) * np.log1p(-shares)
    weight += (ASSUMED_WEIGHT * ASSUMED_RATE - 1.0) * np.log(shares)
    p = called["churn_probability"].to_numpy(dtype=np.float64)
    measured = float("nan")
    if p.sum() > 0.0:
        measured = 1.0 - float(called["has_left"].to_numpy(dtype=np.float64).sum() / p.sum())
        # calls to one customer in overlapping horizons share one outcome: errors add up, not squares
        errors = pd.Series(np.sqrt(p * (1.0 - p))).groupby(called["customer_id"].to_numpy()).sum()
        spread = max(float(np.sqrt((errors**2).sum()) / p.sum()), 1.0 / _GRID)
        weight -= 0.5 * ((shares - measured) / spread) ** 2
    chance = np.exp(weight - weight.max())
    chance /= chance.sum()
    low, high = np.interp([0.025, 0.975], np.cumsum(chance), shares)
    return SaveRate(float(chance @ shares), float(low), float(high), measured, len(called))


def _was_called(listed_on: date, listed_id: str, done: dict[str, date]) -> bool:
    day = pd.Timestamp(listed_on).date()
    done_on = done.get(task_key(day, listed_id))
    return done_on is not None and done_on <= day + timedelta(days=CALL_DAYS)
