"""How large is each segment, what does it bring in, who moved, who stayed?  Pictures and their tables.

Every function returns what it drew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.modelling.arguments import result_table
from crm_analytics.segmentation.cohorts import cohort_triangle
from crm_analytics.segmentation.movement import GONE, LIFECYCLE_STATES, NOT_YET
from crm_analytics.segmentation.names import segment_names
from crm_analytics.segmentation.rfm import segment_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEYOND = "#04152e"  # more than the scale of a picture shows
CUSTOMERS, REVENUE = "#9aa7b4", "#1f5f8b"


def plot_segments(scored: pd.DataFrame, *, ax: Axes | None = None) -> pd.DataFrame:
    """Draw each segment's share of the customers beside its share of the revenue.

    Parameters
    ----------
    scored : DataFrame
        As returned by `rfm`.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the result of `segment_table`.

    Raises
    ------
    NotEnoughData
        Nobody is in a segment.
    UsageError
        `scored` is not what `rfm` returned.
    """
    import matplotlib.pyplot as plt

    table = segment_table(scored)
    if table.empty:
        raise NotEnoughData("There is no customer in a segment, so nothing to draw. Use a later as_of.")
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 0.5 * max(len(table), 1) + 1.2), layout="constrained")
    rows = range(len(table))[::-1]
    ax.barh(
        [y + 0.2 for y in rows],
        table["customer_share"] * 100,
        height=0.36,
        color=CUSTOMERS,
        label="customers",
    )
    ax.barh(
        [y - 0.2 for y in rows], table["revenue_share"] * 100, height=0.36, color=REVENUE, label="revenue"
    )
    ax.legend(frameon=False, fontsize=8)
    ax.set_yticks(list(rows), table["label"])
    ax.set_xlabel("per cent")
    ax.set_title("Share of customers and of revenue", loc="left", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    return table


def plot_movement(table: pd.DataFrame, *, ax: Axes | None = None) -> pd.DataFrame:
    """Draw where the customers of each segment went, as shares of the row.

    Parameters
    ----------
    table : DataFrame
        As returned by `movement`.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    DataFrame
        What was drawn: each row divided by its sum (0..1).

    Raises
    ------
    NotEnoughData
        There is nobody in the table.
    UsageError
        `table` is not what `movement` returned: it holds something else than counts.
    """
    import matplotlib.pyplot as plt

    made_by = "segmentation.movement(wh, as_of=...)"
    table = result_table("table", table, made_by=made_by, numbers=getattr(table, "columns", ()))
    counts = table.to_numpy(dtype=np.float64)
    if not (np.isfinite(counts) & (counts >= 0) & (np.floor(counts) == counts)).all():
        raise UsageError(
            f"table holds something else than counts of customers: give it what {made_by} returns."
        )
    if not counts.sum():
        raise NotEnoughData("Nobody is in this table of movement, so there is nothing to draw.")
    share = table.div(table.sum(axis=1), axis=0)
    if ax is None:
        size = (0.75 * table.shape[1] + 3, 0.42 * table.shape[0] + 2)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(share.to_numpy()):
        if value > 0:
            words = f"{value:.0%}" if value >= 0.005 else "<1%"
            colour = "white" if value > 0.55 else "black"
            ax.text(column, row, words, ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(table.shape[1]), [_words(name) for name in table.columns], rotation=35, ha="right")
    names = [f"{_words(name)} ({count:,})" for name, count in table.sum(axis=1).items()]
    ax.set_yticks(range(table.shape[0]), names)
    ax.set(xlabel="later", ylabel="earlier (customers)")
    ax.set_title("Where did they go?  Each row adds up to 100 %", loc="left", fontsize=11)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return share


def plot_cohorts(
    found: pd.DataFrame, *, column: str = "buying_share", ax: Axes | None = None
) -> pd.DataFrame:
    """Draw the triangle of `cohorts`: a row per period of the first purchase, a column per period after it.

    Parameters
    ----------
    found : DataFrame
        As returned by `cohorts`; periods that are not over are left out.
    column : str, default "buying_share"
        Or ``net_spend``: per customer of the cohort, reporting currency.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    DataFrame
        The triangle (`cohort_triangle`).

    Raises
    ------
    NotEnoughData
        No cohort has a whole period after the first.
    UsageError
        `found` is not what `cohorts` returned, or has no such column.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {"cohort_on": ["2024-01-01", "2024-01-01", "2024-02-01"], "age": [0, 1, 0], "cohort_size": 2,
    ...      "buying_share": [1.0, 0.5, 1.0], "is_complete": True}
    ... )
    >>> plot_cohorts(rows).shape
    (2, 2)
    """
    import matplotlib.pyplot as plt

    table = cohort_triangle(found, column=column)
    later = table.loc[:, table.columns > 0].to_numpy(dtype=np.float64)
    if not np.isfinite(later).any():
        raise NotEnoughData("No cohort has a whole period behind it yet. Use a later as_of.")
    if ax is None:
        _, ax = plt.subplots(figsize=(9, 0.22 * len(table) + 1.6), layout="constrained")
    shown = np.ma.masked_invalid(table.to_numpy(dtype=np.float64))
    # age 0 is the first purchase itself: everybody bought, so it would hide all that follows
    colours = plt.get_cmap("Blues").with_extremes(over=BEYOND)
    image = ax.imshow(shown, aspect="auto", cmap=colours, vmin=0.0, vmax=float(np.nanmax(later)) or 1.0)
    is_share = column == "buying_share"
    ticks = "{x:.0%}" if is_share else "{x:,.0f}"
    ax.figure.colorbar(image, ax=ax, shrink=0.8, format=ticks, pad=0.01, extend="max")
    labels = [f"{pd.Timestamp(day):%b %Y}" for day in table.index]
    every = max(1, len(labels) // 12)
    ax.set_yticks(range(0, len(labels), every), labels[::every])
    ax.set_xticks(range(0, table.shape[1], max(1, table.shape[1] // 12)))
    ax.set(xlabel="periods after that of the first purchase", ylabel="first purchase in the period from")
    ax.spines[:].set_visible(False)
    one = np.nanmean(table[1].to_numpy(dtype=np.float64))
    said = f"{one:.0%} bought" if is_share else f"{one:,.0f} were spent per customer of the cohort"
    ax.set_title(f"In the period after the first {said}\nmean of the cohorts", loc="left", fontsize=10)
    return table


def _words(name: object) -> str:
    """Return the label of a segment or state."""
    labels = {rule.name: rule.label for rule in segment_names()}
    states = {state: state.replace("_", " ").capitalize() for state in LIFECYCLE_STATES}
    return (states | labels | {NOT_YET: "Not yet there", GONE: "No longer there"}).get(str(name), str(name))
