"""How does an earlier run become the live one again?  The pointer moves back; no run is written or removed.

The run that is taken back stays among the kept ones until later nights push it out, so one can go forward
to it again. Who did it, from which run to which and why is in the audit log (`crm_analytics.verify_audit`).
The night after compares with the run that is live then, and publishes its own as always.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from crm_analytics.errors import StoreCorrupt, UsageError
from crm_analytics.warehouse.audit_log import record
from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.locking import FileLock
from crm_analytics.warehouse.publish import POINTER, _disk_errors, _json, _pointer
from crm_analytics.warehouse.whole_files import write_whole


@dataclass(frozen=True)
class KeptRun:
    """A published run that is still there.

    Attributes
    ----------
    run_id : str
        Its name.
    as_of : date
        First day it has not seen.
    is_live : bool
        Readers get this one.
    folder : pathlib.Path
        Its files.
    """

    run_id: str
    as_of: date
    is_live: bool
    folder: Path


def kept_runs(folder: str | os.PathLike[str]) -> tuple[KeptRun, ...]:
    """Return the published runs that are kept, oldest first (by as_of, then name); empty before the first.

    Parameters
    ----------
    folder : path
        The published folder.

    Examples
    --------
    >>> kept_runs("no/such/folder")
    ()
    """
    pointer = _pointer(Path(folder))
    if pointer is None:
        return ()
    found = []
    for run_id in (pointer["run_id"], *pointer["earlier"]):
        path = Path(folder) / "runs" / run_id
        told = json.loads((path / "run.json").read_text(encoding="utf-8"))
        found.append(KeptRun(run_id, date.fromisoformat(told["as_of"]), run_id == pointer["run_id"], path))
    return tuple(sorted(found, key=lambda run: (run.as_of, run.run_id)))


def roll_back(
    wh: Warehouse, folder: str | os.PathLike[str], run_id: str | None = None, *, reason: str
) -> KeptRun:
    """Make a kept run the live one; readers see one whole run or the other, and wait for nobody.

    Parameters
    ----------
    wh : Warehouse
        Whose audit log remembers it.
    folder : path
        The published folder.
    run_id : str, optional
        Which run; default: the one before the live one.
    reason : str
        Why, in words, without personal values: it stays in the audit log.

    Returns
    -------
    KeptRun
        The run that is live now.

    Raises
    ------
    UsageError
        Nothing is published, the run is not kept or is live already, or no reason is given.
    StoreCorrupt
        A file of the run is not what was published; the pointer stays where it was.

    Examples
    --------
    >>> roll_back(Warehouse.open(), "no/such/folder", reason="the rates of a currency were wrong")
    Traceback (most recent call last):
    ...
    crm_analytics.errors.UsageError: no/such/folder: nothing is published there yet, so there is no run to ...
    """
    if not reason.strip():
        raise UsageError("Say why the run is taken back: --reason 'what was wrong with it'.")
    target = Path(folder)
    if not (target / POINTER).exists():
        raise UsageError(f"{target}: nothing is published there yet, so there is no run to go back to.")
    with _disk_errors(target):
        lock = FileLock(target / POINTER)
        try:
            runs = kept_runs(target)
            [live] = [run for run in runs if run.is_live]
            chosen = _chosen(runs, live, run_id)
            _check_whole(chosen)
            others = [run.run_id for run in reversed(runs) if run.run_id != chosen.run_id]
            moved = {"run_id": chosen.run_id, "as_of": chosen.as_of.isoformat(), "earlier": others}
            # first the log: a pointer that moved without a word would be worse than a word too many
            record(wh, "roll back", chosen.run_id, taken_back=live.run_id, reason=reason.strip())
            write_whole(target / POINTER, _json(moved))
        finally:
            lock.release()
    return KeptRun(chosen.run_id, chosen.as_of, True, chosen.folder)


def _chosen(runs: tuple[KeptRun, ...], live: KeptRun, run_id: str | None) -> KeptRun:
    names = ", ".join(run.run_id for run in runs if not run.is_live) or "none"
    if run_id == live.run_id:
        raise UsageError(f"{run_id} is live already. Other runs that are kept: {names}.")
    before = runs[: runs.index(live)]
    wanted = before[-1:] if run_id is None else [run for run in runs if run.run_id == run_id]
    if not wanted:
        what = f"no run before {live.run_id}" if run_id is None else f"no run {run_id!r}"
        raise UsageError(f"{what} is kept. Other runs that are kept: {names}.")
    return wanted[0]


def _check_whole(run: KeptRun) -> None:
    told = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    for file in told["files"].values():
        path = run.folder / file["file"]
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
            raise StoreCorrupt(
                f"{path.name} of run {run.run_id} is missing or not what was published; the live run stays. "
                "Choose another run."
            )
