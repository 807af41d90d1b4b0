"""How are a report's charts drawn?  As inline SVG: sharp in print, no script, nothing to load.

Every function returns ``(svg, data)``: the chart, and the DataFrame whose figures it shows, so that a
reader (and a test) can see the numbers behind a picture. Text is escaped; colours come from
the classes of ``templates/company.css``, so that a chart follows the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

WIDTH = 720.0
_TICKS = 4

Chart = tuple[Markup, pd.DataFrame]


def bars(data: pd.DataFrame, *, label: str, value: str, text: str, title: str) -> Chart:
    """Draw one horizontal bar per row, longest value = full width.

    Parameters
    ----------
    data : DataFrame
        Rows in the order they are drawn.
    label, value, text : str
        Columns: name at the left, length (0 or more; missing = no bar), words after the bar.
    title : str
        What the chart shows, for readers who cannot see it.
    """
    row, left, room = 26.0, 190.0, WIDTH - 190.0 - 150.0
    longest = max((float(v) for v in data[value].dropna()), default=0.0) or 1.0
    parts = []
    for number, (name, length, words) in enumerate(zip(data[label], data[value], data[text], strict=True)):
        y = number * row
        width = 0.0 if pd.isna(length) else max(0.0, float(length)) / longest * room
        parts += [
            _text(left - 12, y + 17, name, css="label", anchor="end"),
            _rect(left, y + 4, width, row - 9, css="bar"),
            _text(left + width + 8, y + 17, words, css="value"),
        ]
    return _svg(parts, height=len(data) * row + 4, title=title), data[[label, value]].copy()


def columns(
    data: pd.DataFrame, *, label: str, value: str, tick: Callable[[float], str], title: str, faint_last: bool
) -> Chart:
    """Draw one column per row over a labelled scale.

    Parameters
    ----------
    data : DataFrame
        Rows from left to right.
    label, value : str
        Columns: text below (an empty one draws none) and height (0 or more).
    tick : callable
        Turns a height into the words at the scale.
    title : str
        What the chart shows.
    faint_last : bool
        Draw the last column faint: it is not complete.
    """
    height, bottom, left = 220.0, 190.0, 64.0
    values = [0.0 if pd.isna(v) else max(0.0, float(v)) for v in data[value]]
    top = nice_top(max(values, default=0.0))
    step = (WIDTH - left) / max(len(values), 1)
    parts = _scale(top, bottom=bottom, left=left, right=WIDTH, tick=tick)
    for number, (name, size) in enumerate(zip(data[label], values, strict=True)):
        tall = size / top * (bottom - 12)
        css = "bar faint" if faint_last and number == len(values) - 1 else "bar"
        x = left + number * step
        parts.append(_rect(x + step * 0.14, bottom - tall, step * 0.72, tall, css=css))
        if name:
            parts.append(_text(x + step / 2, bottom + 18, name, css="tick", anchor="middle"))
    return _svg(parts, height=height, title=title), data[[label, value]].copy()


def histogram(
    values: pd.Series,
    *,
    tick: Callable[[float], str],
    title: str,
    axis: str,
    bins: int = 20,
    smallest: int = 1,
) -> Chart:
    """Draw how many customers have which value; the last bin holds everything above the 98 % quantile.

    Parameters
    ----------
    values : Series
        One per customer; missing ones are left out.
    tick : callable
        Turns a value into the words below the axis.
    title, axis : str
        What the chart shows; what the horizontal axis counts.
    bins : int, default 20
        Number of columns.
    smallest : int, default 1
        A column of fewer customers (but not of nobody) is drawn as high as one of so many.
    """
    known = np.sort(values.dropna().to_numpy(dtype=float))
    if not len(known):
        return Markup(""), pd.DataFrame({"from_value": [], "customer_count": []})
    high = nice_top(float(np.quantile(known, 0.98)))
    low = min(0.0, float(known[0]))
    edges = np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(np.clip(known, low, high), bins=edges)
    counts = np.where(counts > 0, np.maximum(counts, smallest), 0)
    data = pd.DataFrame({"from_value": edges[:-1], "customer_count": counts})
    width, height, bottom, left = 480.0, 240.0, 190.0, 48.0
    top = nice_top(float(counts.max()))
    step = (width - left) / bins
    parts = _scale(top, bottom=bottom, left=left, right=width, tick=lambda v: f"{v:,.0f}")
    for number, count in enumerate(counts):
        tall = float(count) / top * (bottom - 12)
        parts.append(_rect(left + number * step + 1, bottom - tall, step - 2, tall, css="bar"))
    for number in range(0, bins + 1, bins // 4):
        words = tick(float(edges[number])) + ("+" if number == bins else "")
        anchor = "end" if number == bins else "middle"
        parts.append(_text(left + number * step, bottom + 18, words, css="tick", anchor=anchor))
    parts.append(_text((left + width) / 2, bottom + 42, axis, css="axis", anchor="middle"))
    return _svg(parts, height=height, width=width, title=title), data


def share_curve(values: pd.Series, *, title: str) -> Chart:
    """Draw which share of the total value the best customers carry (a Lorenz curve, best first).

    Source: Lorenz (1905), "Methods of measuring the concentration of wealth".
    """
    known = np.sort(values.dropna().clip(lower=0).to_numpy(dtype=float))[::-1]
    total = math.fsum(known)
    if not len(known) or total <= 0:
        return Markup(""), pd.DataFrame({"customer_share": [], "value_share": []})
    shares = np.linspace(0, 1, 101)
    sums = np.concatenate([[0.0], np.cumsum(known)])
    data = pd.DataFrame(
        {
            "customer_share": shares,
            "value_share": np.interp(shares * len(known), np.arange(len(known) + 1), sums) / total,
        }
    )
    width, height, left, bottom, top = 340.0, 240.0, 44.0, 190.0, 12.0
    xs = left + data["customer_share"] * (width - left - 10)
    ys = bottom - data["value_share"] * (bottom - top)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    parts = [
        Markup('<polygon class="area" points="{},{} {} {},{}"/>').format(
            left, bottom, line, width - 10, bottom
        )
    ]
    parts += [Markup('<polyline class="line" points="{}"/>').format(line)]
    for share in (0, 0.5, 1):
        y, x = bottom - share * (bottom - top), left + share * (width - left - 10)
        parts += [
            _text(left - 8, y + 4, f"{share:.0%}", css="tick", anchor="end"),
            _text(x, bottom + 18, f"{share:.0%}", css="tick", anchor="middle"),
        ]
    parts.append(
        _text((left + width) / 2, bottom + 42, "of customers, best first", css="axis", anchor="middle")
    )
    return _svg(parts, height=height, width=width, title=title), data


def reliability(data: pd.DataFrame, *, title: str) -> Chart:
    """Draw what was predicted against what came, one line per past window, the latest the strongest.

    Parameters
    ----------
    data : DataFrame
        ``as_of, mean_probability, event_rate`` per group, as `crm_analytics.modelling.ModelCard` keeps them;
        empty = no chart.
    title : str
        What the chart shows.
    """
    if data.empty:
        return Markup(""), data.copy()
    side, left, bottom, top = 300.0, 48.0, 262.0, 12.0
    room = bottom - top

    def place(p: float, rate: float) -> tuple[float, float]:
        return left + p * room, bottom - rate * room

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(share, share)
        parts += [
            Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                left, left + room, y, y
            ),
            _text(left - 8, y + 4, f"{share:.0%}", css="tick", anchor="end"),
            _text(x, bottom + 18, f"{share:.0%}", css="tick", anchor="middle"),
        ]
    (x1, y1), (x2, y2) = place(0.0, 0.0), place(1.0, 1.0)
    parts.append(Markup('<line class="right" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(x1, y1, x2, y2))
    days = sorted(data["as_of"].unique())
    for number, day in enumerate(days):
        rows = data[data["as_of"] == day]
        css = "window" if number == len(days) - 1 else "window earlier"
        points = [place(*both) for both in zip(rows["mean_probability"], rows["event_rate"], strict=True)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(css, line))
        parts += [
            Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(css, x, y) for x, y in points
        ]
        parts += [
            Markup('<rect class="{} key" x="{}" y="{}" width="14" height="3"/>').format(
                css, left + room + 18, top + 18 * number
            ),
            _text(left + room + 38, top + 18 * number + 6, f"from {day}", css="tick"),
        ]
    parts.append(_text(left + room / 2, bottom + 40, "predicted", css="axis", anchor="middle"))
    parts.append(_text(left + 6, top + 10, "left", css="axis"))
    return _svg(parts, height=side + 8, width=side + 150, title=title), data.copy()


def spark(share: float | None) -> Markup:
    """Draw a small bar for a share of 0..1, for the cell of a table."""
    size = 0.0 if share is None or pd.isna(share) else min(1.0, max(0.0, float(share)))
    parts = [_rect(0, 3, 60, 6, css="track"), _rect(0, 3, 60 * size, 6, css="bar")]
    return Markup('<svg class="spark" viewBox="0 0 60 12" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )


def nice_top(value: float) -> float:
    """Return the end of a scale that holds `value`: 1, 2, 4, 6, 8 or 10 times a power of ten.

    Examples
    --------
    >>> nice_top(0), nice_top(7.3), nice_top(230)
    (1.0, 8.0, 400.0)
    """
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if value <= step * power * (1 + 1e-12))


def _scale(
    top: float, *, bottom: float, left: float, right: float, tick: Callable[[float], str]
) -> list[Markup]:
    parts = []
    for number in range(_TICKS + 1):
        y = bottom - number / _TICKS * (bottom - 12)
        parts += [
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(left, right, y, y),
            _text(left - 8, y + 4, tick(top * number / _TICKS), css="tick", anchor="end"),
        ]
    return parts


def _rect(x: float, y: float, width: float, height: float, *, css: str) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        css, *(f"{number:.1f}" for number in (x, y, max(width, 0.0), max(height, 0.0)))
    )


def _text(x: float, y: float, words: object, *, css: str, anchor: str = "start") -> Markup:
    place = (f"{x:.1f}", f"{y:.1f}")
    return Markup('<text class="{}" text-anchor="{}" x="{}" y="{}">{}</text>').format(
        css, anchor, *place, escape(words)
    )


def _svg(parts: Sequence[Markup], *, height: float, title: str, width: float = WIDTH) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {:.0f} {:.0f}" role="img"><title>{}</title>{}</svg>'
    ).format(width, height, title, Markup("").join(parts))
