"""Is `sync` exact when either side is killed at any moment?  Kills with SIGKILL, then compares every version.

A writer changes a record store (adds, updates, deletes, erases) while another process syncs it into a
warehouse file again and again; at a random moment one of them is killed and started anew. In the end one more
sync is made, and the warehouse must hold each version of the store exactly once, in the same state, with a
ledger that balances.

    python -m tests.torture.sync_kills FOLDER KILLS SEED [URL of an empty PostgreSQL database]
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from crm_analytics.errors import StoreBusy
from crm_analytics.ingest.sync import sync
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import changes
from crm_analytics.warehouse import Warehouse

_COMPARED = ("change_number", "source_id", "status", "is_deleted", "modified_at", "created_at")


def write_on(place: str, seed: int) -> None:
    """Change records until killed."""
    draw = random.Random(seed)
    with RecordStore.open(place) as records:
        for number in range(1_000_000):
            name = f"{seed}-{number}"
            records.tasks.add({"source_id": name, "status": "open"})
            records.tasks.update(name, {"status": "done"})
            if draw.random() < 0.2:
                records.tasks.delete(name)
            if number % 40 == 39:
                records.erase({"tasks": [f"{seed}-{number - 7}"]})
            time.sleep(0.002)


def sync_on(place: str, warehouse: Path) -> None:
    """Sync until killed."""
    with RecordStore.open(place) as records:
        while True:
            try:
                with Warehouse.open(warehouse) as wh:
                    for _ in range(20):
                        sync(wh, records)
            except StoreBusy:  # the one that was killed a moment ago
                time.sleep(0.02)


def torment(folder: Path, *, kills: int, seed: int, place: str | None = None) -> dict[str, int]:
    """Kill `kills` times, compare; return counts."""
    place = place or str(folder / "a.records.db")
    warehouse = folder / "w.duckdb"
    RecordStore.open(place).close()
    Warehouse.open(warehouse).close()
    draw = random.Random(seed)
    running = {"writer": _fork(write_on, place, seed), "sync": _fork(sync_on, place, warehouse)}
    for number in range(kills):
        time.sleep(draw.uniform(0.2, 2.0))
        if draw.random() < 0.4:
            _kill(running["writer"])
            running["writer"] = _fork(write_on, place, seed + 1 + number)
        else:
            _kill(running["sync"])
            running["sync"] = _fork(sync_on, place, warehouse)
    time.sleep(1.5)
    for child in running.values():
        _kill(child)
    return _compared(place, warehouse) | {"kills": kills}


def _compared(place: str, warehouse: Path) -> dict[str, int]:
    columns = ["source_id", "status", "is_deleted", "valid_from"]
    with RecordStore.open(place) as records, Warehouse.open(warehouse) as wh:
        sync(wh, records)
        again = sync(wh, records)
        told = changes(records, "tasks", 0)
        expected = sorted(
            (number, name, status, deleted, modified or created)
            for number, name, status, deleted, modified, created in zip(
                *(told.column(column).to_pylist() for column in _COMPARED),
                strict=True,
            )
        )
        arrived = sorted(wh.rows(f"select record_number, {', '.join(columns)} from entities.tasks_versions"))
        unbalanced = wh.value(
            "select count(*) from ops.loads where rows_in <> rows_loaded + rows_merged + rows_quarantined"
        )
        loads = wh.value("select count(*) from ops.loads")
        erased = wh.value("select count(*) from ops.erased_records")
        records.verify()
    return {
        "versions": len(expected),
        "syncs": int(loads),
        "erasures": int(erased),
        "missing": len(set(expected) - set(arrived)),
        "wrong": len(set(arrived) - set(expected)),
        "twice": len(arrived) - len(set(arrived)),
        "not idempotent": int(again.rows_in),
        "unbalanced": int(unbalanced),
    }


def _fork(work: Callable[..., None], *given: object) -> int:
    child = os.fork()
    if child == 0:
        try:
            work(*given)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    _, given, count, number, *url = sys.argv
    told = torment(Path(given), kills=int(count), seed=int(number), place=url[0] if url else None)
    sys.stdout.write(json.dumps(told) + "\n")
