"""Can the probabilities be believed, whom do we lose and when?  The pictures, each with its table.

Every function draws on `ax` (default: a new figure) and returns the table it drew. Grey is what happened or
what would be right, blue what was found; the title says what is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_analytics.errors import NotEnoughData
from crm_analytics.modelling.arguments import instance, result_table, whole
from crm_analytics.modelling.model_card import ModelCard

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY, BLUE, ORANGE = "#8593a0", "#1f5f8b", "#d9822b"
_COLOURS = (GREY, ORANGE, BLUE)  # the newest window is blue


def plot_reliability(card: ModelCard, *, ax: Axes | None = None) -> pd.DataFrame:
    """Draw what was predicted against what came, one line per hold-out of a card.

    Parameters
    ----------
    card : ModelCard
        Card of a churn model, with its reliability groups.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    DataFrame
        ``as_of, row_count, mean_probability, event_rate, low, high`` per group.

    Raises
    ------
    NotEnoughData
        The model was judged on no later window.
    UsageError
        `card` is no model card.

    Examples
    --------
    >>> from datetime import date
    >>> from crm_analytics.modelling.model_card import ReliabilityGroup
    >>> groups = (ReliabilityGroup(date(2024, 4, 1), 9, 0.3, 0.33, 0.1, 0.6),)
    >>> card = ModelCard("churn", "x", date(2024, 7, 1), 90, (), (), {}, (), "blend", "v", reliability=groups)
    >>> plot_reliability(card)["row_count"].tolist()
    [9]
    """
    card = instance("card", card, ModelCard, "the card of a model, as model.card")
    if not card.reliability:
        raise NotEnoughData("This model was judged on no later window, so there is nothing to compare with.")
    table = pd.DataFrame([vars(group) for group in card.reliability])
    ax = _axes(ax, (4.8, 4.4))
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    days = sorted(table["as_of"].unique())
    for day, colour in zip(days, _COLOURS[-len(days) :], strict=False):
        rows = table[table["as_of"] == day]
        ends = [rows["event_rate"] - rows["low"], rows["high"] - rows["event_rate"]]
        ax.errorbar(
            rows["mean_probability"], rows["event_rate"], yerr=ends, color=colour, marker="o", markersize=4,
            linewidth=1.2, elinewidth=0.6, label=f"from {day}",
        )  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="share that left")
    ax.legend(frameon=False, fontsize=8)
    weight = table["row_count"] / table["row_count"].sum()
    gap = float((weight * (table["mean_probability"] - table["event_rate"]).abs()).sum())
    _title(ax, f"Predicted and observed differ by {100 * gap:.1f} points on average", "dotted: exactly right")
    return table


def plot_leaving(found: pd.DataFrame, *, least_cases: int = 30, ax: Axes | None = None) -> pd.DataFrame:
    """Draw the share that leaves by silence, or by tenure (one-time buyers apart); see `leaving_rates`.

    Parameters
    ----------
    found : DataFrame
        As `crm_analytics.churn.leaving_rates` returned it.
    least_cases : int, default 30
        Steps with fewer cases are not drawn (and not returned).
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Raises
    ------
    NotEnoughData
        No step has so many cases.
    UsageError
        `found` is not what `leaving_rates` returned.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {"silent_days": [0, 30], "case_count": [90, 40], "leaving_rate": [0.2, 0.5], "low": [0.1, 0.4],
    ...      "high": [0.3, 0.6]}
    ... )
    >>> plot_leaving(rows)["leaving_rate"].tolist()
    [0.2, 0.5]
    """
    made_by = "churn.leaving_rates(wh, as_of=...)"
    least_cases = whole("least_cases", least_cases)
    found = result_table(
        "found", found, made_by=made_by, numbers=("case_count", "leaving_rate", "low", "high")
    )
    by_tenure = "tenure_days" in found
    step = "tenure_days" if by_tenure else "silent_days"
    apart = ("has_bought_again",) if by_tenure else ()
    found = result_table("found", found, made_by=made_by, numbers=(step,), others=apart)
    table = found[found["case_count"] >= least_cases].reset_index(drop=True)
    if table.empty:
        raise NotEnoughData(f"Nowhere are there {least_cases} customers to look at. Use a later as_of.")
    ax = _axes(ax, (6, 3.4))
    words = {"silent_days": "days since the last purchase", "tenure_days": "days since the first purchase"}
    ax.set(ylim=(0, 1), xlabel=words[step], ylabel="share that leaves next")
    if step == "silent_days":
        _leaving_line(ax, table, step, BLUE, "customers")
        over = table.loc[table["leaving_rate"] > 0.5, step]
        said = (
            f"After {over.iloc[0]:,} silent days more leave than come back" if len(over) else "Most come back"
        )
        _title(ax, said)
        return table
    groups = ((True, "repeat buyers", BLUE), (False, "one-time buyers", ORANGE))
    shares = []
    for again, who, colour in groups:
        rows = table[table["has_bought_again"] == again]
        if len(rows):
            _leaving_line(ax, rows, step, colour, who)
            shares.append(f"{np.average(rows['leaving_rate'], weights=rows['case_count']):.0%} of {who}")
    ax.legend(frameon=False, fontsize=8)
    _title(ax, f"{' and '.join(shares)} leave next", "mean over the steps shown, of those still active there")
    return table


def _leaving_line(ax: Axes, rows: pd.DataFrame, step: str, colour: str, who: str) -> None:
    counts = f"{who} ({rows['case_count'].max():,} to {rows['case_count'].min():,} cases a step)"
    ax.fill_between(rows[step], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
    ax.plot(
        rows[step], rows["leaving_rate"], color=colour, marker="o", markersize=3, linewidth=1.5, label=counts
    )


def plot_retention(found: pd.DataFrame, *, ax: Axes | None = None) -> pd.DataFrame:
    """Draw gross and net revenue retention and the customers kept, per period; see `retention`.

    Periods that the data do not cover are left out, and the picture says so. Under each period stands the
    number of customers it began with; with fewer than 30 the bars are pale. The lines on the customers kept
    are 95 % limits.

    Returns
    -------
    DataFrame
        ``until_on, starting_count, has_few_customers, customers_kept_rate, gross_retention_rate,
        net_retention_rate`` of the periods drawn.

    Raises
    ------
    NotEnoughData
        No period that the data cover has customers and money at its start.
    UsageError
        `found` is not what `retention` returned.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {"until_on": ["2023-01-01", "2024-01-01"], "is_covered": True, "starting_count": [80, 12],
    ...      "has_few_customers": [False, True], "logo_churn_rate": [0.3, 0.2], "logo_churn_low": [0.2, 0.1],
    ...      "logo_churn_high": [0.4, 0.4], "gross_retention_rate": [0.6, 0.7],
    ...      "net_retention_rate": [0.9, 1.1]}
    ... )
    >>> plot_retention(rows)["customers_kept_rate"].tolist()
    [0.7, 0.8]
    """
    rates = ("gross_retention_rate", "net_retention_rate")
    numbers = ("starting_count", "logo_churn_rate", "logo_churn_low", "logo_churn_high", *rates)
    others = ("until_on", "is_covered", "has_few_customers")
    found = result_table(
        "found", found, made_by="churn.retention(wh, as_of=...)", numbers=numbers, others=others
    )
    kept = found.dropna(subset=["logo_churn_rate", "gross_retention_rate"]).reset_index(drop=True)
    if kept.empty:
        raise NotEnoughData(
            "In no period that the data cover was there a customer to be kept. Use a later as_of, or a "
            "shorter period_days."
        )
    table = kept.assign(customers_kept_rate=1.0 - kept["logo_churn_rate"])
    lines = {
        "customers_kept_rate": ("customers kept", GREY),
        "gross_retention_rate": ("gross retention", BLUE),
        "net_retention_rate": ("net retention", ORANGE),
    }
    table = table[["until_on", "starting_count", "has_few_customers", *lines]]
    ax = _axes(ax, (6, 3.4))
    place = np.arange(len(table))
    for number, (column, (words, colour)) in enumerate(lines.items()):
        bars = ax.bar(place + 0.27 * (number - 1), table[column], width=0.25, color=colour, label=words)
        for bar, is_few in zip(bars, table["has_few_customers"], strict=True):
            bar.set_alpha(0.35 if is_few else 1.0)
        ax.bar_label(
            bars, [f"{value:.0%}" for value in table[column]], fontsize=8, color="#333333", padding=6
        )
    limits = 1.0 - kept[["logo_churn_high", "logo_churn_low"]].to_numpy(dtype=np.float64)
    ax.vlines(place - 0.27, limits[:, 0], limits[:, 1], color="black", linewidth=0.8, alpha=0.5)
    ax.axhline(1.0, color=GREY, linewidth=0.8, linestyle=":")
    ends = zip(table["until_on"], table["starting_count"], table["has_few_customers"], strict=True)
    ax.set_xticks(
        place,
        [
            f"to {pd.Timestamp(day):%d %b %Y}\n{'only ' if is_few else ''}{count:,} customers"
            for day, count, is_few in ends
        ],
    )
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.set_ylim(0, 1.25 * max(1.0, float(table["net_retention_rate"].max())))
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="upper left")
    last = table.iloc[-1]
    cut = int((~found["is_covered"]).sum())
    told = f"\n{cut} left out: the data do not reach back far enough" if cut else ""
    _title(
        ax,
        f"Of each 100 spent before, {100 * last['gross_retention_rate']:.0f} were kept in the last period",
        f"with growth of those who stayed: {100 * last['net_retention_rate']:.0f}{told}",
    )
    return table


def plot_post_mortem(found: pd.DataFrame, *, top: int = 10, ax: Axes | None = None) -> pd.DataFrame:
    """Draw what lost customers had more (right) or less (left) of than kept ones; see `post_mortem`.

    Parameters
    ----------
    found : DataFrame
        As `crm_analytics.churn.post_mortem` returned it.
    top : int, default 10
        Features shown: those with the largest effect whose interval does not hold 0.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Raises
    ------
    NotEnoughData
        No feature was compared.
    UsageError
        `found` is not what `post_mortem` returned.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {"feature": ["a", "b"], "effect": [0.5, 0.1], "low": [0.3, -0.1], "high": [0.7, 0.3]}
    ... )
    >>> plot_post_mortem(rows)["feature"].tolist()
    ['a']
    """
    made_by, numbers = "churn.post_mortem(wh, as_of=...)", ("effect", "low", "high")
    found = result_table("found", found, made_by=made_by, numbers=numbers, others=("feature",))
    top = whole("top", top, least=1)
    if found.empty:
        raise NotEnoughData("No feature was compared, so there is nothing to draw. Use a later as_of.")
    certain = found[(found["low"] > 0.0) | (found["high"] < 0.0)].head(top).reset_index(drop=True)
    ax = _axes(ax, (6.5, 0.34 * max(len(certain), 1) + 1.2))
    rows = np.arange(len(certain))[::-1]
    colours = [ORANGE if effect > 0 else BLUE for effect in certain["effect"]]
    ax.barh(rows, certain["effect"], height=0.6, color=colours)
    ends = [certain["effect"] - certain["low"], certain["high"] - certain["effect"]]
    ax.errorbar(certain["effect"], rows, xerr=ends, fmt="none", ecolor="black", elinewidth=0.8)
    ax.set_yticks(rows, [_spoken(str(name)) for name in certain["feature"]])
    ax.axvline(0.0, color="black", linewidth=0.8)
    ax.set(xlim=(-1, 1), xlabel="the lost had less  ←  effect (Cliff's delta)  →  the lost had more")
    first = f"The lost stand out by {_spoken(str(certain['feature'].iloc[0]))}" if len(certain) else ""
    _title(ax, first or "Nothing tells the lost from the kept with certainty")
    return certain


def _spoken(feature: str) -> str:
    """Return a feature's name in words.

    Examples
    --------
    >>> _spoken("order_day_count_90"), _spoken("days_since_last_order")
    ('order day count, last 90 days', 'days since last order')
    """
    name, _, days = feature.rpartition("_")
    said = f"{name}, last {days} days" if name and days.isdigit() else feature
    return said.replace("_", " ")


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def _title(ax: Axes, text: str, detail: str = "") -> None:
    ax.set_title(f"{text}\n{detail}" if detail else text, loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
