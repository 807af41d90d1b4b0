"""How does the cost of a step grow with the number of customers, and how does it compare with the script?

The growth exponent is the slope of log(seconds) on log(customers) by least squares: 1 = twice the customers
take twice as long. Above 1.1 it is a defect. Fixed costs (parsing SQL, opening files) pull it down, so the
exponent of the two largest sizes alone is given too. Processor time (all threads) is judged beside the
seconds on the clock, which depend on what else the machine was doing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

LARGEST_EXPONENT = 1.1
# Below this a step mostly measures its fixed costs.
SHORTEST_SECONDS = 1.0
# Which steps of ours make what a step of the plain script makes.
SAME_WORK: dict[str, tuple[str, ...]] = {
    "read": ("load",),
    "rfm": ("rfm",),
    "clv": ("clv",),
    "churn.train": ("churn.train",),
    "churn.score": ("churn.score",),
    "offers": ("offers.train", "offers"),
    "write": ("customer_scores", "audit", "publish"),
}
Rows = Sequence[Mapping[str, Any]]


def exponent(customers: Sequence[int], seconds: Sequence[float]) -> float | None:
    """Return the slope of log(seconds) on log(customers); None for fewer than two sizes or a time of zero.

    Examples
    --------
    >>> exponent([100, 200, 400], [1.0, 2.0, 4.0]), exponent([100], [1.0])
    (1.0, None)
    """
    if len(set(customers)) < 2 or min(seconds) <= 0:
        return None
    x, y = [math.log(value) for value in customers], [math.log(value) for value in seconds]
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    above = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return round(above / math.fsum((a - mean_x) ** 2 for a in x), 3)


def growth(rows: Rows) -> list[dict[str, Any]]:
    """Return exponents of every step measured to its end at two sizes or more, with a verdict on ours."""
    found = []
    for side, step in dict.fromkeys((row["side"], row["step"]) for row in rows):
        mine = [row for row in rows if (row["side"], row["step"]) == (side, step) and row["status"] == "ok"]
        mine.sort(key=lambda row: int(row["customers"]))
        if len(mine) < 2:
            continue
        sizes = [int(row["customers"]) for row in mine]
        seconds, processor = ([float(row[name]) for row in mine] for name in ("seconds", "cpu_seconds"))
        line = {
            "side": side,
            "step": step,
            "exponent": exponent(sizes, seconds),
            "cpu_exponent": exponent(sizes, processor),
            "largest_two": exponent(sizes[-2:], seconds[-2:]),
            "cpu_largest_two": exponent(sizes[-2:], processor[-2:]),
        }
        longest = max(seconds[-1], processor[-1])
        # the script is a yardstick: its growth is nothing to mend
        line["verdict"] = verdict(longest, line) if side == "ours" else ""
        found.append(line)
    return found


def verdict(longest_seconds: float, line: Mapping[str, Any]) -> str:
    """Say in words what a step's exponents mean.

    Examples
    --------
    >>> steep = {"exponent": 1.3, "cpu_exponent": 1.2, "largest_two": 1.3, "cpu_largest_two": 1.2}
    >>> verdict(0.4, steep), verdict(20, steep), verdict(20, dict.fromkeys(steep, 1.0))
    ('too short to tell', 'DEFECT', 'ok')
    >>> verdict(20, {**dict.fromkeys(steep, 1.0), "largest_two": 1.3})
    'ok, but the largest two above 1.1 by the clock'
    """
    if longest_seconds < SHORTEST_SECONDS or None in line.values():
        return "too short to tell"
    steep = _steep(line["exponent"], line["cpu_exponent"])
    if len(steep) == 2:
        return "DEFECT"
    if steep:
        return f"DEFECT by {steep[0]} only: was the machine busy?"
    steep = _steep(line["largest_two"], line["cpu_largest_two"])
    return f"ok, but the largest two above {LARGEST_EXPONENT} by {' and '.join(steep)}" if steep else "ok"


def _steep(by_clock: float, by_processor: float) -> list[str]:
    found = {"the clock": by_clock, "processor time": by_processor}
    return [name for name, value in found.items() if value > LARGEST_EXPONENT]


def ratios(rows: Rows) -> list[dict[str, Any]]:
    """Return, per step of the plain script and size, the cost of ours over theirs; and one for all steps.

    The last one leaves out what only ours does (the report).
    """
    by_key = {(row["side"], row["step"], row["customers"]): row for row in rows if row["status"] == "ok"}
    found = []
    for size in sorted({int(row["customers"]) for row in rows}):
        whole: list[tuple[list[Mapping[str, Any]], Mapping[str, Any]]] = []
        for step, names in SAME_WORK.items():
            theirs = by_key.get(("plain", step, size))
            ours = [by_key[key] for name in names if (key := ("ours", name, size)) in by_key]
            if theirs is None or len(ours) < len(names):
                continue
            whole.append((ours, theirs))
            found.append(_ratio(size, step, names, ours, [theirs]))
        if len(whole) == len(SAME_WORK):
            every = [row for ours, _ in whole for row in ours], [theirs for _, theirs in whole]
            found.append(_ratio(size, "all steps", (), *every))
    return found


def _ratio(
    size: int, step: str, names: Sequence[str], ours: Sequence[Mapping[str, Any]], theirs: Rows
) -> dict[str, Any]:
    line: dict[str, Any] = {"customers": size, "step": step, "our_steps": list(names)}
    for name in ("seconds", "cpu_seconds"):
        mine, other = (math.fsum(float(row[name]) for row in side) for side in (ours, theirs))
        line |= {f"our_{name}": round(mine, 3), f"their_{name}": round(other, 3)}
        line[f"{name}_ratio"] = round(mine / other, 2) if other > 0 else None
    line["our_peak_mb"] = max(int(row["peak_mb"]) for row in ours)
    line["their_peak_mb"] = max(int(row["peak_mb"]) for row in theirs)
    return line
