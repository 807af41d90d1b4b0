"""Does the benchmark harness measure every step of both sides, and does it say honestly what it found?"""

from __future__ import annotations

import io
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import figures, run
from benchmarks.growth import exponent, growth, ratios, verdict

ON = date(2025, 7, 2)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=160)


def row(side: str, step: str, customers: int, seconds: float, **other: Any) -> dict[str, Any]:
    return {
        "side": side, "step": step, "customers": customers, "status": "ok", "message": "",
        "seconds": seconds, "cpu_seconds": seconds, "import_seconds": 0.1, "open_seconds": 0.0,
        "start_mb": 1, "peak_mb": 2, "rows": 3, **other,
    }  # fmt: skip


def test_three_hundred_customers_go_through_every_step_of_both_sides(
    tmp_path: Path, console: Console
) -> None:
    (found,) = run.run([300], tmp_path / "data", on=ON, console=console, together=True)

    assert {(line["side"], line["step"]): line["message"] for line in found["steps"]} == {
        **{("ours", step): "" for step in run.OUR_STEPS},
        **{("plain", step): "" for step in run.PLAIN_STEPS},
    }
    rows = {(line["side"], line["step"]): line["rows"] for line in found["steps"]}
    assert rows["ours", "load"] == rows["plain", "read"] == found["data"][0]["lines"] + 300
    assert rows["ours", "customer_scores"] == rows["plain", "write"] == 300
    assert rows["ours", "offers"] == rows["plain", "offers"] == 1500
    assert all(0 < line["start_mb"] <= line["peak_mb"] for line in found["steps"])
    assert found["growth"] == []
    assert [line["step"] for line in found["ratios"]][-1] == "all steps"

    data, text = figures.write(found, tmp_path / "results")
    assert data.name == "2025-07-02.json"
    assert json.loads(data.read_text()) == found
    assert text.read_text().startswith("# Benchmark of 2025-07-02")
    figures.show(console, found)


def test_a_step_over_the_limit_is_stopped_and_the_steps_after_it_are_not_run(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.py").write_text(
        "import contextlib, time\n"
        "from benchmarks.measure import Side, Work\n"
        "SIDE = Side(steps={'quick': Work(lambda _: 7, ()), 'slow': Work(lambda _: time.sleep(30), ()),\n"
        "    'after': Work(lambda _: 1, ())}, open=lambda folder: contextlib.nullcontext())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = run._measured("ours", "slow", ["quick", "slow", "after"], tmp_path, 300, 1, console)
    assert [(line["step"], line["status"]) for line in found] == [
        ("quick", "ok"), ("slow", "stopped"), ("after", "not run"),
    ]  # fmt: skip
    assert found[1]["message"] == "stopped after 1 s"
    assert "slow at 300 customers: stopped" in " ".join(figures.problems({"steps": found}))


def test_a_step_that_fails_says_why(tmp_path: Path, console: Console) -> None:
    (failed,) = run._measured("ours", "benchmarks.job", ["load"], tmp_path, 300, 60, console)
    assert failed["status"] == "failed"
    assert "transactions.csv" in failed["message"]


def test_the_exponent_is_the_slope_of_the_logarithms() -> None:
    sizes = [20_000, 60_000, 200_000]
    assert exponent(sizes, [size**1.25 for size in sizes]) == pytest.approx(1.25)
    assert exponent(sizes, [5.0, 5.0, 5.0]) == pytest.approx(0.0)
    assert exponent([300], [1.0]) is None


@pytest.mark.parametrize(
    ("longest", "clock", "processor", "says"),
    [
        (0.9, 2.0, 2.0, "too short to tell"),
        (10.0, 1.1, 1.1, "ok"),
        (10.0, 1.11, 1.11, "DEFECT"),
        (10.0, 1.3, 1.0, "DEFECT by the clock only: was the machine busy?"),
        (10.0, 1.0, 1.3, "DEFECT by processor time only: was the machine busy?"),
        (10.0, None, None, "too short to tell"),
    ],
)
def test_a_step_is_a_defect_when_it_grows_faster_than_its_customers(
    longest: float, clock: float | None, processor: float | None, says: str
) -> None:
    line = {"exponent": clock, "cpu_exponent": processor, "largest_two": 1.0, "cpu_largest_two": 1.0}
    assert verdict(longest, line) == says


def test_a_step_that_is_steep_at_the_end_only_is_not_called_plainly_ok() -> None:
    rows = [row("ours", "load", n, s) for n, s in ((100, 4.0), (200, 4.0), (400, 10.0))]
    (found,) = growth(rows)
    assert found["exponent"] < 1.1 < found["largest_two"]
    assert found["verdict"] == "ok, but the largest two above 1.1 by the clock and processor time"


def test_the_growth_of_the_plain_script_is_given_without_a_verdict() -> None:
    (found,) = growth([row("plain", "read", 100, 2.0), row("plain", "read", 200, 9.0)])
    assert found["exponent"] > 2
    assert found["verdict"] == ""


def test_growth_leaves_out_a_step_that_was_measured_once_only() -> None:
    rows = [
        row("ours", "load", 100, 2.0),
        row("ours", "load", 200, 8.0),
        row("ours", "rfm", 100, 1.0),
        row("ours", "rfm", 200, 0.0, status="stopped"),
    ]
    (found,) = growth(rows)
    assert (found["step"], found["exponent"], found["verdict"]) == ("load", pytest.approx(2.0), "DEFECT")


def test_ratios_add_up_the_steps_of_ours_that_do_the_work_of_one_of_theirs() -> None:
    rows = [
        row("ours", "offers.train", 100, 3.0),
        row("ours", "offers", 100, 1.0),
        row("plain", "offers", 100, 2.0),
    ]
    (found,) = ratios(rows)
    assert (found["our_seconds"], found["their_seconds"], found["seconds_ratio"]) == (4.0, 2.0, 2.0)
    assert ratios([*rows[1:]]) == [], "a part of ours is no basis for a ratio"


def test_the_harness_itself_loads_nothing_heavy() -> None:
    """A process begins with the peak memory of the one that started it."""
    import subprocess

    heavy = "{'pandas', 'numpy', 'duckdb', 'pyarrow', 'xgboost'}"
    code = f"import sys, benchmarks.run; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=run.ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
