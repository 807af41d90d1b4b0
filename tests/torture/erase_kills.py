"""Is an erasure that is killed at a random moment finished by whoever opens the warehouse next?

A warehouse holds a person in every text column and in a published run; a process erases the person and gets
SIGKILL. Then the warehouse is opened again and what is noted is finished: no byte of the folder may hold the
person, and nobody else may be gone.

    python -m tests.torture.erase_kills FOLDER KILLS SEED
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from crm_analytics.privacy.erasure import erase, finish_erasures
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.publish import publish
from tests.privacy.test_erase import PERSON, fill, holding

CUSTOMER = f"default:{PERSON}-customers-1"
CHILD = """
import sys
import crm_analytics as crm
print("ready", flush=True)
with crm.Warehouse.open(sys.argv[1] + "/crm.duckdb") as wh:
    crm.erase(wh, sys.argv[2], published=sys.argv[1] + "/published")
print("done", flush=True)
"""


def torment(folder: Path, *, kills: int, seed: int) -> dict[str, int]:
    """Kill `kills` erasures, finish each; return counts. `left` and `others lost` must be 0."""
    made, inbox = folder / "made", folder / "inbox"
    for one in (made, inbox):
        one.mkdir(parents=True)
    with Warehouse.open(made / "crm.duckdb") as wh:
        fill(wh, inbox)
        publish(wh, made / "published", "run-1", {}, as_of=date(2025, 7, 1), made_from={})
        people = wh.value("select count(*) from entities.customers")
    draw = random.Random(seed)
    seconds = _erased(made, folder / "first", None)[1]
    counts = dict.fromkeys(("kills", "done", "finished", "not begun", "left", "others lost"), 0)
    for number in range(kills):
        store = folder / f"kill-{number}"
        said, _ = _erased(made, store, draw.uniform(0.0, seconds))
        counts["kills"] += 1
        with Warehouse.open(store / "crm.duckdb") as wh:
            due = finish_erasures(wh, published=store / "published")
            begun = bool(due) or wh.value("select count(*) from ops.erasures") > 0
            counts["done" if "done" in said else "finished" if begun else "not begun"] += 1
            if not begun:
                erase(wh, CUSTOMER, published=store / "published")
            counts["others lost"] += wh.value("select count(*) from entities.customers") != people - 2
        counts["left"] += bool(holding(store, PERSON))
        shutil.rmtree(store)
    return counts


def _erased(made: Path, store: Path, after_seconds: float | None) -> tuple[str, float]:
    """Erase in a copy, killed after so long (None: not at all); return what the process said, and seconds."""
    shutil.copytree(made, store)
    command = [sys.executable, "-c", CHILD, str(store), CUSTOMER]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    if after_seconds is not None:
        time.sleep(after_seconds)
        process.kill()
    said = process.communicate()[0]
    return said, time.monotonic() - began


if __name__ == "__main__":
    found = torment(Path(sys.argv[1]), kills=int(sys.argv[2]), seed=int(sys.argv[3]))
    print(json.dumps(found))  # noqa: T201
    sys.exit(bool(found["left"] or found["others lost"]))
