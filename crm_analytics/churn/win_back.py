"""Whom of those who have left is it worth writing to?  The lost, by what winning them back would bring.

Expected value = chance of a purchase in the horizon after so long a silence (measured on this company's
own customers, see `leaving_rates`) x what the customer brought in the last year of buying - cost of the
contact. It is what contacting somebody who might come back anyway is worth at most: how much the contact
adds is a question for a campaign with a held-out group.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.activity import active_days as usual_days
from crm_analytics.churn.retention import HELD, leaving_rates
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import day_count, number, one_of, optional_days, whole
from crm_analytics.vocabulary import WORDS
from crm_analytics.warehouse import SqlFile, Warehouse

Floats = NDArray[np.float64]


def win_back(
    wh: Warehouse,
    *,
    as_of: date,
    active_days: int | None = None,
    horizon_days: int = 90,
    contact_cost: float = 5.0,
    capacity: int = 50,
    channel: str = "email",
) -> pd.DataFrame:
    """Return the lost customers whose return would bring most, best first.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen.
    active_days : int, optional
        Lost is who has bought nothing for so many days. Default: what the data show, as `train` takes it, so
        that a customer is either scored or among the lost; beside a model trained earlier give its own.
    horizon_days : int, default 90
        Window of the return.
    contact_cost : float, default 5
        Cost of a contact, reporting currency.
    capacity : int, default 50
        At most so many rows.
    channel : str, default "email"
        How they are to be contacted, a word of the channels (``email``, ``phone``, ``post`` ...): whose last
        word on it, or on every channel, is no, is left out.

    Returns
    -------
    DataFrame
        Columns of win_back.sql without ``is_refused``, ``return_rate``,
        ``value_at_stake`` (margin of the last year; where unknown, spend at the others' mean margin rate;
        spend where no margin is known) and ``expected_value``, which is above 0. Whose spend of that year is
        unknown (a price or rate is missing) is left out.

    Examples
    --------
    >>> len(win_back(Warehouse.open(), as_of=date(2024, 1, 1)))
    0
    """
    active_days = optional_days("active_days", active_days)
    horizon_days = day_count("horizon_days", horizon_days)
    contact_cost = number("contact_cost", contact_cost, "an amount >= 0", least=0.0)
    capacity = whole("capacity", capacity, what=" of contacts")
    one_of("channel", channel, WORDS["channels"])
    settle_currency(wh)
    file = SqlFile.beside(__file__, "win_back.sql")
    with wh.holding(*HELD, as_of=as_of):
        rates = leaving_rates(wh, as_of=as_of, horizon_days=horizon_days)
        days = usual_days(wh, as_of=as_of, horizon_days=horizon_days, given=active_days)
        lost = wh.frame(file, as_of=as_of, active_days=days, channel=channel)
    lost = lost[~lost.pop("is_refused").astype(bool)].reset_index(drop=True)
    value = _value(lost)
    chance = _return_rate(lost["silent_days"], rates)
    found = lost.assign(
        return_rate=chance, value_at_stake=value, expected_value=chance * value - contact_cost
    )
    found = found[found["expected_value"] > 0.0]
    ranked = found.sort_values(["expected_value", "customer_id"], ascending=[False, True])
    return ranked.head(capacity).reset_index(drop=True)


def _return_rate(silent_days: pd.Series, rates: pd.DataFrame) -> Floats:
    """Return the measured chance of a return at the last step of silence that each customer has reached."""
    if rates.empty:
        return np.zeros(len(silent_days))
    steps = rates["silent_days"].to_numpy()
    reached = np.searchsorted(steps, silent_days.to_numpy(), side="right") - 1
    rate = rates["leaving_rate"].to_numpy(dtype=np.float64)[np.maximum(reached, 0)]
    return np.asarray(1.0 - rate, dtype=np.float64)


def _value(lost: pd.DataFrame) -> Floats:
    spend = np.clip(lost["last_year_spend"].to_numpy(dtype=np.float64), 0.0, None)
    margin = lost["last_year_margin"].to_numpy(dtype=np.float64)
    known = ~np.isnan(margin) & (spend > 0.0)
    if not known.any():
        return np.asarray(spend, dtype=np.float64)
    rate = float(np.sum(margin[known]) / np.sum(spend[known]))
    return np.asarray(np.where(np.isnan(margin), spend * rate, margin), dtype=np.float64)
