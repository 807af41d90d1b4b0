"""How does a change look, and how right were earlier nights?  The pictures, each with the table it drew."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crm_analytics.errors import UsageError
from crm_analytics.monitoring.drift import night_scores
from crm_analytics.monitoring.shift import shift
from crm_analytics.warehouse import Warehouse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THEN, NOW = "#8593a0", "#1f5f8b"


def plot_drift(
    wh: Warehouse, column: str, *, as_of: date, since: date, ax: Axes | None = None
) -> pd.DataFrame:
    """Draw where the customers were in one column of their scores on an earlier night, and are now.

    Parameters
    ----------
    wh : Warehouse
        With the scores of both nights.
    column : str
        Of ``scores.customer_scores``.
    as_of, since : date
        The two nights.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    DataFrame
        What was drawn: ``label`` of each bin, ``before`` and ``now`` (customers), ``share_before`` and
        ``share_now`` (0..1).

    Raises
    ------
    UsageError
        The scores have no such column.
    NotEnoughData
        One of the nights has no scores.
    """
    before, now = (night_scores(wh, night).set_index("customer_id") for night in (since, as_of))
    if column not in now.columns:
        raise UsageError(f"column={column!r}: scores.customer_scores has no such column.")
    found = shift(before[column], now[column])
    table = found.bins[found.bins[["before", "now"]].any(axis=1)].reset_index(drop=True)
    table["share_before"] = table["before"] / table["before"].sum()
    table["share_now"] = table["now"] / table["now"].sum()
    ax = _axes(ax, len(table))
    rows = np.arange(len(table))[::-1]
    ax.barh(rows + 0.2, 100 * table["share_before"], height=0.36, color=THEN)
    ax.barh(rows - 0.2, 100 * table["share_now"], height=0.36, color=NOW)
    ax.set_yticks(rows, list(table["label"]))
    ax.set_xlabel("per cent of the customers")
    verdict = "more than chance" if found.psi > found.chance_limit else "chance explains it"
    title = f"{column.replace('_', ' ')}: index {found.psi:.2f}, {verdict}"
    ax.set_title(f"{title}\ngrey: {since.isoformat()}, blue: {as_of.isoformat()}", loc="left", fontsize=10)
    return table


def plot_performance(
    performance: pd.DataFrame,
    *,
    of: Literal["purchases", "revenue"] = "purchases",
    ax: Axes | None = None,
) -> pd.DataFrame:
    """Draw what each night expected up to today, with its limits, beside what came.

    Parameters
    ----------
    performance : DataFrame
        As returned by `value_performance`.
    of : {"purchases", "revenue"}
        What to draw.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    DataFrame
        What was drawn: ``as_of``, ``expected``, ``low``, ``high``, ``came``, ``is_inside``.

    Raises
    ------
    UsageError
        `of` is neither of the two.
    """
    came = {"purchases": "purchase_day_count", "revenue": "net_spend"}
    if of not in came:
        raise UsageError(f"of={of!r}: draw 'purchases' or 'revenue'.")
    table = pd.DataFrame(
        {
            "as_of": performance["as_of"],
            "expected": performance[f"expected_{of}"],
            "low": performance[f"expected_{of}_low"],
            "high": performance[f"expected_{of}_high"],
            "came": performance[came[of]],
        }
    ).astype({"expected": float, "low": float, "high": float, "came": float})
    table["is_inside"] = table["came"].between(table["low"], table["high"])
    ax = _axes(ax, len(table))
    rows = np.arange(len(table))[::-1]
    reach = np.array([table["expected"] - table["low"], table["high"] - table["expected"]])
    ax.errorbar(table["expected"], rows, xerr=reach, fmt="o", color=NOW, capsize=3)
    ax.scatter(table["came"], rows, color=THEN, marker="D", zorder=3)
    ax.set_yticks(rows, [str(night) for night in table["as_of"]])
    ax.set_xlim(left=0)
    ax.set_xlabel(f"{of} from the night on until today")
    inside = int(table["is_inside"].sum())
    ax.set_title(
        f"{inside} of {len(table)} nights had within their limits what came\n"
        "blue: expected, with limits; grey: came",
        loc="left",
        fontsize=10,
    )
    return table


def _axes(ax: Axes | None, rows: int) -> Any:
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(7, 0.45 * max(rows, 1) + 1.4), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
