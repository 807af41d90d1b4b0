"""How many single records does the record store write and read in a second, and what does bare sqlite3 do?

Durable writes: each `add` is a transaction of its own, flushed to the disk (synchronous FULL). The bare side
makes the same inserts of the same values, one a transaction, with the same settings and nothing else: no
validation, no versions, no change numbers. Reads are `get` by id, in random order. Both sides take turns, in
rounds; the median round counts. On a busy machine the rates by processor time (of this process, all of the
kernel's work for it included) say more than those by the clock. With --url also a store in PostgreSQL.

    python -m benchmarks.records --folder out/bench
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from crm_analytics.records import RecordStore

WRITES, READS, ROUNDS, SEED = 1000, 5000, 5, 7
LIMITS = {"durable writes": 1000, "reads": 10_000}
Rates = tuple[float, float]
CUSTOMER = {"name": "Ada Byron", "email": "ada@example.com", "city": "London", "country": "GB"}


def rate(count: int, work: Callable[[], None]) -> Rates:
    """Return how many a second, by the clock and by processor time."""
    began, processor = time.perf_counter(), time.process_time()
    work()
    return count / (time.perf_counter() - began), count / (time.process_time() - processor)


def ours(place: str, ids: list[str], reads: list[str]) -> tuple[Rates, Rates]:
    """Write and read by the record store; records of earlier rounds are there already."""
    with RecordStore.open(place) as records:

        def write() -> None:
            for name in ids:
                records.customers.add(CUSTOMER | {"source_id": name})

        def read() -> None:
            for name in reads:
                records.customers.get(name)

        return rate(len(ids), write), rate(len(reads), read)


def bare(path: Path, ids: list[str], reads: list[str]) -> tuple[Rates, Rates]:
    """Write and read by sqlite3 alone, with the same durability."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(
        "create table if not exists customers (id text primary key, name, email, city, country)"
    )

    def write() -> None:
        for name in ids:
            connection.execute("insert into customers values (?, ?, ?, ?, ?)", (name, *CUSTOMER.values()))

    def read() -> None:
        for name in reads:
            connection.execute("select * from customers where id = ?", (name,)).fetchone()

    try:
        return rate(len(ids), write), rate(len(reads), read)
    finally:
        connection.close()


def measure(folder: Path, url: str | None) -> dict[str, object]:
    """Run all rounds; return the medians and their ratio."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("records_bench*"):
        old.unlink()
    sides: dict[str, Callable[[list[str], list[str]], tuple[Rates, Rates]]] = {
        "record store": lambda ids, reads: ours(str(folder / "records_bench.db"), ids, reads),
        "bare sqlite3": lambda ids, reads: bare(folder / "records_bench_bare.db", ids, reads),
    }
    if url is not None:
        sides["record store in PostgreSQL"] = lambda ids, reads: ours(url, ids, reads)
    draw = random.Random(SEED)
    told: dict[str, list[tuple[Rates, Rates]]] = {name: [] for name in sides}
    for number in range(ROUNDS):
        ids = [f"{number}-{place}" for place in range(WRITES)]
        reads = draw.choices(ids, k=READS)
        for name, side in sides.items():
            told[name].append(side(ids, reads))
    medians, processor = (
        {
            name: {
                kind: round(statistics.median(rates[place][clock] for rates in rounds))
                for place, kind in enumerate(LIMITS)
            }
            for name, rounds in told.items()
        }
        for clock in (0, 1)
    )
    ratios = {
        kind: round(medians["record store"][kind] / medians["bare sqlite3"][kind], 3) for kind in LIMITS
    }
    return {
        "per second, median of rounds": medians,
        "per processor second": processor,
        "load of the machine": os.getloadavg()[0],
        "record store / bare sqlite3": ratios,
        "rounds": ROUNDS,
        "writes per round": WRITES,
        "reads per round": READS,
        "sqlite": sqlite3.sqlite_version,
        "python": platform.python_version(),
        "limits": LIMITS,
    }


def main() -> int:
    """Print and keep the figures; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description="Speed of single records.")
    parser.add_argument("--folder", type=Path, default=Path("out/bench"))
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "records.json")
    parser.add_argument("--url", help="PostgreSQL database to measure too")
    given = parser.parse_args()
    figures = measure(given.folder, given.url)
    text = json.dumps(figures, indent=1) + "\n"
    given.results.write_text(text, encoding="utf-8")
    Console().print(text, highlight=False, markup=False)
    medians = figures["per second, median of rounds"]
    assert isinstance(medians, dict)
    return int(any(medians["record store"][kind] < limit for kind, limit in LIMITS.items()))


if __name__ == "__main__":
    raise SystemExit(main())
