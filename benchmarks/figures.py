"""How are the figures of a run shown and kept?  Tables on the terminal; <date>.json and <date>.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Run = Mapping[str, Any]
Lines = list[tuple[str, ...]]


def tables(run: Run) -> dict[str, Lines]:
    """Return every table of a run by title; the first line of each holds the names of the columns."""
    made = {
        "Our steps: seconds (processor seconds), peak MB": _costs(run, "ours"),
        "Plain script: seconds (processor seconds), peak MB so far": _costs(run, "plain"),
    }
    if run["growth"]:
        made["Growth: exponent of seconds on customers"] = _growth(run)
    if run["ratios"]:
        made["Ours / plain script"] = _ratios(run)
    return made


def show(console: Console, run: Run) -> None:
    """Print the tables."""
    for title, lines in tables(run).items():
        table = Table(title=title, title_justify="left", header_style="bold")
        for place, name in enumerate(lines[0]):
            table.add_column(name, justify="right" if place and name != "verdict" else "left")
        for line in lines[1:]:
            table.add_row(*line, style="red" if "DEFECT" in line[-1] else None)
        console.print(table)
    for text in problems(run):
        console.print(text, style="red", markup=False)


def write(run: Run, folder: Path) -> tuple[Path, Path]:
    """Write <date>.json and <date>.md and return their paths; a run of the same date is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    data, text = folder / f"{run['date']}.json", folder / f"{run['date']}.md"
    data.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    text.write_text(markdown(run), encoding="utf-8")
    return data, text


def markdown(run: Run) -> str:
    """Return the run as a Markdown page."""
    machine = run["machine"]
    page = [
        f"# Benchmark of {run['date']}",
        "",
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, Python "
        f"{machine['python']}; load of the machine {machine['load_before']} before, "
        f"{machine['load_after']} after (1-minute mean; above the number of cores, seconds on the clock say "
        "little and processor seconds more).",
        "",
        "Packages: " + ", ".join(f"{name} {version}" for name, version in run["packages"].items()) + ".",
        "",
        "Data: "
        + "; ".join(
            f"{size['customers']:,} customers, {size['lines']:,} order lines "
            f"(load of the machine {size['machine_load']} when it began)"
            for size in run["data"]
        )
        + f" (seed {run['seed']}).",
        "",
    ]
    for title, (head, *lines) in tables(run).items():
        page += [f"## {title}", "", "| " + " | ".join(head) + " |"]
        page.append("| :--- " + "| ---: " * (len(head) - 1) + "|")
        page += ["| " + " | ".join(line) + " |" for line in lines] + [""]
    if found := problems(run):
        page += ["## Not measured", "", *(f"- {text}" for text in found), ""]
    return "\n".join(page)


def problems(run: Run) -> list[str]:
    """Return a sentence for every step that did not come to its end."""
    return [
        f"{row['side']} {row['step']} at {row['customers']:,} customers: {row['message']}"
        for row in run["steps"]
        if row["status"] != "ok"
    ]


def _costs(run: Run, side: str) -> Lines:
    rows = [row for row in run["steps"] if row["side"] == side]
    head = ("step", *(f"{size:,}" for size in run["sizes"]), *(f"MB at {size:,}" for size in run["sizes"]))
    by_key = {(row["step"], row["customers"]): row for row in rows}
    lines: Lines = [head]
    for step in dict.fromkeys(row["step"] for row in rows):
        mine = [by_key[step, size] for size in run["sizes"]]
        seconds = (
            f"{row['seconds']:.1f} ({row['cpu_seconds']:.1f})" if _ok(row) else row["status"] for row in mine
        )
        lines.append((step, *seconds, *(f"{row['peak_mb']:,}" if _ok(row) else "" for row in mine)))
    totals = [[row for row in rows if row["customers"] == size and _ok(row)] for size in run["sizes"]]
    sums = (f"{_sum(part, 'seconds'):.1f} ({_sum(part, 'cpu_seconds'):.1f})" for part in totals)
    peaks = (f"{max((row['peak_mb'] for row in part), default=0):,}" for part in totals)
    lines.append(("all", *sums, *peaks))
    starts = (f"{_sum(part, 'import_seconds'):.1f} + {_sum(part, 'open_seconds'):.1f}" for part in totals)
    lines.append(("not counted: imports + opening", *starts, *("" for _ in totals)))
    return lines


def _growth(run: Run) -> Lines:
    head = ("step", "seconds", "processor", "largest two sizes", "processor, largest two", "verdict")
    names = ("exponent", "cpu_exponent", "largest_two", "cpu_largest_two")
    return [head] + [
        (f"{row['side']} {row['step']}", *(_number(row[name]) for name in names), row["verdict"])
        for row in run["growth"]
    ]


def _ratios(run: Run) -> Lines:
    head = ("step", *(f"{size:,}: seconds (processor)" for size in run["sizes"]))
    by_key = {(row["step"], row["customers"]): row for row in run["ratios"]}
    lines: Lines = [head]
    for step in dict.fromkeys(row["step"] for row in run["ratios"]):
        mine: Sequence[Mapping[str, Any] | None] = [by_key.get((step, size)) for size in run["sizes"]]
        cells = (
            f"{_number(row['seconds_ratio'])} ({_number(row['cpu_seconds_ratio'])})" if row else ""
            for row in mine
        )
        lines.append((step, *cells))
    return lines


def _ok(row: Mapping[str, Any]) -> bool:
    return bool(row["status"] == "ok")


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(row[name] for row in rows))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
