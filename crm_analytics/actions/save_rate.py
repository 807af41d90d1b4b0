"""What have the calls saved so far?  The save rate, measured from the tasks that people did.

A customer counts as called when the task of a list was done within two weeks of the list, and as judged
when the horizon of the list's probability has ended. Of the called, as many were expected to leave as
their probabilities add up to; the share of them that did not is the save rate. It leans on calibrated
probabilities (the card says whether they are), and on nothing else having changed: a held-out group would
be better evidence, and with it the campaign tools measure uplift.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from crm_analytics.actions.tasks import task_key
from crm_analytics.warehouse import SqlFile, Warehouse

ASSUMED_RATE = 0.1
# Fewer called customers than this measure nothing.
MIN_CALLED = 50
# A task done later than this after its list is no call that could have changed what was predicted.
CALL_DAYS = 14
_REPLICATES, _SEED = 400, 0


@dataclass(frozen=True)
class SaveRate:
    """The share of leavers whom a call keeps.

    Attributes
    ----------
    rate : float
        0..1, to be used; the assumed one while `is_measured` is false.
    low, high : float
        95 % limits (bootstrap by customer); NaN unless measured.
    called_count : int
        Calls whose outcome is known.
    is_measured : bool
        At least ``MIN_CALLED`` calls have been judged.
    """

    rate: float
    low: float
    high: float
    called_count: int
    is_measured: bool


def save_rate(wh: Warehouse, *, as_of: date) -> SaveRate:
    """Measure the save rate from the lists, tasks and purchases before `as_of`.

    Parameters
    ----------
    wh : Warehouse
        With scores.actions of earlier nights, and the tasks that came back from the record store.
    as_of : date
        First day not seen.

    Returns
    -------
    SaveRate
        0.1, assumed, until fifty calls have been judged; then 1 - left / expected to leave, within 0..1.

    Examples
    --------
    >>> save_rate(Warehouse.open(), as_of=date(2024, 1, 1)).rate
    0.1
    """
    listed = wh.frame(SqlFile.beside(__file__, "outcomes.sql"), as_of=as_of)
    done = dict(wh.rows(SqlFile.beside(__file__, "done_tasks.sql"), as_of=as_of))
    called = listed[[_was_called(row.as_of, row.customer_id, done) for row in listed.itertuples()]]
    if len(called) < MIN_CALLED:
        return SaveRate(ASSUMED_RATE, float("nan"), float("nan"), len(called), is_measured=False)
    left = called["has_left"].to_numpy(dtype=np.float64)
    expected = called["churn_probability"].to_numpy(dtype=np.float64)
    codes, names = pd.factorize(called["customer_id"])
    draw = np.random.default_rng(_SEED)
    weights = draw.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=_REPLICATES)[:, codes]
    drawn = 1.0 - np.sum(weights * left, axis=1) / np.sum(weights * expected, axis=1)
    rate, low, high = np.clip(
        [1.0 - np.sum(left) / np.sum(expected), *np.quantile(drawn, [0.025, 0.975])], 0.0, 1.0
    )
    return SaveRate(float(rate), float(low), float(high), len(called), is_measured=True)


def _was_called(listed_on: date, customer_id: str, done: dict[str, date]) -> bool:
    day = pd.Timestamp(listed_on).date()
    done_on = done.get(task_key(day, customer_id))
    return done_on is not None and done_on <= day + timedelta(days=CALL_DAYS)
