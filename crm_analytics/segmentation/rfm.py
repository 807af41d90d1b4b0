"""Who bought recently, often and for much?  RFM scores and named segments.

Recency in days before as_of, frequency in purchases, money net of returns in the reporting currency.
Equal values share a score, and what a score says holds for everybody who has it (`thresholds` says how);
names come from `segment_names.toml`.
Source: Bult and Wansbeek (1995), "Optimal selection for direct mail", Marketing Science 14(4).
"""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd

from crm_analytics.errors import UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import instance, known, one_of, optional_days, result_table
from crm_analytics.segmentation.names import SCORES, segment_names, segment_of
from crm_analytics.segmentation.thresholds import (
    MONEY,
    PAUSE_UNKNOWN_DAYS,
    SHORTEST_PAUSE_DAYS,
    Money,
    RfmThresholds,
    learn_limits,
    learn_order_limits,
    learn_recency_limits,
    score,
)
from crm_analytics.warehouse import SqlFile, Warehouse

ALL_DAYS = 36_500  # a century: the whole history
MIDDLE_SCORE = 3


def rfm(
    wh: Warehouse,
    *,
    as_of: date,
    window_days: int | None = None,
    money: Money = "net_spend",
    thresholds: RfmThresholds | None = None,
    known_at: datetime | None = None,
) -> pd.DataFrame:
    """Score every customer who bought before `as_of`, and name the segment.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    window_days : int, optional
        Look back only that many days; default the whole history.
    money : {"net_spend", "net_margin"}
        What the m_score measures: what customers paid, or what was earned by it.
    thresholds : RfmThresholds, optional
        Limits of the scores, as from `learn_thresholds`; default those of the customers at hand, so that
        scores compare customers with each other. Learned limits bring their own window and money.
    known_at : datetime, optional
        Score with what was recorded by then: late arrivals and edits are left out. Default: all that is
        known.

    Returns
    -------
    DataFrame
        One row per customer, ordered by customer_id: customer_id, source_system, source_id,
        days_since_last_order (0 = bought on the day before as_of), order_count, net_spend (reporting
        currency; missing where a price or rate is unknown), net_margin (missing where a cost is unknown),
        r_score, f_score, m_score (1..5, 5 = best), segment. Customers without a purchase in the window, and
        test or internal ones, are not in it. Where the money is unknown, the segment's rule takes it as
        middling.

    Raises
    ------
    CurrencyError
        Orders are in several currencies and no reporting currency was chosen.
    UsageError
        `window_days` is not positive, or `money` is neither of the two.

    Examples
    --------
    >>> from datetime import date
    >>> from crm_analytics import Warehouse
    >>> rfm(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    if thresholds is not None:
        instance("thresholds", thresholds, RfmThresholds, "RfmThresholds, as learn_thresholds returns them")
        window_days, money = thresholds.window_days, thresholds.money
    scored = _measured(wh, as_of=as_of, window_days=window_days, money=money, known_at=known_at)
    limits = thresholds or _learned(scored, as_of=as_of, window_days=window_days, money=money)
    scored["r_score"] = score(scored["days_since_last_order"], limits.r, more_is_better=False)
    scored["f_score"] = score(scored["order_count"], limits.f, more_is_better=True)
    scored["m_score"] = score(scored[money], limits.m, more_is_better=True)
    names = {(r, f, m): segment_of(r, f, m) for r in SCORES for f in SCORES for m in SCORES}
    named = pd.MultiIndex.from_arrays(
        [scored["r_score"], scored["f_score"], scored["m_score"].fillna(MIDDLE_SCORE)]
    )
    scored["segment"] = pd.Series(names).reindex(named).astype("str").to_numpy()
    return scored.drop(columns="first_pause_days")


def learn_thresholds(
    wh: Warehouse,
    *,
    as_of: date,
    window_days: int | None = None,
    money: Money = "net_spend",
    known_at: datetime | None = None,
) -> RfmThresholds:
    """Learn the limits of the RFM scores from the customers of a day, to be used on later days.

    Parameters
    ----------
    wh, as_of, window_days, money, known_at
        As of `rfm`.

    Returns
    -------
    RfmThresholds
        Save it with ``save(path)``, read it back with `load_thresholds`. Scoring the same customers with it
        gives the scores of `rfm` without limits.

    Examples
    --------
    >>> from datetime import date
    >>> from crm_analytics import Warehouse
    >>> learn_thresholds(Warehouse.open(), as_of=date(2025, 7, 1)).f
    (2.0, None, None, None)
    """
    measured = _measured(wh, as_of=as_of, window_days=window_days, money=money, known_at=known_at)
    return _learned(measured, as_of=as_of, window_days=window_days, money=money)


def _measured(
    wh: Warehouse, *, as_of: date, window_days: int | None, money: Money, known_at: datetime | None
) -> pd.DataFrame:
    window_days = optional_days("window_days", window_days, what="; leave it out for the whole history")
    one_of("money", money, MONEY)
    known(known_at)
    settle_currency(wh)
    given = {"as_of": as_of, "known_at": known_at, "window_days": window_days or ALL_DAYS}
    with wh.holding("orders_before", "order_days_before", "customers_before", as_of=as_of, known_at=known_at):
        return wh.frame(SqlFile.beside(__file__, "rfm.sql"), **given)


def _learned(measured: pd.DataFrame, *, as_of: date, window_days: int | None, money: Money) -> RfmThresholds:
    pauses = measured["first_pause_days"].dropna().astype("float64")
    median, mean = (
        max(float(days), SHORTEST_PAUSE_DAYS) if len(pauses) else PAUSE_UNKNOWN_DAYS
        for days in (pauses.median(), pauses.mean())
    )
    return RfmThresholds(
        as_of=as_of,
        window_days=window_days,
        money=money,
        r=learn_recency_limits(
            measured["days_since_last_order"], median_pause_days=median, mean_pause_days=mean
        ),
        f=learn_order_limits(measured["order_count"]),
        m=learn_limits(measured[money], more_is_better=True),
        median_pause_days=median,
        mean_pause_days=mean,
        customer_count=len(measured),
    )


def segment_table(scored: pd.DataFrame) -> pd.DataFrame:
    """Sum a result of `rfm` by segment, in the order of ``segment_names.toml``.

    Parameters
    ----------
    scored : DataFrame
        As returned by `rfm`; at least customer_id, net_spend and segment.

    Returns
    -------
    DataFrame
        segment, label, customer_count, customer_share (0..1), net_spend (reporting currency),
        revenue_share (0..1 of the positive total; missing when nothing was spent), meaning, advice.
        Segments without customers are not in it.

    Raises
    ------
    UsageError
        `scored` is not what `rfm` returned: a column is missing, or a segment has a name of its own.
    """
    scored = result_table(
        "scored",
        scored,
        made_by="segmentation.rfm(wh, as_of=...)",
        numbers=("net_spend",),
        others=("customer_id", "segment"),
    )
    by_segment = scored.groupby("segment", observed=True).agg(
        customer_count=("customer_id", "size"), net_spend=("net_spend", "sum")
    )
    rules = {rule.name: rule for rule in segment_names()}
    strange = [str(name) for name in by_segment.index if name not in rules]
    if strange:
        raise UsageError(
            f"scored has the segment {strange[0]!r}, which segment_names.toml does not know. Its names: "
            f"{', '.join(rules)}."
        )
    found = by_segment.reindex([name for name in rules if name in by_segment.index]).reset_index()
    found.insert(1, "label", [rules[name].label for name in found["segment"]])
    found.insert(3, "customer_share", found["customer_count"] / max(len(scored), 1))
    total = float(found["net_spend"].sum())
    found["revenue_share"] = found["net_spend"] / total if total > 0 else float("nan")
    found["meaning"] = [rules[name].meaning for name in found["segment"]]
    found["advice"] = [rules[name].advice for name in found["segment"]]
    return found
