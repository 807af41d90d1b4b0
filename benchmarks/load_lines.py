"""How much longer does a strict load take than a plain one, and how much memory?  The same order lines.

Ours: `crm.load` of a transactions file into a new warehouse file, with accounts, quarantine, versions and
their identities. Plain: ``create table as select * from read_csv(...)`` into a new DuckDB file, which checks
nothing and keeps no history. Each in a process of its own, one after the other, best of the repeats by
processor time; a thousandth of the records is made unsound, so that the quarantine has something to do.

    python -m benchmarks.load_lines                       # 2.4 million lines; writes results/load_lines.json
    python -m benchmarks.load_lines --customers 500000 --repeats 1 --folder out/bench-load
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.generate import generate

RESULTS = Path(__file__).parent / "results" / "load_lines.json"
UNSOUND_EVERY = 1000

_MEASURED = """
import json, resource, sys, time
wall, cpu = time.perf_counter(), time.process_time()
rows = run(sys.argv[1], sys.argv[2])
print(json.dumps({
    "seconds": round(time.perf_counter() - wall, 2),
    "cpu_seconds": round(time.process_time() - cpu, 2),
    "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "rows": rows,
}))
"""
_PLAIN = """
import duckdb

def run(file, store):
    with duckdb.connect(store) as connection:
        connection.execute("set enable_progress_bar = false").fetchall()
        connection.execute(
            "create table lines as select * from read_csv($file)", {"file": file}
        ).fetchall()
        return connection.execute("select count(*) from lines").fetchall()[0][0]
"""
_OURS = """
import crm_analytics as crm
import crm_analytics.ingest.load

def run(file, store):
    with crm.Warehouse.open(store) as wh:
        [account] = crm.load(wh, file, received_at="2025-07-02")
        assert account.rows_in == account.rows_loaded + account.rows_quarantined + account.rows_merged
        assert account.rows_quarantined > 0
        return account.rows_in
"""
SIDES = {"plain": _PLAIN + _MEASURED, "ours": _OURS + _MEASURED}


def make_unsound(file: Path) -> Path:
    """Write a copy in which every thousandth record has a currency that is none; return its path."""
    target = file.with_name("lines.csv")
    with (
        file.open(encoding="utf-8", newline="") as lines,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        for number, line in enumerate(lines):
            if number and number % UNSOUND_EVERY == 0:
                line = line.replace(",EUR", ",EURO")
            out.write(line)
    return target


def measure(side: str, file: Path, folder: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    store = folder / f"{side}.duckdb"
    for left in folder.glob(f"{side}.duckdb*"):
        left.unlink()
    done = subprocess.run(
        [sys.executable, "-c", SIDES[side], str(file), str(store)], capture_output=True, text=True, check=True
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) | {
        "store_mb": round(store.stat().st_size / 2**20)
    }
    store.unlink()
    return measured


def main() -> None:
    """Measure as the command line says, print and keep the figures."""
    parser = argparse.ArgumentParser(description="Measure loading order lines, strictly and plainly.")
    parser.add_argument("--customers", type=int, default=236_000, help="about ten lines each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("out/bench-load"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    file, _ = generate(given.folder, given.customers)
    file = make_unsound(file)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    load_before = os.getloadavg()[0]
    for _ in range(given.repeats):
        for side in SIDES:
            runs[side].append(measure(side, file, given.folder))
    best = {side: min(made, key=lambda one: one["cpu_seconds"]) for side, made in runs.items()}
    fastest = {side: min(one["seconds"] for one in made) for side, made in runs.items()}
    figures = {
        "file_mb": round(file.stat().st_size / 1e6),
        "lines": best["ours"]["rows"],
        "cpu_ratio": round(best["ours"]["cpu_seconds"] / best["plain"]["cpu_seconds"], 2),
        "wall_ratio": round(fastest["ours"] / fastest["plain"], 2),
        "peak_mb": max(one["peak_mb"] for one in runs["ours"]),
        "cores": os.cpu_count(),
        "load_before": round(load_before, 1),
        "runs": runs,
    }
    known = json.loads(given.results.read_text()) if given.results.is_file() else {}
    given.results.write_text(json.dumps(known | {str(figures["lines"]): figures}, indent=1) + "\n")
    Console().print({name: value for name, value in figures.items() if name != "runs"})


if __name__ == "__main__":
    main()
