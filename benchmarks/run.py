"""What does the whole job cost at several sizes, and how does the cost grow?  The harness of `make bench`.

Per size: data are generated (once per folder and seed), then every step of `benchmarks.job` runs in a process
of its own on the warehouse file, then all steps of `benchmarks.plain_script` in one process. A step over the
limit is stopped and reported. Steps that need what a failed one did not leave are reported as failed too.

    python -m benchmarks.run --sizes 20000,60000,200000 --folder out/bench
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import figures
from benchmarks.growth import growth, ratios

ROOT = Path(__file__).parents[1]
SIZES = (20_000, 60_000, 200_000)
SEED = 7
LIMIT_SECONDS = 600
OUR_STEPS = (
    "load", "rfm", "clv", "churn.train", "churn.score", "offers.train", "offers", "customer_scores", "audit",
    "publish", "report",
)  # fmt: skip
PLAIN_STEPS = ("read", "rfm", "clv", "churn.train", "churn.score", "offers", "write")
PACKAGES = (
    "crm_analytics",
    "duckdb",
    "lifetimes",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "xgboost",
)
# What must not be left of an earlier run; the generated data may stay.
_MADE = ("crm.duckdb", "crm.duckdb.wal", "churn.json", "offers.json", "report.html", "published")


def run(
    sizes: Sequence[int],
    folder: Path,
    *,
    on: date,
    console: Console,
    limit_seconds: int = LIMIT_SECONDS,
    together: bool = False,
) -> Iterator[dict[str, Any]]:
    """Measure all steps, and yield after each size the figures so far as plain JSON types.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of customers.
    folder : Path
        Where data and warehouses are made, one folder per size.
    on : date
        Date under which the result is kept.
    console : rich.console.Console
        Told what is going on.
    limit_seconds : int, default 600
        A step that takes longer is stopped.
    together : bool, default False
        Run all our steps in one process: quicker, but the peak memory is then that of all steps so far.
    """
    groups = [OUR_STEPS] if together else [(step,) for step in OUR_STEPS]
    load_before = os.getloadavg()[0]
    steps: list[dict[str, Any]] = []
    data = []
    for size in sorted(sizes):
        place = (folder / str(size)).resolve()
        data.append({**_data(place, size, console), "machine_load": round(os.getloadavg()[0], 1)})
        _clean(place)
        for group in groups:
            steps += _measured("ours", "benchmarks.job", group, place, size, limit_seconds, console)
        steps += _measured(
            "plain", "benchmarks.plain_script", PLAIN_STEPS, place, size, limit_seconds, console
        )
        yield {
            "date": on.isoformat(),
            "machine": _machine(load_before),
            "packages": {name: version(name) for name in PACKAGES},
            "seed": SEED,
            "sizes": [extent["customers"] for extent in data],
            "limit_seconds": limit_seconds,
            "data": list(data),
            "steps": list(steps),
            "growth": growth(steps),
            "ratios": ratios(steps),
        }


def _data(place: Path, size: int, console: Console) -> dict[str, Any]:
    """Generate the data of a size if they are not there, in a process of their own; return their extent."""
    transactions = place / "transactions.csv"
    if not transactions.is_file():
        console.print(f"{size:,} customers: generating", style="dim")
        making = place.with_name(f"{place.name}.part")
        command = [sys.executable, "-m", "benchmarks.generate", str(size), str(making), "--seed", str(SEED)]
        subprocess.run(command, cwd=ROOT, check=True)
        place.mkdir(parents=True, exist_ok=True)
        for made in making.iterdir():
            made.replace(place / made.name)
        making.rmdir()
    with transactions.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1
    return {"customers": size, "lines": lines, "bytes": transactions.stat().st_size}


def _clean(place: Path) -> None:
    for name in _MADE:
        path = place / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _measured(
    side: str,
    module: str,
    names: Sequence[str],
    place: Path,
    size: int,
    limit_seconds: int,
    console: Console,
) -> list[dict[str, Any]]:
    """Run steps in one process and return a row for each, also for those that did not come to their end."""
    into = place / "measured.jsonl"
    into.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "benchmarks.measure", module, str(place), str(into), str(limit_seconds), *names,
    ]  # fmt: skip
    # Threads that wait for each other by spinning cost seconds where the machine is shared.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    with console.status(f"{size:,} customers: {side} {', '.join(names)}"):
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
    written = into.read_text(encoding="utf-8").splitlines() if into.is_file() else []
    into.unlink(missing_ok=True)
    rows = [
        {"side": side, "customers": size, "status": "ok", "message": "", **json.loads(line)}
        for line in written
    ]
    for missing in names[len(rows) :]:
        status, message = _failure(ended, limit_seconds, is_first=missing == names[len(written)])
        rows.append({"side": side, "customers": size, "status": status, "message": message, "step": missing})
    for row in rows:
        cost = f"{row['seconds']:.1f} s, {row['peak_mb']:,} MB" if row["status"] == "ok" else row["message"]
        console.print(f"{size:,} customers: {side} {row['step']}: {cost}", style="dim", markup=False)
    return rows


def _failure(
    ended: subprocess.CompletedProcess[bytes], limit_seconds: int, *, is_first: bool
) -> tuple[str, str]:
    """Return status and message of a step that wrote no figures."""
    if not is_first:
        return "not run", "a step before it did not come to its end"
    if ended.returncode == -signal.SIGALRM:
        return "stopped", f"stopped after {limit_seconds} s"
    if ended.returncode < 0:
        return "failed", f"ended by signal {-ended.returncode}"
    said = ended.stderr.decode(errors="replace").strip().splitlines()
    return "failed", said[-1][:300] if said else f"exit code {ended.returncode}"


def _machine(load_before: float) -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Run the benchmark as the command line says; exit code 1 when a step has no figures."""
    parser = argparse.ArgumentParser(description="Seconds, memory and growth of every step of the job.")
    parser.add_argument(
        "--sizes",
        type=lambda text: tuple(int(part) for part in text.split(",")),
        default=SIZES,
        help="numbers of customers, for example 20000,60000,200000",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("out/bench"), help="data and warehouses are made here"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument(
        "--date", type=date.fromisoformat, help="date of the result, YYYY-MM-DD; default the day of the run"
    )
    parser.add_argument(
        "--limit-seconds", type=int, default=LIMIT_SECONDS, help="a step that takes longer is stopped"
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="all our steps in one process: quicker, memory only as a whole",
    )
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    made: dict[str, Any] = {"steps": []}
    for made in run(
        given.sizes,
        given.folder,
        on=given.date or datetime.now(tz=UTC).date(),
        console=console,
        limit_seconds=given.limit_seconds,
        together=given.together,
    ):
        figures.show(console, made)
        # after every size: a run that is broken off keeps what it had
        written = figures.write(made, given.results)
        console.print(f"written: {written[0]}, {written[1]}", markup=False)
    sys.exit(any(row["status"] != "ok" for row in made["steps"]))


if __name__ == "__main__":
    main()
