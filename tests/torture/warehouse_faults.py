"""Is what the warehouse acknowledged still there when its disk fails or its process is killed?

``python -m tests.torture.warehouse_faults`` sweeps every call of one load in every mode (`disk_faults`) and
kills loads at random moments; the tests run a part of it. After each fault the warehouse is opened again on a
sound disk: it must hold exactly the old state or exactly the new one, the new one if it was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.torture.disk_faults import MODES, acknowledge, compiled, in_fork

RECEIVED_AT = datetime(2025, 1, 1, tzinfo=UTC)
ROWS = 40
OURS = {"StoreIOError", "DiskFullError", "StoreCorrupt"}


def export(path: Path, name: str, rows: int = ROWS) -> Path:
    """Write an export of invented customers, every tenth of them broken."""
    lines = ["customer_id,name,email,country,created_at"]
    for number in range(rows):
        created = "no day" if number % 10 == 9 else f"2024-01-{number % 28 + 1:02d}"
        lines.append(f"{name}-{number},Customer {number},c{number}@example.com,DE,{created}")
    path.write_text("\n".join(lines) + "\n")
    return path


def load_one(store: Path, file: Path) -> None:
    """Load one file, say so, and close."""
    import crm_analytics as crm

    with crm.Warehouse.open(store) as wh:
        (load,) = crm.load(wh, file, received_at=RECEIVED_AT)
        acknowledge([load.file, load.rows_loaded, load.rows_quarantined])


def state(store: Path) -> dict[str, Any]:
    """Return what a warehouse holds: its loads, and rows of them in the entities and the quarantine."""
    import crm_analytics as crm

    with crm.Warehouse.open(store) as wh:
        return {
            "loads": [
                list(row)
                for row in wh.rows("select file, rows_loaded, rows_quarantined from ops.loads order by file")
            ],
            "customers": wh.value("select count(*) from entities.customers"),
            "loaded": wh.value("select coalesce(sum(rows_loaded), 0)::bigint from ops.loads"),
            "set_aside": wh.value("select count(*) from ops.quarantine"),
            "orphans": wh.value(
                "select count(*) from entities.customers_versions anti join ops.loads using (load_id)"
            )
            + wh.value("select count(*) from ops.quarantine anti join ops.loads using (load_id)"),
        }


def fault_sweep(
    folder: Path, *, step: int = 1, first: int = 1, timeout_seconds: float = 3600.0
) -> list[dict[str, Any]]:
    """Fail every `step`-th call of a load, in every mode; return one report per case."""
    shim = compiled(folder)
    assert shim is not None, "no C compiler"
    command = [sys.executable, "-m", "tests.torture.warehouse_faults", "--sweep-in", str(folder)]
    command += ["--step", str(step), "--first", str(first)]
    run = subprocess.run(
        command,
        env=os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout_seconds,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def _sweep_here(folder: Path, step: int, first: int) -> None:
    """Run the cases in forks of this process, which has the shim; print one JSON line each."""
    import crm_analytics.ingest.load
    import crm_analytics.warehouse.connection  # noqa: F401  (imported before the forks, once for all)

    old, new = export(folder / "old.csv", "old"), export(folder / "new.csv", "new")
    base = folder / "base"
    base.mkdir(mode=0o700)
    in_fork(lambda: load_one(base / "crm.duckdb", old))
    before = in_fork(lambda: state(base / "crm.duckdb"))["result"]
    calls, after = _case(base, folder / "case", new, at=0, mode="")
    done = after["state"]
    for mode in MODES:
        for at in range(first, calls["calls"] + 1, step):
            done_case, found = _case(base, folder / "case", new, at=at, mode=mode)
            report = done_case | found | {"mode": mode, "call": at, "calls": calls["calls"]}
            report["is_old"], report["is_new"] = found["state"] == before, found["state"] == done
            print(json.dumps(report), flush=True)  # noqa: T201


def _case(base: Path, case: Path, file: Path, *, at: int, mode: str) -> tuple[dict[str, Any], dict[str, Any]]:
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(base, case)
    store = case / "crm.duckdb"
    done = in_fork(lambda: load_one(store, file), at=at, mode=mode, only="crm.duckdb")
    again = in_fork(lambda: state(store))
    return done, {"state": again["result"], "opening": again["error"]}


def faults_of(report: dict[str, Any]) -> list[str]:
    """Return in words what a case of `fault_sweep` broke; empty = nothing."""
    broken = []
    if report["opening"]:
        broken.append(f"does not open: {report['opening'][:2]}")
    elif not (report["is_old"] or report["is_new"]):
        broken.append(f"neither old nor new: {report['state']}")
    elif report["told"] and not report["is_new"]:
        broken.append("acknowledged, and lost")
    if report["error"] and report["error"][0] not in OURS:
        broken.append(f"not an error of ours: {report['error'][:2]}")
    return broken


LOADER = """
import sys
from pathlib import Path
from tests.torture.warehouse_faults import export, RECEIVED_AT
import crm_analytics as crm
folder, first = Path(sys.argv[1]), int(sys.argv[2])
with crm.Warehouse.open(folder / "crm.duckdb") as wh:
    print("open", flush=True)
    for number in range(first, first + 1000):
        file = export(folder / f"{number}.csv", str(number))
        (load,) = crm.load(wh, file, received_at=RECEIVED_AT)
        print(load.load_id, flush=True)
        if number % 2:
            wh.execute("checkpoint")
"""


def kill_loads(folder: Path, *, kills: int, seed: int) -> dict[str, int]:
    """Kill a loop of loads `kills` times; return how many loads were acknowledged, and how many of them lost.

    After each kill ``torn`` counts loads whose rows are not all there or rows without their load.
    """
    import crm_analytics as crm

    draw = random.Random(seed)
    told: set[int] = set()
    counts = {"kills": 0, "acknowledged": 0, "lost": 0, "torn": 0, "unacknowledged": 0}
    for kill in range(kills):
        command = [sys.executable, "-c", LOADER, str(folder), str(1000 * kill)]
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        lines = [process.stdout.readline() for _ in range(draw.randint(0, 3))]
        time.sleep(draw.uniform(0.0, 0.7))
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].splitlines(keepends=True)
        counts["kills"] += 1
        told |= {int(line) for line in lines if line.endswith("\n")}
        with crm.Warehouse.open(folder / "crm.duckdb") as wh:
            kept = {load_id for (load_id,) in wh.rows("select load_id from ops.loads")}
            counts["torn"] += wh.value(
                "select count(*) from ops.loads as l where l.rows_loaded <> "
                "(select count(*) from entities.customers_versions as v where v.load_id = l.load_id) "
                "or l.rows_quarantined <> "
                "(select count(*) from ops.quarantine as q where q.load_id = l.load_id)"
            )
        counts["lost"] += len(told - kept)
        counts["unacknowledged"] = len(kept - told)
    counts["acknowledged"] = len(told)
    return counts


def main() -> None:
    """Run the whole sweep and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sweep-in", type=Path)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--kills", type=int, default=60)
    options = parser.parse_args()
    if options.sweep_in:
        _sweep_here(options.sweep_in, options.step, options.first)
        return
    folder = options.folder
    folder.mkdir(parents=True)
    reports = fault_sweep(folder, step=options.step)
    broken = [(report["mode"], report["call"], faults_of(report)) for report in reports if faults_of(report)]
    print(f"{len(reports)} faults injected, {len(broken)} broke something")  # noqa: T201
    for one in broken:
        print(*one)  # noqa: T201
    (folder / "kills").mkdir()
    print(kill_loads(folder / "kills", kills=options.kills, seed=1))  # noqa: T201


if __name__ == "__main__":
    main()
