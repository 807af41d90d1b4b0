"""What does a process see whose disk fails on the n-th call?  The shim `disk_faults.c`, and forks under it.

A runner is started once with the shim preloaded; for every case it forks, so that a case costs what it does
and not another start of Python.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# name -> (mode of disk_faults.c, errno)
MODES = {
    "input/output error once": (1, errno.EIO),
    "disk full from then on": (2, errno.ENOSPC),
    "half a write, then death": (3, 0),
    "death before the call": (4, 0),
}


def compiled(folder: Path) -> Path | None:
    """Compile the shim; None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    target = folder / "disk_faults.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(target), str(source), "-ldl"], check=True)
    return target


def in_fork(work: Callable[[], Any], *, at: int = 0, mode: str = "", only: str = "") -> dict[str, Any]:
    """Run `work` in a child whose `at`-th call on files named `only` fails (0 = count only).

    Returns ``result`` (what work returned), ``error`` (class name and text, or None), ``calls`` (counted) and
    ``died`` (the child ended before it could say so). What work handed to `acknowledge` is in ``told``.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _tell.append(writing)
        number, code = MODES.get(mode, (0, 0))
        faults = ctypes.CDLL(None)
        said: dict[str, Any] = {"result": None, "error": None}
        try:
            faults.faults_set(ctypes.c_long(at), number, code, only.encode())
            said["result"] = work()
        except BaseException as error:
            said["error"] = [type(error).__name__, str(error), traceback.format_exc()]
        said["calls"] = faults.faults_count()
        _say(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = [json.loads(line) for line in pipe if line.endswith("\n")]
    os.waitpid(child, 0)
    told = [line["told"] for line in lines if "told" in line]
    last = next((line for line in lines if "calls" in line), None)
    return {"told": told, "died": last is None} | (last or {"result": None, "error": None, "calls": None})


def acknowledge(what: Any) -> None:
    """Tell the parent, at once, what was done: it must be found afterwards."""
    _say({"told": what})


_tell: list[int] = []


def _say(what: dict[str, Any]) -> None:
    os.write(_tell[0], (json.dumps(what) + "\n").encode())
