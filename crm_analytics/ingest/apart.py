"""How is a file read that may crash the reader?  In a process of its own, with bounded memory and time.

Engines that read data take them for well-meant: a crafted file may end the process. With ``isolate=True`` a
file is loaded by `crm_analytics.ingest.apart_child`, which gets the warehouse lent (the lock stays held all
the while) and answers in JSON. Where it dies, its transaction is gone with it, and the file is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crm_analytics import errors
from crm_analytics.warehouse import Warehouse

REASON = "reader_crashed"
# Address space, about twice what a load of any size takes (threads reserve much of it, so more by core);
# processor seconds, and more per megabyte.
MEMORY_BYTES, MEMORY_BYTES_PER_CORE = 4 * 1024**3, 512 * 1024**2
PROCESSOR_SECONDS, PROCESSOR_SECONDS_PER_MB = 120, 30
CHILD = "crm_analytics.ingest.apart_child"


def run_apart(wh: Warehouse, file: Path, name: str, call: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Load one file in a child process and return its accounts, as the child wrote them.

    Parameters
    ----------
    wh : Warehouse
        In a file, and in no transaction.
    file : pathlib.Path
        What to load.
    name : str
        By what it is called in accounts and messages.
    call : mapping
        How, in values that JSON knows.

    Raises
    ------
    FileRefused
        ``reader_crashed``: the child died; the warehouse is as it was. Or what the child refused.
    CrmError
        Whatever the load raised.
    """
    seconds = PROCESSOR_SECONDS + PROCESSOR_SECONDS_PER_MB * file.stat().st_size // 1024**2
    with wh.lent() as lent:
        request = {
            "warehouse": lent,
            "file": os.fspath(file.absolute()),
            "name": name,
            "call": dict(call),
            "memory_bytes": MEMORY_BYTES + MEMORY_BYTES_PER_CORE * (os.cpu_count() or 1),
            "processor_seconds": seconds,
        }
        # -P: nothing is imported from the folder that we happen to be in
        child = subprocess.run(
            [sys.executable, "-P", "-m", CHILD],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(lent["lock_descriptor"],),
            check=False,
        )
    if child.returncode:
        raise _crashed(name, _how(child.returncode, seconds))
    answer = json.loads(child.stdout)
    if "failed" in answer:
        raise _crashed(name, f"failed with {answer['failed']}")
    if "error" in answer:
        raise _error(answer["error"])
    loads: list[dict[str, Any]] = answer["loads"]
    return loads


def _how(code: int, seconds: int) -> str:
    if code == -signal.SIGXCPU:
        return f"needed more than {seconds:,} seconds of processor"
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _crashed(name: str, how: str) -> errors.FileRefused:
    return errors.FileRefused(
        f"{name}: the process that loaded it {how}; the warehouse is as it was. Look where the file comes "
        "from, export it again, and do not load it without isolate.",
        file=name,
        reason=REASON,
    )


def _error(told: Mapping[str, Any]) -> errors.CrmError:
    kind: type[errors.CrmError] = getattr(errors, told["class"])
    error: errors.CrmError = kind(told["message"], **told["attributes"])
    return error
