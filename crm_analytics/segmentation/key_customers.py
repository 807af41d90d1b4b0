"""Which customers are the key ones?  Share of the money (ABC), and value now beside value to come (priority).

Money is net spend or margin of a window, in the reporting currency. Exact sums; equal amounts share a class.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from crm_analytics.errors import UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import is_number, number, one_of, optional_days, refuse, result_table
from crm_analytics.segmentation.rfm import ALL_DAYS
from crm_analytics.segmentation.thresholds import MONEY, Money
from crm_analytics.warehouse import SqlFile, Warehouse

# (class of value now, class of value to come) -> (tier, what it is called, what to do)
_TIERS: dict[tuple[str, str], tuple[int, str, str]] = {
    ("A", "A"): (1, "key", "a named owner, personal contact, first in every queue"),
    ("B", "A"): (2, "grow", "they will bring more than they did: offer range and service"),
    ("C", "A"): (2, "grow", "they will bring more than they did: offer range and service"),
    ("A", "B"): (3, "keep", "they brought much and are expected to bring less: find out why"),
    ("A", "C"): (3, "keep", "they brought much and are expected to bring less: find out why"),
    ("B", "B"): (4, "develop", "good standard care; recommend what comes next"),
    ("C", "B"): (4, "develop", "good standard care; recommend what comes next"),
    ("B", "C"): (5, "serve", "automatic channels only"),
    ("C", "C"): (5, "serve", "automatic channels only"),
}
_UNKNOWN = (None, "unknown", "a price or rate is missing: find it before deciding on the care")
_TIERS_NOW = {"A": _TIERS["A", "A"], "B": _TIERS["B", "B"], "C": _TIERS["C", "C"]}


def abc(
    wh: Warehouse,
    *,
    as_of: date,
    window_days: int | None = 365,
    money: Money = "net_spend",
    a_share: float = 0.8,
    b_share: float = 0.95,
) -> pd.DataFrame:
    """Class customers by their share of the money: A bring the first 80 %, B the next 15 %, C the rest.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    window_days : int, optional
        Look back that many days (default 365); None = the whole history.
    money : {"net_spend", "net_margin"}
        Which money.
    a_share, b_share : float, default 0.8 and 0.95
        Share at which A ends, and B; 0 < a_share <= b_share <= 1.

    Returns
    -------
    DataFrame
        customer_id, amount, amount_share, before_share (what customers with strictly more bring together),
        customer_rank (equal amounts share it), abc_class; ordered by customer_id. A customer is A while
        before_share is below a_share: equal amounts are of one class, and who crosses the line is in the
        better one. Where an amount is unknown so is the class.

    Raises
    ------
    UsageError
        Shares out of order, a window of no days, or another word for the money.

    Examples
    --------
    >>> abc(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    if not 0 < number("a_share", a_share, "a share") <= number("b_share", b_share, "a share") <= 1:
        raise UsageError(f"a_share={a_share} and b_share={b_share} must be in order, above 0 and at most 1.")
    window_days = optional_days("window_days", window_days, what="; None takes the whole history")
    one_of("money", money, MONEY)
    settle_currency(wh)
    with wh.holding("orders_before", "order_days_before", "customers_before", as_of=as_of):
        return wh.frame(
            SqlFile.beside(__file__, "abc.sql"),
            as_of=as_of,
            window_days=window_days or ALL_DAYS,
            money=money,
            a_share=a_share,
            b_share=b_share,
        )


def share_of_best(classed: pd.DataFrame, best: float = 0.2) -> float:
    """Return which share of the money the best customers bring (Pareto's question).

    Parameters
    ----------
    classed : DataFrame
        As returned by `abc`.
    best : float, default 0.2
        Which part of the customers, 0..1; a part of a customer counts in proportion.

    Examples
    --------
    >>> share_of_best(pd.DataFrame({"amount_share": [0.5, 0.3, 0.1, 0.1]}), 0.25)
    0.5
    """
    made_by = "segmentation.abc(wh, as_of=...)"
    classed = result_table("classed", classed, made_by=made_by, numbers=("amount_share",))
    if not is_number(best) or not 0 <= best <= 1:
        refuse("best", best, "a share of the customers, 0 to 1")
    shares = np.sort(classed["amount_share"].dropna().to_numpy(dtype=float))[::-1]
    if not len(shares):
        return float("nan")
    reached = np.concatenate([[0.0], np.cumsum(shares)])
    return float(np.interp(best * len(shares), np.arange(len(shares) + 1), reached))


def priorities(
    wh: Warehouse, *, as_of: date, window_days: int | None = 365, money: Money = "net_spend"
) -> pd.DataFrame:
    """Put customers into tiers of care by what they bring now and what they are expected to bring.

    Parameters
    ----------
    wh, as_of, window_days, money
        As of `abc`. To come is lifetime_revenue (with net_margin: lifetime_value), as kept for `as_of`.

    Returns
    -------
    DataFrame
        customer_id, class_now, class_to_come (A, B, C by the same rule; missing where no value of that night
        is kept, or the money is unknown), tier (1 = first, to 5), tier_name, advice; ordered by customer_id.
        Without a value to come the tier follows from the class now: 1, 4 or 5; where both are unknown, tier
        is missing: unknown money is no ground for the least care. Who bought before the window only is C now.

    Examples
    --------
    >>> priorities(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    now = abc(wh, as_of=as_of, window_days=window_days, money=money)
    predicted = wh.frame(SqlFile.beside(__file__, "predicted.sql"), as_of=as_of)
    to_come = predicted.set_index("customer_id")[
        "lifetime_revenue" if money == "net_spend" else "lifetime_value"
    ].dropna()
    ids = sorted({*now["customer_id"], *to_come.index})
    table = pd.DataFrame({"customer_id": pd.Series(ids, dtype="str")})
    classes = now.set_index("customer_id")["abc_class"]
    table["class_now"] = classes.reindex(ids).mask(~pd.Index(ids).isin(classes.index), "C").to_numpy()
    table["class_to_come"] = _classes(to_come).reindex(ids).to_numpy()
    told = [_tier(*row) for row in zip(table["class_now"], table["class_to_come"], strict=True)]
    table["tier"] = pd.array([tier for tier, _, _ in told], dtype="Int64")
    table["tier_name"] = [name for _, name, _ in told]
    table["advice"] = [advice for _, _, advice in told]
    return table


def _tier(now: object, to_come: object) -> tuple[int | None, str, str]:
    """Look a tier up; an unknown class is taken to be the other one."""
    if pd.isna(to_come):
        return _UNKNOWN if pd.isna(now) else _TIERS_NOW[str(now)]
    return _TIERS[str(to_come if pd.isna(now) else now), str(to_come)]


def _classes(amounts: pd.Series, a_share: float = 0.8, b_share: float = 0.95) -> pd.Series:
    """Class predicted amounts by the rule of ``abc.sql``."""
    worth = amounts.clip(lower=0).groupby(amounts).sum().sort_index(ascending=False)
    total = float(worth.sum())
    before = ((worth.cumsum() - worth) / total) if total > 0 else worth * np.nan
    share = amounts.map(before)
    classes = np.select([amounts <= 0, share < a_share, share < b_share], ["C", "A", "B"], default="C")
    return pd.Series(classes, index=amounts.index, dtype="str")
