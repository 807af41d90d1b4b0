"""Is there room on the disk for what is about to be loaded?  Asked before the first record is read.

A load that fills the disk is rolled back and told as such, but only after it has read for minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import disk_usage

from crm_analytics.errors import DiskFullError
from crm_analytics.ingest.mapping import escaped
from crm_analytics.ingest.records import Part
from crm_analytics.warehouse import Warehouse

# The rows, the log of the transaction, and what is moved out of memory; the rest is for the database itself.
SPACE_PER_BYTE = 3
SPARE_BYTES = 64 * 1024 * 1024
LISTED_FILES = 20


def check_space(wh: Warehouse, part: Part) -> None:
    """Refuse to begin a load for which the disk of the warehouse is too full.

    Parameters
    ----------
    wh : Warehouse
        One in memory needs no disk.
    part : Part
        What is to be loaded. Its bytes are counted as they lie in the file: a packed one needs more.

    Raises
    ------
    DiskFullError
        Less is free than three times the bytes of the file and 64 MB.
    """
    if wh.path == ":memory:":
        return
    needed = SPACE_PER_BYTE * part.size + SPARE_BYTES
    free = disk_usage(Path(wh.path).resolve().parent).free
    if free < needed:
        raise DiskFullError(
            f"{part.name}: loading it needs about {_megabytes(needed)} on the disk of {Path(wh.path).name}, "
            f"where {_megabytes(free)} are free. Nothing of it was loaded: free some space and load it again."
        )


def folder_stopped(error: DiskFullError, names: Sequence[str]) -> DiskFullError:
    """Return the error of a folder: which of its files were not loaded, from the one that failed on.

    Examples
    --------
    >>> folder_stopped(DiskFullError("b.csv: no room."), ["b.csv", "c.csv"]).args[0]
    'b.csv: no room. Not loaded: b.csv, c.csv; the files before are. Load the folder again.'
    """
    told = ", ".join(escaped(name) for name in names[:LISTED_FILES])
    more = len(names) - LISTED_FILES
    told += f" and {more:,} more" if more > 0 else ""
    return DiskFullError(f"{error} Not loaded: {told}; the files before are. Load the folder again.")


def _megabytes(count: int) -> str:
    return f"{count / 1024**2:,.0f} MB"
