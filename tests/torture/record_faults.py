"""Which state of a record store is left when the disk fails at the k-th call?  A sweep over every call.

Each trial is a forked child (`tests.torture.disk_faults`) that opens a copy of a store of five records, makes
four changes and acknowledges each; the store is then opened without faults: it must hold every acknowledged
change, at most one more, and verify as whole.

    python -m tests.torture.record_faults FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from crm_analytics.errors import StoreError
from crm_analytics.records import RecordStore
from tests.torture.disk_faults import MODES, acknowledge, compiled, in_fork

CHANGES = 4
OLD = [f"old{number}" for number in range(5)]
OURS = ("StoreIOError", "DiskFullError", "StoreError", "StoreBusy", "StoreCorrupt", "StoreRolledBack")


def run_sweep(folder: Path, *, step: int) -> dict[str, dict[str, int]]:
    """Run the sweep in a process with the shim; fail at every `step`-th call. No compiler: no result."""
    shim = compiled(folder)
    if shim is None:
        return {}
    command = [sys.executable, "-m", "tests.torture.record_faults", str(folder), str(step)]
    done = subprocess.run(
        command,
        env={**os.environ, "LD_PRELOAD": str(shim)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    counts: dict[str, dict[str, int]] = json.loads(done.stdout)
    return counts


def sweep(folder: Path, step: int) -> dict[str, dict[str, int]]:
    """Fail at every `step`-th call in every mode; return what came of it, by mode."""
    prepared, path = folder / "prepared.db", folder / "trials" / "a.db"
    with RecordStore.open(prepared) as store:
        store.tasks.add_many([{"source_id": name} for name in OLD])

    def start_over() -> None:
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        for ending in ("", ".mark"):
            shutil.copy(f"{prepared}{ending}", f"{path}{ending}")

    def work() -> None:
        with RecordStore.open(path, wait_seconds=1) as store:
            for number in range(CHANGES):
                parts = 3 if number == 2 else 1
                rows = [{"source_id": f"{number}-{part}", "reason": "x" * 4000} for part in range(parts)]
                store.tasks.add_many(rows)
                acknowledge(str(number))

    start_over()
    calls = in_fork(work, only=str(path))["calls"]
    results = {}
    for offset, mode in enumerate(MODES):
        count: Counter[str] = Counter(calls=calls)
        for at in range(1 + offset % step, calls + 1, step):
            start_over()
            trial = in_fork(work, at=at, mode=mode, only=str(path))
            count["trials"] += 1
            count["deaths"] += trial["died"]
            if trial["error"] is not None:
                count["errors of ours" if trial["error"][0] in OURS else "foreign errors"] += 1
                count["disk full"] += trial["error"][0] == "DiskFullError"
            count.update(_judged(path, set(trial["told"])))
        results[mode] = dict(count)
    return results


def _judged(path: Path, acknowledged: set[str]) -> Counter[str]:
    """Return what is wrong with the store that a trial left."""
    try:
        with RecordStore.open(path) as store:
            held = {record.id for record in store.tasks.find()}
            store.verify()
    except StoreError:
        return Counter({"does not open": 1})
    done = {name.partition("-")[0] for name in held if name not in OLD}
    return Counter(
        {
            "lost": len(acknowledged - done) + len(set(OLD) - held),
            "torn": sum(name.startswith("2-") for name in held) not in (0, 3),
            "unannounced": len(done - acknowledged) > 1,
        }
    )


if __name__ == "__main__":
    given = Path(sys.argv[1])
    if "LD_PRELOAD" in os.environ:
        sys.stdout.write(json.dumps(sweep(given, int(sys.argv[2]))))
    else:
        sys.stdout.write(json.dumps(run_sweep(given, step=1), indent=1) + "\n")
