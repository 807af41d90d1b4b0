"""How large is each segment, what does it bring in, and who moved?  Pictures, and the tables behind them.

Every function returns what it drew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_analytics.segmentation.movement import GONE, LIFECYCLE_STATES, NOT_YET
from crm_analytics.segmentation.names import segment_names
from crm_analytics.segmentation.rfm import segment_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    """
    import matplotlib.pyplot as plt

    table = segment_table(scored)
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 0.5 * max(len(table), 1) + 1.2), layout="constrained")
    rows = range(len(table))[::-1]
    ax.barh([y + 0.2 for y in rows], table["customer_share"] * 100, height=0.36, color=CUSTOMERS)
    ax.barh([y - 0.2 for y in rows], table["revenue_share"] * 100, height=0.36, color=REVENUE)
    ax.set_yticks(list(rows), table["label"])
    ax.set_xlabel("per cent")
    ax.set_title("Share of customers (grey) and of revenue (blue)", loc="left", fontsize=11)
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
    """
    import matplotlib.pyplot as plt

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


def _words(name: object) -> str:
    """Return the label of a segment or state."""
    labels = {rule.name: rule.label for rule in segment_names()}
    states = {state: state.replace("_", " ").capitalize() for state in LIFECYCLE_STATES}
    return (states | labels | {NOT_YET: "Not yet there", GONE: "No longer there"}).get(str(name), str(name))
