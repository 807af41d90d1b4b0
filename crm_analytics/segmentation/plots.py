"""How large is each segment, and what does it bring in?  A picture, and the table it was drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

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
