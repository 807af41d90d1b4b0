"""Why does this customer's score stand where it does?  Parts of the log-odds, put into words per theme.

A risk above the usual one (the mean log-odds of those scored) is explained by what raises it, every other by
what lowers it. Only themes that move it in that direction are given, strongest first. Each theme has
wordings for both directions: a wording is used only where what it says is true of the customer, and the last
one of each direction says no more than the model does. None reads as praise beside a high risk: where the
figure of a theme is a good one, the wording says whose history it resembles. None shows a figure that is
unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Test = Callable[[pd.DataFrame], "pd.Series[bool]"]
MAX_REASONS = 3
# Log-odds that a theme must move a score to be worth a reason: about one percentage point at one half.
SMALLEST = 0.05
# A last order of fewer days ago is no sign of leaving, whatever else the rhythm says.
_NOT_LATELY_DAYS = 30
# What is counted, where there is one of it.
_OF_ONE = re.compile(r"(?<![\d.,])1 (day|order day|complaint|request|time|campaign)s\b")


@dataclass(frozen=True)
class Wording:
    """One way to say it.

    Attributes
    ----------
    theme : str
        Theme it belongs to.
    raises : bool
        Said where the theme raises the churn probability (else: where it lowers it).
    text : str
        Template; each ``{}`` takes one of `columns`.
    columns : tuple of str
        Features shown.
    when : function of DataFrame to Series of bool
        Where it may be said (NaN compares as False).
    """

    theme: str
    raises: bool
    text: str
    columns: tuple[str, ...]
    when: Test


def _always(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(True, index=frame.index)


def _said(theme: str, raises: bool, text: str, *columns: str, when: Test = _always) -> Wording:
    return Wording(theme, raises, text, columns, when)


WORDINGS: tuple[Wording, ...] = (
    _said(
        "rhythm",
        True,
        "silent {:.0f} days, usually buys every {:.0f}",
        "days_since_last_order",
        "mean_gap_days",
        when=lambda f: f["silence_ratio"] >= 1.2,
    ),
    _said(
        "rhythm",
        True,
        "bought on one day only, {:.0f} days ago",
        "days_since_last_order",
        when=lambda f: f["order_day_count"] == 1,
    ),
    _said(
        "rhythm",
        True,
        "last order {:.0f} days ago, only {:.0f} order days so far",
        "days_since_last_order",
        "order_day_count",
        when=lambda f: f["order_day_count"] <= 3,
    ),
    _said(
        "rhythm",
        True,
        "last order {:.0f} days ago, as of customers who leave",
        "days_since_last_order",
        when=lambda f: f["days_since_last_order"] >= _NOT_LATELY_DAYS,
    ),
    _said(
        "rhythm",
        True,
        "rhythm of customers who leave: {:.0f} order days so far, usually {:.0f} days apart",
        "order_day_count",
        "mean_gap_days",
        when=lambda f: f["mean_gap_days"] >= 0,
    ),
    _said(
        "rhythm",
        True,
        "rhythm of customers who leave, whenever they ordered last",
        when=lambda f: f["days_since_last_order"] >= 0,
    ),
    _said("rhythm", True, "has not ordered anything so far"),
    _said(
        "rhythm",
        False,
        "last order {:.0f} days ago, usually buys every {:.0f}",
        "days_since_last_order",
        "mean_gap_days",
        when=lambda f: f["silence_ratio"] < 1.0,
    ),
    _said(
        "rhythm",
        False,
        "loyal: {:.0f} order days so far",
        "order_day_count",
        when=lambda f: f["order_day_count"] >= 4,
    ),
    _said(
        "rhythm",
        False,
        "last order only {:.0f} days ago",
        "days_since_last_order",
        when=lambda f: f["days_since_last_order"] <= 30,
    ),
    _said("rhythm", False, "buys in the rhythm of customers who stay"),
    _said(
        "value",
        True,
        "spending falls: {:.0%} of the last year's spend fell in its second half",
        "spend_share_180",
        when=lambda f: f["spend_share_180"].between(0.0, 0.4),
    ),
    _said("value", True, "spent nothing in the last 90 days", when=lambda f: f["net_spend_90"] == 0),
    _said(
        "value",
        True,
        "spending of customers who leave: {:,.0f} in the last year",
        "net_spend_365",
        when=lambda f: f["net_spend_365"].notna(),
    ),
    _said("value", True, "spending of customers who leave"),
    _said(
        "value",
        False,
        "spending grows: {:.0%} of the last year's spend fell in its second half",
        "spend_share_180",
        when=lambda f: (
            (f["spend_share_180"] >= 0.6) & (f["spend_share_180"] <= 1.0) & (f["tenure_days"] >= 360)
        ),
    ),
    _said(
        "value",
        False,
        "spent {:,.0f} in the last year, as customers who stay do",
        "net_spend_365",
        when=lambda f: f["net_spend_365"] > 0,
    ),
    _said("value", False, "spending of customers who stay"),
    _said(
        "returns",
        True,
        "sent back {:.0%} of what was bought",
        "returned_rate",
        when=lambda f: f["returned_rate"] >= 0.1,
    ),
    _said(
        "returns",
        True,
        "sent back {:.1%} of what was bought",
        "returned_rate",
        when=lambda f: f["returned_rate"] > 0,
    ),
    _said("returns", True, "return history of customers who leave"),
    _said("returns", False, "never sent anything back", when=lambda f: f["return_day_count"] == 0),
    _said("returns", False, "return history of customers who stay"),
    _said(
        "breadth",
        True,
        "has bought only {:.0f} different products",
        "product_count",
        when=lambda f: (f["product_count"] >= 2) & (f["product_count"] <= 3),
    ),
    _said("breadth", True, "has bought a single product", when=lambda f: f["product_count"] == 1),
    _said(
        "breadth",
        True,
        "range of customers who leave: {:.0f} different products",
        "product_count",
        when=lambda f: f["product_count"] >= 4,
    ),
    _said("breadth", True, "buys the range as customers who leave do"),
    _said(
        "breadth",
        False,
        "buys broadly: {:.0f} different products",
        "product_count",
        when=lambda f: f["product_count"] >= 4,
    ),
    _said("breadth", False, "buys the range as customers who stay do"),
    _said(
        "tickets",
        True,
        "waited {:.0f} days for a complaint to be resolved",
        "slowest_complaint_days",
        when=lambda f: f["slowest_complaint_days"] > 10,
    ),
    _said(
        "tickets",
        True,
        "{:.0f} complaints in the last year",
        "complaint_count_365",
        when=lambda f: f["complaint_count_365"] >= 2,
    ),
    _said(
        "tickets",
        True,
        "complained {:.0f} days ago",
        "days_since_complaint",
        when=lambda f: f["days_since_complaint"] <= 365,
    ),
    _said("tickets", True, "a request is still open", when=lambda f: f["open_ticket_count"] >= 1),
    _said(
        "tickets",
        True,
        "{:.0f} requests in the last 180 days",
        "ticket_count_180",
        when=lambda f: f["ticket_count_180"] >= 1,
    ),
    _said("tickets", True, "service history of customers who leave"),
    _said("tickets", False, "no complaint so far", when=lambda f: f["days_since_complaint"].isna()),
    _said(
        "tickets",
        False,
        "complaint resolved within {:.0f} days",
        "slowest_complaint_days",
        when=lambda f: (f["slowest_complaint_days"] <= 10) & (f["open_ticket_count"] == 0),
    ),
    _said("tickets", False, "service history of customers who stay"),
    _said(
        "engagement",
        True,
        "mails, visits and calls fell by {:.0%} against the 90 days before",
        "engagement_drop_ratio",
        when=lambda f: f["engagement_drop_ratio"] >= 0.3,
    ),
    _said("engagement", True, "unsubscribed from e-mail", when=lambda f: f["has_unsubscribed"] == 1),
    _said(
        "engagement",
        True,
        "no mail opened, visit or call for {:.0f} days",
        "days_since_engagement",
        when=lambda f: f["days_since_engagement"] > 60,
    ),
    _said(
        "engagement",
        True,
        "contact of customers who leave: in touch {:.0f} times in the last 90 days",
        "engagement_count_90",
        when=lambda f: f["engagement_count_90"] >= 0,
    ),
    _said("engagement", True, "no mail opened, visit or call is known"),
    _said(
        "engagement",
        False,
        "in touch {:.0f} times in the last 90 days",
        "engagement_count_90",
        when=lambda f: f["engagement_count_90"] >= 2,
    ),
    _said("engagement", False, "as much in touch as customers who stay"),
    _said(
        "campaigns",
        True,
        "answered none of {:.0f} campaigns of the last year",
        "campaign_contact_count_365",
        when=lambda f: (f["campaign_response_rate_365"] == 0) & (f["campaign_contact_count_365"] >= 2),
    ),
    _said(
        "campaigns",
        True,
        "answered only {:.0%} of the campaigns of the last year",
        "campaign_response_rate_365",
        when=lambda f: (f["campaign_response_rate_365"] > 0) & (f["campaign_response_rate_365"] < 0.3),
    ),
    _said(
        "campaigns",
        True,
        "campaign history of customers who leave: {:.0f} campaigns in the last year",
        "campaign_contact_count_365",
        when=lambda f: f["campaign_contact_count_365"] >= 1,
    ),
    _said("campaigns", True, "campaign history of customers who leave"),
    _said(
        "campaigns",
        False,
        "answered {:.0%} of the campaigns of the last year",
        "campaign_response_rate_365",
        when=lambda f: f["campaign_response_rate_365"] >= 0.3,
    ),
    _said("campaigns", False, "answers campaigns as customers who stay do"),
    _said(
        "satisfaction",
        True,
        "last rating {:.0%} of the scale",
        "last_score_rate",
        when=lambda f: f["last_score_rate"] <= 0.6,
    ),
    _said(
        "satisfaction",
        True,
        "last feedback {:.0f} days ago, as of customers who leave",
        "days_since_feedback",
        when=lambda f: f["days_since_feedback"] >= 0,
    ),
    _said("satisfaction", True, "feedback of customers who leave"),
    _said(
        "satisfaction",
        False,
        "last rating {:.0%} of the scale",
        "last_score_rate",
        when=lambda f: f["last_score_rate"] >= 0.6,
    ),
    _said("satisfaction", False, "feedback of customers who stay"),
    _said(
        "seasonality",
        True,
        "did not buy in these weeks of last year",
        when=lambda f: f["same_window_count"] == 0,
    ),
    _said(
        "seasonality",
        True,
        "season of customers who leave: {:.0f} order days in these weeks of last year",
        "same_window_count",
        when=lambda f: f["same_window_count"] >= 1,
    ),
    _said("seasonality", True, "not yet a customer in these weeks of last year"),
    _said(
        "seasonality",
        False,
        "bought in these weeks of last year",
        when=lambda f: f["same_window_count"] >= 1,
    ),
    _said(
        "seasonality",
        False,
        "buys in other weeks than these, as customers who stay do",
        when=lambda f: f["same_window_count"] == 0,
    ),
    _said("seasonality", False, "not yet a customer in these weeks of last year"),
    _said("payments", True, "a payment is overdue", when=lambda f: f["open_overdue_count"] >= 1),
    _said(
        "payments",
        True,
        "pays late in {:.0%} of cases",
        "late_payment_rate_365",
        when=lambda f: f["late_payment_rate_365"] >= 0.1,
    ),
    _said(
        "payments",
        True,
        "pays late in {:.1%} of cases",
        "late_payment_rate_365",
        when=lambda f: f["late_payment_rate_365"] > 0,
    ),
    _said("payments", True, "payment history of customers who leave"),
    _said("payments", False, "pays in time", when=lambda f: f["late_payment_rate_365"] == 0),
    _said("payments", False, "payment history of customers who stay"),
    _said(
        "contracts",
        True,
        "contract ends in {:.0f} days",
        "days_to_contract_end",
        when=lambda f: f["days_to_contract_end"].between(0, 180),
    ),
    _said(
        "contracts",
        True,
        "contract cancelled {:.0f} days ago",
        "days_since_cancelled",
        when=lambda f: f["days_since_cancelled"] <= 365,
    ),
    _said(
        "contracts",
        True,
        "contract of an age at which customers leave: {:.0f} days",
        "contract_age_days",
        when=lambda f: f["contract_age_days"] >= 0,
    ),
    _said("contracts", True, "contract situation of customers who leave"),
    _said("contracts", False, "has a running contract", when=lambda f: f["active_contract_count"] >= 1),
    _said("contracts", False, "contract situation of customers who stay"),
)


def reasons(frame: pd.DataFrame, parts: dict[str, Floats], raises: Bools) -> tuple[list[str | None], ...]:
    """Return the first, second and third reason of every row.

    Parameters
    ----------
    frame : DataFrame
        Features, with a default index.
    parts : dict of str to array
        Theme -> how far it moves the log-odds of each row away from the average customer.
    raises : array of bool
        Where to say what raises the probability; elsewhere, what lowers it.

    Returns
    -------
    tuple of three lists
        Texts, or None where no further theme moves the score by at least ``SMALLEST`` in its direction.
    """
    texts = np.full((MAX_REASONS, len(frame)), None, dtype=object)
    themes = list(parts)
    place_of = places(parts, raises)
    for wording in WORDINGS:
        if wording.theme not in themes:
            continue
        place = place_of[themes.index(wording.theme)]
        rows = np.flatnonzero((place >= 0) & (raises == wording.raises))
        if len(rows):
            fits = wording.when(frame).to_numpy(dtype=bool, na_value=False)
            for column in wording.columns:
                fits = fits & frame[column].notna().to_numpy()
            rows = rows[fits[rows]]
            texts[place[rows], rows] = _worded(wording, frame, rows)
            place[rows] = -1
    return tuple(column.tolist() for column in texts)


def reason_codes(parts: dict[str, Floats], raises: Bools) -> list[str | None]:
    """Return the theme that raises the risk of each row most, for rules and lists that act on reasons.

    Parameters
    ----------
    parts, raises
        As in `reasons`.

    Returns
    -------
    list of str or None
        A theme (rhythm, tickets, engagement ...); None where the reasons speak for staying, or where no
        theme raises the log-odds by at least ``SMALLEST``.

    Examples
    --------
    >>> moves = {"rhythm": np.array([0.4, 0.4]), "tickets": np.array([0.9, -0.2])}
    >>> reason_codes(moves, np.array([True, False]))
    ['tickets', None]
    """
    if not parts:
        return [None] * len(raises)
    themes = list(parts)
    moves = np.column_stack([parts[theme] for theme in themes])
    strongest = np.argmax(moves, axis=1)
    matters = raises & (moves[np.arange(len(moves)), strongest] >= SMALLEST)
    return [themes[theme] if said else None for theme, said in zip(strongest, matters, strict=True)]


def places(parts: dict[str, Floats], raises: Bools) -> NDArray[np.int8]:
    """Return per theme and row as which reason the theme is given, from 0 on; -1 = it is none.

    Parameters are those of `reasons`.
    """
    place_of = np.full((len(parts), len(raises)), -1, dtype=np.int8)
    if not place_of.size:
        return place_of
    # A theme that pulls the other way is never a reason for where the score stands.
    moves = np.array(list(parts.values()))
    strength = np.where(raises, moves, -moves)
    order = np.argsort(-strength, axis=0, kind="stable")[:MAX_REASONS]
    for place, theme_of in enumerate(order):
        rows = np.flatnonzero(strength[theme_of, np.arange(len(raises))] >= SMALLEST)
        place_of[theme_of[rows], rows] = place
    return place_of


def _worded(wording: Wording, frame: pd.DataFrame, rows: NDArray[np.intp]) -> NDArray[np.object_] | str:
    """Return the text for each row; equal figures, of which there are many, are written once."""
    if not wording.columns:
        return wording.text
    shown = [frame[column].to_numpy()[rows] for column in wording.columns]
    code = np.zeros(len(rows), dtype=np.int64)
    for values in shown:
        distinct, number = np.unique(values, return_inverse=True)
        code = code * len(distinct) + number
    _, first, number = np.unique(code, return_index=True, return_inverse=True)
    said = [wording.text.format(*(values[row] for values in shown)) for row in first]
    texts = [_OF_ONE.sub(r"1 \1", text) for text in said]
    return np.array(texts, dtype=object)[number]
