"""Is there room on the disk for what is about to be loaded?  Asked before the first record is read.

A load that fills the disk is rolled back and told as such, but only after it has read for minutes.
"""

from __future__ import annotations

from pathlib import Path
from shutil import disk_usage

from crm_analytics.errors import DiskFullError
from crm_analytics.ingest.records import Part
from crm_analytics.warehouse import Warehouse

# The rows, the log of the transaction, and what is moved out of memory; the rest is for the database itself.
SPACE_PER_BYTE = 3
SPARE_BYTES = 64 * 1024 * 1024


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


def _megabytes(count: int) -> str:
    return f"{count / 1024**2:,.0f} MB"
