"""Does the model see what happened, and what does it see in a customer?  The pictures, each with its table.

Every function takes what its neighbour in plot_data.py takes, draws on `ax` (default: a new figure) and
returns the table it drew; the errors are those of that neighbour.  Grey is what happened, colours are models;
the title says what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_analytics.clv import plot_data
from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACTUAL, MODEL, NOTHING = "#8593a0", "#1f5f8b", "#d3d6d9"
COLOURS = (MODEL, "#d9822b", "#3f8f5f", "#8c5fa8", "#b0413e", "#6b6b2a")
_LEAST_APART = 0.055


def plot_frequency(
    model: PurchaseModel, summary: pd.DataFrame, *, up_to: int = 6, ax: Axes | None = None
) -> pd.DataFrame:
    """Draw how many customers bought again 0, 1, ... times, and how many should; see `frequency_table`.

    Parameters
    ----------
    model, summary, up_to
        As of `frequency_table`.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `frequency_table`.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> known = pd.DataFrame({"frequency": [0, 2], "recency": [0, 90], "T": [180, 200]})
    >>> plot_frequency(model, known, up_to=2).round(2).to_dict("list")
    {'actual': [1, 0, 1, 0], 'expected': [1.25, 0.38, 0.15, 0.22]}
    """
    table = plot_data.frequency_table(model, summary, up_to=up_to)
    ax = _axes(ax)
    place = np.arange(len(table))
    for shift, column, colour in ((-0.2, "actual", ACTUAL), (0.2, "expected", MODEL)):
        bars = ax.bar(place + shift, table[column], width=0.38, color=colour)
        ax.bar_label(bars, [f"{value:,.0f}" for value in table[column]], fontsize=7, color=colour)
    ax.set_xticks(place, table.index)
    ax.set(xlabel="repeat purchases so far", ylabel="customers")
    misplaced = float((table["actual"] - table["expected"]).abs().sum()) / 2.0 / max(len(summary), 1)
    _title(
        ax,
        f"{model.name} puts {misplaced:.1%} of the customers at another count",
        "grey: observed, blue: expected",
    )
    return table


def plot_tracking(
    model: PurchaseModel | Mapping[str, PurchaseModel],
    daily: pd.DataFrame,
    *,
    calibration_end: date,
    as_of: date,
    every_days: int = 7,
    cumulative: bool = False,
    ax: Axes | None = None,
) -> pd.DataFrame:
    """Draw repeat purchases over time, per period or (cumulative=True) in all; see `tracking_table`.

    Several models are drawn as several lines, and the title tells of the one closest to what came.

    Parameters
    ----------
    model, daily, calibration_end, as_of, every_days
        As of `tracking_table`.
    cumulative : bool, default False
        Draw all purchases so far instead of those of each period.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `tracking_table`.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> days = pd.DataFrame({"ordered_on": ["2024-01-01", "2024-01-09"]})
    >>> days = days.assign(first_purchases=[9, 1], repeat_purchases=[0, 2])
    >>> end, as_of = date(2024, 1, 8), date(2024, 1, 15)
    >>> plot_tracking(model, days, calibration_end=end, as_of=as_of)["actual"].tolist()
    [0, 2]
    """
    tracked = plot_data.tracked_models(model)
    table = plot_data.tracking_table(
        model, daily, calibration_end=calibration_end, as_of=as_of, every_days=every_days
    )
    ax = _axes(ax)
    prefix = "cumulative_" if cumulative else ""
    names = {one: model.name if isinstance(model, PurchaseModel) else one for one in tracked}
    colours, last = _cycle(len(tracked)), {"observed": table[f"{prefix}actual"].iloc[-1]}
    ax.plot(table["ends_on"], table[f"{prefix}actual"], color=ACTUAL, linewidth=1.2)
    for (column, name), colour in zip(names.items(), colours, strict=True):
        ax.plot(table["ends_on"], table[f"{prefix}{column}"], color=colour, linewidth=2)
        last[name] = table[f"{prefix}{column}"].iloc[-1]
    end = pd.Timestamp(calibration_end)
    ax.axvline(end, color="black", linewidth=0.8, linestyle=":")
    ax.annotate(
        "hold-out →", (end, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
        va="top", fontsize=8,
    )  # fmt: skip
    ax.set_ylim(bottom=0)
    _label_ends(ax, table["ends_on"].iloc[-1], last, colours=[ACTUAL, *colours])
    ax.set(
        ylabel="repeat purchases, all so far" if cumulative else f"repeat purchases per {every_days} days",
        xlabel="",
    )
    _date_axis(ax)
    later = table[table["is_holdout"]] if table["is_holdout"].any() else table
    came = max(float(later["actual"].sum()), 1.0)
    ratios = {column: float(later[column].sum()) / came - 1.0 for column in tracked}
    best = min(ratios, key=lambda column: abs(ratios[column]))
    ratio, closest = ratios[best], "" if len(tracked) == 1 else "Closest: "
    where = "in the hold-out" if table["is_holdout"].any() else "so far"
    amount = f"{abs(ratio):.1%} {'more' if ratio > 0 else 'fewer'}"
    _title(ax, f"{closest}{names[best]} expects {amount} purchases than came {where}")
    return table


def plot_conditional(
    models: Mapping[str, PurchaseModel],
    known: pd.DataFrame,
    *,
    horizon_days: float,
    by: str = "frequency",
    ax: Axes | None = None,
) -> pd.DataFrame:
    """Draw purchases of the hold-out, observed and expected, by what was known; see `conditional_table`.

    Parameters
    ----------
    models, known, horizon_days, by
        As of `conditional_table`.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `conditional_table`.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> known = pd.DataFrame({"frequency": [0, 2], "recency": [0, 90], "T": [180, 200], "actual": [0, 1]})
    >>> plot_conditional({"BG/NBD": model}, known, horizon_days=90).round(2).to_dict("list")
    {'customers': [1, 1], 'actual': [0.0, 1.0], 'BG/NBD': [0.1, 0.4]}
    """
    table = plot_data.conditional_table(models, known, horizon_days=horizon_days, by=by)
    ax = _axes(ax)
    place = np.arange(len(table))
    ax.plot(place, table["actual"], color=ACTUAL, marker="o", linewidth=1.2)
    ends = {"observed": table["actual"].iloc[-1]}
    for name, colour in zip(models, _cycle(len(models)), strict=True):
        ax.plot(place, table[name], color=colour, linewidth=2)
        ends[name] = table[name].iloc[-1]
    ax.set_xticks(place, table.index)
    ax.set_ylim(0, 1.2 * float(table.iloc[:, 1:].max(axis=None)) or 1.0)
    _label_ends(ax, place[-1], ends, colours=[ACTUAL, *_cycle(len(models))])
    words = {"frequency": "repeat purchases before", "recency": "age at the last purchase (days)"}
    ax.set(xlabel=words[by], ylabel=f"purchases per customer in {horizon_days:g} days")
    error = {name: _mean_gap(table, name) for name in models}
    best = min(error, key=lambda name: error[name])
    title = f"{best} is off by {error[best]:.2f} purchases per customer"
    _title(ax, title if len(models) == 1 else f"Closest: {title}")
    return table


def plot_calibration(
    predicted: pd.Series,
    actual: pd.Series,
    *,
    groups: int = 10,
    unit: str = "purchases per customer",
    ax: Axes | None = None,
) -> pd.DataFrame:
    """Draw mean outcome over mean prediction of groups of like customers; see `calibration_table`.

    The title says how many customers without a prediction or an outcome were left out.

    Parameters
    ----------
    predicted, actual, groups
        As of `calibration_table`.
    unit : str, default "purchases per customer"
        What both axes count.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `calibration_table`.

    Examples
    --------
    >>> table = plot_calibration(pd.Series([0.5, 1.5]), pd.Series([0, 2]), groups=2)
    >>> table[["predicted", "actual"]].values.tolist()
    [[0.5, 0.0], [1.5, 2.0]]
    """
    table = plot_data.calibration_table(predicted, actual, groups=groups)
    left_out = table.attrs["left_out"]
    note = "bars: 90 % of chance" + (f"; {left_out:,} customers without a number left out" * bool(left_out))
    ax = _axes(ax)
    highest = float(max(table["predicted"].max(), table["actual"].max())) * 1.05 or 1.0
    ax.plot([0, highest], [0, highest], color=ACTUAL, linewidth=1)
    ax.annotate(
        "as predicted", (0.6 * highest, 0.6 * highest), (8, -8), textcoords="offset points", va="top",
        fontsize=8, color=ACTUAL,
    )  # fmt: skip
    ax.errorbar(
        table["predicted"],
        table["actual"],
        yerr=1.645 * table["standard_error"],
        fmt="o",
        color=MODEL,
        markersize=5,
        linewidth=1,
    )
    ax.set(xlabel=f"predicted ({unit})", ylabel=f"observed ({unit})", xlim=(0, None), ylim=(0, None))
    off = (table["actual"] - table["predicted"]).abs() > 1.645 * table["standard_error"]
    _title(ax, f"{int((~off).sum())} of {len(table)} groups came as predicted", note)
    return table


def plot_alive_matrix(
    model: PurchaseModel, *, age_days: float, up_to: int = 20, ax: Axes | None = None
) -> pd.DataFrame:
    """Draw the probability of being alive by frequency and recency; see `alive_matrix`.

    Histories that cannot be are grey: no customer bought on more days than there were.

    Parameters
    ----------
    model, age_days, up_to
        As of `alive_matrix`.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `alive_matrix`.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> plot_alive_matrix(model, age_days=60, up_to=2).loc[60].round(2).tolist()
    [nan, 0.75, 0.81]
    """
    table = plot_data.alive_matrix(model, age_days=age_days, up_to=up_to)
    ax = _axes(ax)
    x, y = np.arange(up_to + 1), age_days - table.index.to_numpy()
    ax.set_facecolor(NOTHING)
    mesh = ax.pcolormesh(x, y, table, cmap="Blues", vmin=0, vmax=1, shading="nearest")
    levels = [level for level in (0.2, 0.5, 0.8) if table.min(axis=None) < level < table.max(axis=None)]
    if levels:
        lines = ax.contour(x, y, table, levels=levels, colors=COLOURS[1], linewidths=1)
        for label in ax.clabel(lines, fmt=lambda level: f"{level:.0%}", fontsize=8):
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85})
    ax.figure.colorbar(mesh, ax=ax, label="probability alive", shrink=0.8)
    ax.set(xlabel="repeat purchases", ylabel="days since the last purchase", xlim=(-0.5, up_to + 0.5))
    ax.locator_params(axis="x", integer=True)
    few, many = (_half_gone(table[count], age_days) for count in (1, up_to))
    if few is None or many is None:
        finding = "Who has bought how often and is silent for how long is still there?"
    else:
        finding = (
            f"Half are gone after {few:.0f} days of silence with 1 repeat purchase, {many:.0f} with {up_to}"
        )
    _title(ax, finding, f"{model.name}, first purchase {age_days:g} days ago; grey: cannot be")
    return table


def plot_alive_history(
    model: PurchaseModel,
    purchase_days: Sequence[date],
    *,
    as_of: date,
    customer: str = "the customer",
    ax: Axes | None = None,
) -> pd.DataFrame:
    """Draw day by day how probably one customer was still there; see `alive_history`.

    Parameters
    ----------
    model, purchase_days, as_of
        As of `alive_history`.
    customer : str, default "the customer"
        Who it is, for the title.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `alive_history`.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> bought = [date(2024, 1, 1), date(2024, 1, 3)]
    >>> plot_alive_history(model, bought, as_of=date(2024, 1, 5))["probability_alive"].round(2).tolist()
    [1.0, 1.0, 0.75, 0.75]
    """
    table = plot_data.alive_history(model, purchase_days, as_of=as_of)
    ax = _axes(ax)
    ax.plot(table.index, table["probability_alive"], color=MODEL, linewidth=2)
    bought = table[table["is_purchase"]]
    ax.plot(bought.index, np.full(len(bought), -0.06), "|", color="black", markersize=9)
    ax.annotate(
        "purchases", (bought.index[0], 0), (0, 2), textcoords="offset points", fontsize=8, va="bottom"
    )
    ax.set(ylim=(-0.1, 1.04), ylabel="probability alive", xlabel="")
    _date_axis(ax)
    now = float(table["probability_alive"].iloc[-1])
    _label_ends(ax, table.index[-1], {f"{now:.0%}": now}, colours=[MODEL])
    silent = int(table["T"].iloc[-1] - table["recency"].iloc[-1])
    _title(ax, f"Is {customer} still there? {now:.0%} after {silent} days of silence", model.name)
    return table


def plot_retention(
    model: ShiftedBetaGeoModel,
    *,
    periods: int,
    survivors: Sequence[float] | None = None,
    covariates: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> pd.DataFrame:
    """Draw the share of contracts left and the share renewed, by age; see `retention_table`.

    Parameters
    ----------
    model, periods, survivors, covariates
        As of `retention_table`.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `retention_table`.

    Examples
    --------
    >>> from crm_analytics.clv import ShiftedBetaGeoModel
    >>> model = ShiftedBetaGeoModel.from_parameters({"alpha": 0.704, "beta": 1.182}, period_days=365)
    >>> plot_retention(model, periods=2, survivors=[100, 65])["survival"].round(2).tolist()
    [1.0, 0.63, 0.47]
    """
    table = plot_data.retention_table(model, periods=periods, survivors=survivors, covariates=covariates)
    ax = _axes(ax)
    ends = {}
    for column, words, colour in (("retention", "renewed", COLOURS[1]), ("survival", "still there", MODEL)):
        ax.plot(table.index, table[column], color=colour, linewidth=2)
        ax.plot(table.index, table[f"actual_{column}"], "o", color=colour, markersize=4)
        ends[words] = table[column].iloc[-1]
    ax.set(
        xlabel=f"renewals (one every {model.period_days:g} days)", ylabel="share of contracts", ylim=(0, 1.02)
    )
    ax.yaxis.set_major_formatter(_percent())
    _label_ends(ax, periods, ends, colours=[COLOURS[1], MODEL])
    first, last = float(table["retention"].iloc[1]), float(table["retention"].iloc[-1])
    words = "dots: observed" if table["actual_survival"].notna().any() else ""
    _title(ax, f"Of those left, {first:.0%} renew the first time, {last:.0%} the {periods}th", words)
    return table


def plot_parameter_correlation(model: MaximumLikelihoodModel, *, ax: Axes | None = None) -> pd.DataFrame:
    """Draw how far the estimates depend on each other; see `parameter_correlation`.

    Parameters
    ----------
    model
        As of `parameter_correlation`.
    ax : Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    DataFrame
        What was drawn: the table of `parameter_correlation`.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> known = np.diag([0.01, 0.01, 0.04, 0.04]) + 0.005
    >>> found = {"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43}
    >>> model = BetaGeoModel.from_parameters(found, log_covariance=known)
    >>> plot_parameter_correlation(model).loc["r"].round(2).tolist()
    [1.0, 0.33, 0.19, 0.19]
    """
    table = plot_data.parameter_correlation(model)
    ax = _axes(ax, size=(4.2, 3.8))
    ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        colour = "white" if abs(value) > 0.6 else "black"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(len(table)), table.columns)
    ax.set_yticks(range(len(table)), table.index)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    apart = table.where(~np.eye(len(table), dtype=bool)).stack().dropna()
    if apart.empty:
        _title(ax, "No errors of the parameters are known", model.name)
    else:
        first, second = apart.abs().idxmax()
        strongest = apart.loc[(first, second)]
        _title(ax, f"{first} and {second} depend most on each other: {strongest:.2f}", model.name)
    return table


def _axes(ax: Axes | None, *, size: tuple[float, float] = (7.5, 3.8)) -> Axes:
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _title(ax: Axes, finding: str, key: str = "") -> None:
    ax.set_title(finding + (f"\n({key})" if key else ""), loc="left", fontsize=10)


def _label_ends(
    ax: Axes, x: Any, ends: Mapping[str, float], *, colours: Sequence[str] = (ACTUAL, MODEL)
) -> None:
    """Write names at the right ends of lines, moved apart where they would overlap; call after set_ylim."""
    low, high = ax.get_ylim()
    order = sorted(zip(ends.items(), colours, strict=True), key=lambda end: end[0][1])
    height = -np.inf
    for (name, value), colour in order:
        height = max((value - low) / (high - low), height + _LEAST_APART)
        ax.annotate(
            name, (x, low + height * (high - low)), (7, 0), textcoords="offset points", color=colour,
            va="center", fontsize=9, annotation_clip=False,
        )  # fmt: skip


def _cycle(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _mean_gap(table: pd.DataFrame, name: str) -> float:
    gap = (table[name] - table["actual"]).abs() * table["customers"]
    return float(gap.sum() / table["customers"].sum())


def _half_gone(alive: pd.Series, age_days: float) -> float | None:
    """Return after how many days of silence the probability (by recency) is below one half; None if never."""
    gone = alive.index[alive < 0.5]
    return None if gone.empty else age_days - float(gone.max())


def _date_axis(ax: Axes) -> None:
    from matplotlib import dates

    locator = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1, decimals=0)
