"""How long does it take to see everything of one customer, in the warehouse and in the published copy?

A warehouse of generated customers (about ten order lines each), then look-ups of customers drawn by seed,
each by id, by e-mail and by phone; the first of each kind is left out, as a server would warm up.

    python -m benchmarks.customer_view --customers 100000
    python -m benchmarks.customer_view --customers 1000000 --folder out/view    # keeps the warehouse

Figures are printed and merged into `results/customer_view.json`. Wall seconds, and processor seconds of all
threads, which on a busy machine are the better figure.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import crm_analytics as crm
from benchmarks.generate import generate
from crm_analytics.reports.customer_360 import lay_out
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.publish import publish

RESULTS = Path(__file__).parent / "results" / "customer_view.json"
AS_OF = date(2025, 7, 1)
LIMITS_MS = {"published": 50.0, "warehouse": 300.0}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--look-ups", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=None, help="where to keep the warehouse")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as passing:
        figures = measure(given.folder or Path(passing), given.customers, given.look_ups)
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    # a warehouse that was kept is not published again: the seconds stay
    kept[str(given.customers)] = kept.get(str(given.customers), {}) | figures
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(folder: Path, customer_count: int, look_ups: int) -> dict[str, Any]:
    """Return the figures of one size."""
    folder.mkdir(parents=True, exist_ok=True)
    path, published = folder / f"view-{customer_count}.duckdb", folder / f"view-{customer_count}-published"
    figures: dict[str, Any] = {"customers": customer_count, "look_ups": look_ups, "cores": os.cpu_count()}
    with Warehouse.open(path, reporting_currency="EUR") as wh:
        if not wh.value("select count(*) from ops.loads"):
            _load(wh, folder, customer_count)
        figures["order_lines"] = wh.value("select count(*) from entities.order_lines_versions")
        if not published.exists():
            began = time.perf_counter()
            publish(
                wh,
                published,
                "run-1",
                {"scores.customer_scores": ("customer_id",)},
                as_of=AS_OF,
                made_from={},
                lay_out=lambda whole, copy: lay_out(whole, copy, as_of=AS_OF),
            )
            figures["publish_seconds"] = round(time.perf_counter() - began, 1)
        asked = _asked(wh, look_ups)
        figures["warehouse"] = {kind: _timed(wh, values) for kind, values in asked.items()}
    with crm.open_published(published) as copy:
        figures["published"] = {kind: _timed(copy, values) for kind, values in asked.items()}
    figures["limits_ms"] = LIMITS_MS
    figures["load_average"] = round(os.getloadavg()[0], 1)
    return figures


def _load(wh: Warehouse, folder: Path, customer_count: int) -> None:
    transactions, customers = generate(folder / "exports", customer_count)
    people = pd.read_csv(customers, dtype=str)
    numbers = people["customer_id"].str[1:].astype(int)
    people["email"] = "customer" + numbers.astype(str) + "@example.com"
    people["phone"] = "+4930" + (23_000_000 + numbers).astype(str)
    people.to_csv(customers, index=False)
    for file in (customers, transactions):
        [loaded] = crm.load(wh, file, received_at="2025-07-01")
        if loaded.trouble:
            raise SystemExit(loaded.trouble)


def _asked(wh: Warehouse, look_ups: int) -> dict[str, list[str]]:
    """Draw customers for each way of asking: others, so that none finds what another has read already."""
    rows = wh.rows("select source_id, email, phone from entities.customers_versions order by source_id")
    rng = np.random.default_rng(7)
    kinds = ("id", "email", "phone")
    drawn = rng.choice(len(rows), (len(kinds), look_ups + 1), replace=False)
    return {kind: [rows[at][place] for at in drawn[place].tolist()] for place, kind in enumerate(kinds)}


def _timed(wh: Warehouse, values: Sequence[str]) -> dict[str, float]:
    """Return milliseconds per look-up; the first is not counted."""
    spent = [_clocks(partial(crm.customer, wh, value, as_of=AS_OF)) for value in values][1:]
    walls, cpus = [[1000 * pair[place] for pair in spent] for place in (0, 1)]
    return {
        "median_ms": round(statistics.median(walls), 1),
        "min_ms": round(min(walls), 1),
        "max_ms": round(max(walls), 1),
        "median_processor_ms": round(statistics.median(cpus), 1),
    }


def _clocks(call: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    raise SystemExit(main())
