"""Whom do we call today?  A list no longer than the team's day, by what a call is expected to save.

A call to a customer who would leave keeps the customer with the save rate, and then saves what the customer
is worth; every call costs the same. Who has left already cannot be kept, and the churn probability (of no
purchase in the horizon) counts them as well. So

    expected_saved_margin = value_at_stake x save_rate - contact_cost
    value_at_stake = lifetime_value x P(leaves in the horizon | alive now)
    P(leaves in the horizon | alive now) = (churn_probability - P(dead now)) / P(alive now), within 0..1

``lifetime_value`` is what the customer is expected to bring, P(alive) included, so that no more is ever at
stake than that. Where the margin of a customer is unknown, the mean margin rate of the others is taken;
where none is known, revenue.

Two risks may threaten a customer: no purchase in the horizon, and no contract that runs at its end. Each
has a probability and money of its own, and what both threaten is added. With the orders it is the lifetime
value. With the contracts it is the price of those that run, for as many days as the lifetime value looks
ahead, not discounted, at the mean margin rate; a running contract is no guess, so P(alive now) = 1 there.
A contract score that gives everybody one rate (its card says that it is not to be used for telling
customers apart) threatens nobody in particular and is not used: such a customer is judged by the purchases
alone. ``leaving`` and ``churn_probability`` are those of the risk that rose to an alert, else of the one
with more at stake.

Alerts come before calls: customers whose risk rose by `min_rise` more than that of the median customer
with the same kind of score since the earliest night of the last four weeks. Nobody is called twice within
the cool-down, nobody who is known to have refused calls (or every channel) when the list is made, whatever
day that was said, and nobody whose call would cost more than it is expected to save. Who said nothing about
calls may be called: whether that is enough is a question of the country's law.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.actions.save_rate import save_rate as measured
from crm_analytics.errors import NotEnoughData
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import day_count, is_number, number, refuse, whole
from crm_analytics.warehouse import SqlFile, Warehouse

RISE_DAYS = 28
# A call is due within a week: what raised the risk is fresh then.
DUE_DAYS = 7
# Whom a call is not worth and who is alive with less than this has probably left already.
LEAST_ALIVE = 0.5
LISTED = "listed"
COLUMNS = (
    "customer_id",
    "source_system",
    "source_id",
    "rank",
    "kind",
    "owner_source_id",
    "due_on",
    "churn_probability",
    "earlier_probability",
    "value_at_stake",
    "value_kind",
    "expected_saved_margin",
    "save_rate",
    "horizon_days",
    "reason_code",
    "reason",
    "leaving",
)

Floats = NDArray[np.float64]


def call_list(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: int = 90,
    capacity: int = 20,
    cool_down_days: int = 30,
    save_rate: float | None = None,
    contact_cost: float = 5.0,
    min_rise: float = 0.15,
) -> pd.DataFrame:
    """Return the customers to be called, best first; deterministic for a night.

    Parameters
    ----------
    wh : Warehouse
        With scores.churn (or scores.contract_churn) and scores.clv of `as_of`.
    as_of : date
        First day not seen.
    horizon_days : int, default 90
        Horizon of the churn probabilities; kept with the list, so that outcomes can be judged.
    capacity : int, default 20
        Calls that can be made.
    cool_down_days : int, default 30
        Who was on a list in so many days before is left alone.
    save_rate : float, optional
        Share of leavers whom a call keeps, 0..1. Default: learned from the calls made, see `save_rate`.
    contact_cost : float, default 5
        Cost of a call, reporting currency.
    min_rise : float, default 0.15
        Rise of the probability, beyond that of the median customer, that is an alert.

    Returns
    -------
    DataFrame
        Columns as in scores.actions (without as_of), with ``source_system`` and ``source_id``; at most
        `capacity` rows, by rank.

    Raises
    ------
    NotEnoughData
        There are no churn probabilities, or no values, of `as_of`.
    UsageError
        A parameter is out of range.

    Examples
    --------
    >>> call_list(Warehouse.open(), as_of=date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: There is no churn probability of 2024-01-01...
    """
    return listed(
        decisions(
            wh,
            as_of=as_of,
            horizon_days=horizon_days,
            capacity=capacity,
            cool_down_days=cool_down_days,
            save_rate=save_rate,
            contact_cost=contact_cost,
            min_rise=min_rise,
        )
    )


def decisions(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: int = 90,
    capacity: int = 20,
    cool_down_days: int = 30,
    save_rate: float | None = None,
    contact_cost: float = 5.0,
    min_rise: float = 0.15,
) -> pd.DataFrame:
    """Return every customer at risk with the decision: on the list, or why not.

    Parameters and errors are those of `call_list`.

    Returns
    -------
    DataFrame
        Ordered by customer_id: the columns of `call_list` (``rank`` 0 where not listed), ``risk_rise`` and
        ``decision``: listed, opted out (of every channel), refuses calls, cooling down, value unknown,
        probably gone (not worth the call, and P(alive) below 0.5: see `crm_analytics.churn.win_back`), not
        worth the call, over capacity.

    Examples
    --------
    >>> decisions(Warehouse.open(), as_of=date(2024, 1, 1), capacity=-1)
    Traceback (most recent call last):
    ...
    crm_analytics.errors.UsageError: capacity=-1 must be a whole number of calls >= 0.
    """
    day_count("horizon_days", horizon_days)
    _check(capacity, cool_down_days, save_rate, contact_cost, min_rise)
    settle_currency(wh)
    found = wh.frame(
        SqlFile.beside(__file__, "candidates.sql"),
        as_of=as_of,
        cool_down_days=cool_down_days,
        rise_days=RISE_DAYS,
    )
    if found.empty:
        raise NotEnoughData(
            f"There is no churn probability of {as_of} to call by: no night of that day has run, or its "
            "churn step was skipped and said why (there is too little history), or the only score is one of "
            "contracts that gives everybody one rate."
        )
    at_stake, value_kind = _value_at_stake(found)
    found = _by_customer(found.assign(at_stake=at_stake, is_alert=found["risk_rise"] >= min_rise))
    value = found["value_at_stake"].to_numpy(dtype=np.float64)
    rate = measured(wh, as_of=as_of).rate if save_rate is None else save_rate
    saved = value * rate - contact_cost
    is_alert = found["is_alert"].to_numpy(dtype=bool)
    is_gone = (found["probability_alive"] < LEAST_ALIVE) & ~found["holds_contract"].astype(bool)
    decision = np.select(
        [
            found["has_opted_out"].to_numpy(dtype=bool),
            found["has_refused_phone"].to_numpy(dtype=bool),
            found["last_listed_on"].notna().to_numpy(),
            np.isnan(saved),
            ~(saved > 0.0) & is_gone.to_numpy(dtype=bool),
            ~(saved > 0.0),
        ],
        [
            "opted out",
            "refuses calls",
            "cooling down",
            "value unknown",
            "probably gone",
            "not worth the call",
        ],
        default="",
    )
    rank = np.zeros(len(found), dtype=np.int64)
    open_to = np.flatnonzero(decision == "")
    # candidates come by customer_id and the sorting is stable, so equal customers keep that order
    order = open_to[np.lexsort((-saved[open_to], ~is_alert[open_to]))]
    rank[order[:capacity]] = np.arange(1, len(order[:capacity]) + 1)
    decision[order[capacity:]] = "over capacity"
    decision[order[:capacity]] = LISTED
    return found.assign(
        rank=rank,
        kind=np.where(is_alert, "alert", "call"),
        due_on=as_of + timedelta(days=DUE_DAYS),
        value_kind=value_kind,
        expected_saved_margin=saved,
        save_rate=rate,
        horizon_days=horizon_days,
        reason=_reasons(found),
        decision=decision,
    )[[*COLUMNS, "risk_rise", "decision"]]


def listed(decided: pd.DataFrame) -> pd.DataFrame:
    """Return those of `decisions` who are on the list, by rank: what `call_list` returns.

    Parameters
    ----------
    decided : DataFrame
        As returned by `decisions`.

    Examples
    --------
    >>> decided = pd.DataFrame({name: [1, 2] for name in COLUMNS}).assign(decision=["listed", "opted out"])
    >>> listed(decided)["customer_id"].tolist()
    [1]
    """
    chosen = decided[decided["decision"] == LISTED].sort_values("rank", ignore_index=True)
    return chosen[list(COLUMNS)]


def left_out(decided: pd.DataFrame) -> str:
    """Say in words how many were not listed and why: "3 opted out, 12 over capacity".

    Parameters
    ----------
    decided : DataFrame
        As returned by `decisions`.

    Examples
    --------
    >>> left_out(pd.DataFrame({"decision": ["listed", "opted out", "over capacity", "over capacity"]}))
    '2 over capacity, 1 opted out'
    """
    counts = decided.loc[decided["decision"] != LISTED, "decision"].value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return ", ".join(f"{count:,} {reason}" for reason, count in ranked)


def _check(
    capacity: int, cool_down_days: int, save_rate: float | None, contact_cost: float, min_rise: float
) -> None:
    whole("capacity", capacity, what=" of calls")
    whole("cool_down_days", cool_down_days, what=" of days")
    number("contact_cost", contact_cost, "an amount >= 0", least=0.0)
    for name, share in (("save_rate", save_rate), ("min_rise", min_rise)):
        is_learned = name == "save_rate" and share is None
        if not is_learned and not (is_number(share) and 0.0 <= share <= 1.0):
            refuse(name, share, "a number in 0..1")


def _value_at_stake(found: pd.DataFrame) -> tuple[Floats, str]:
    """Return per risk what leaves with those who are still there, and whether it is margin or revenue."""
    margin = found["lifetime_value"].to_numpy(dtype=np.float64)
    revenue = found["lifetime_revenue"].to_numpy(dtype=np.float64)
    if np.isnan(revenue).all() and np.isnan(margin).all():
        raise NotEnoughData(
            "No customer at risk has a value: run the lifetime value step of that night first."
        )
    known = ~np.isnan(margin) & ~np.isnan(revenue) & (revenue > 0.0)
    if known.any():
        rate = float(np.sum(margin[known]) / np.sum(revenue[known]))
        worth, kind = np.where(np.isnan(margin), revenue * rate, margin), "margin"
    else:
        worth, kind = revenue, "revenue"
    known_alive = found["probability_alive"].to_numpy(dtype=np.float64)
    alive = np.where(np.isnan(known_alive), 1.0, known_alive)
    leaves_alive = found["churn_probability"].to_numpy(dtype=np.float64) - (1.0 - alive)
    return worth * np.clip(leaves_alive / np.maximum(alive, 1e-12), 0.0, 1.0), kind


def _by_customer(risks: pd.DataFrame) -> pd.DataFrame:
    """Return one row per customer: of the risk that counts more, with all that is at stake.

    A risk whose money is unknown adds nothing; where no money is known, ``value_at_stake`` is missing.
    """
    ranked = risks.sort_values(
        ["customer_id", "is_alert", "at_stake", "leaving"], ascending=[True, False, False, True]
    )
    by_customer = ranked.groupby("customer_id", sort=True)["at_stake"]
    total, first = by_customer.sum(min_count=1), by_customer.nth(0)
    found = ranked.loc[first.index].set_index("customer_id", drop=False).rename_axis(index=None)
    other = total - found["at_stake"].fillna(0.0)
    return found.assign(value_at_stake=total, other_at_stake=other).reset_index(drop=True)


def _reasons(found: pd.DataFrame) -> list[str]:
    """Word why a customer is called: reasons for staying are no reason, so risk and value are given then."""
    worded = []
    chances = found.groupby("leaving")["churn_probability"]
    is_one_rate = (chances.transform("nunique") == 1) & (chances.transform("size") > 1)
    for row, same_for_all in zip(found.itertuples(), is_one_rate, strict=True):
        is_contract = row.leaving == "contract"
        if isinstance(row.reason_code, str):
            said = [text for text in (row.reason_1, row.reason_2) if isinstance(text, str)]
            told = "; ".join(said)
        elif row.is_alert:
            told = f"risk rose from {row.earlier_probability:.0%} to {row.churn_probability:.0%}"
        else:
            much = "" if np.isnan(row.at_stake) else f", {row.at_stake:,.0f} at stake"
            same = " as of everybody: by value alone" if same_for_all else ""
            told = f"risk of {row.churn_probability:.0%}{same}{much}"
        also = ""
        if row.other_at_stake >= 1.0:
            with_what = "orders, which may stop" if is_contract else "the contract, which may end"
            also = f"; also {row.other_at_stake:,.0f} at stake with {with_what}"
        worded.append(f"{'contract may end: ' if is_contract else ''}{told}{also}")
    return worded
