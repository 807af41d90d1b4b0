"""What does one step cost?  Runs steps in this process and writes down seconds and memory.

Started by `benchmarks.run` as a process of its own, so that the peak memory (ru_maxrss, of the process since
it began) belongs to the step. One line of JSON per step:

    import_seconds    imports of what the step needs, made before it
    open_seconds      opening the warehouse (for the plain script 0)
    seconds           the step itself, including what it writes and closing the warehouse
    cpu_seconds       the same in processor time of all threads; on a busy machine the better figure
    start_mb          memory before the step, after the imports
    peak_mb           most memory until the end of the step
    rows              rows of the result

A step that exceeds the limit ends the process by SIGALRM: a long call into C cannot be asked to stop.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Work:
    """One step of a job.

    Attributes
    ----------
    run : callable
        Called with what `open` of its side gave; returns the number of rows it made.
    imports : tuple of str
        Modules it loads, imported before the clock starts.
    """

    run: Callable[[Any], int]
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """A way of doing the job: its steps by name, and what they share, opened for a folder."""

    steps: dict[str, Work]
    open: Callable[[Path], AbstractContextManager[Any]]


def measure(module: str, names: Sequence[str], folder: Path, limit_seconds: int, into: Path) -> None:
    """Run the named steps of ``SIDE`` in `module` in this process and append a line for each to `into`."""
    began = time.perf_counter()
    side: Side = importlib.import_module(module).SIDE
    for needed in (needed for name in names for needed in side.steps[name].imports):
        importlib.import_module(needed)
    imported = time.perf_counter()
    shared = side.open(folder)
    handed = shared.__enter__()
    opened = time.perf_counter()
    for place, name in enumerate(names):
        gc.collect()
        start_mb = _peak_mb()
        signal.alarm(limit_seconds)
        clock, processor = time.perf_counter(), time.process_time()
        rows = side.steps[name].run(handed)
        if place == len(names) - 1:
            shared.__exit__(None, None, None)
        seconds, cpu_seconds = time.perf_counter() - clock, time.process_time() - processor
        signal.alarm(0)
        line = {
            "step": name,
            "import_seconds": round(imported - began, 3) if place == 0 else 0.0,
            "open_seconds": round(opened - imported, 3) if place == 0 else 0.0,
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu_seconds, 3),
            "start_mb": round(start_mb),
            "peak_mb": round(_peak_mb()),
            "rows": rows,
        }
        with into.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


def _peak_mb() -> float:
    """Return the most memory this process has had; ru_maxrss is in KiB on Linux and in bytes on macOS."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Run the steps that the command line names."""
    parser = argparse.ArgumentParser(description="Run steps of a job in this process and measure them.")
    parser.add_argument("side", help="module with the constant SIDE, for example benchmarks.job")
    parser.add_argument("folder", type=Path)
    parser.add_argument("into", type=Path)
    parser.add_argument("limit_seconds", type=int)
    parser.add_argument("steps", nargs="+")
    given = parser.parse_args()
    measure(given.side, given.steps, given.folder, given.limit_seconds, given.into)


if __name__ == "__main__":
    main()
