"""Did a file stay as it was while it was read?  `check_still`: a file that is written to is not loaded.

An export may still be running, or a synchronised folder may replace a file, while it is read block by block:
what was read then is neither the one file nor the other. Size, times of change and identity of the file are
compared at the end with what they were before its first byte was read. (Times as the file system keeps them:
a rewrite of the same length within its resolution, some milliseconds as a rule, is not seen.)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crm_analytics.errors import FileRefused


@dataclass(frozen=True)
class FileState:
    """What of a file changes whenever it is written to or replaced; times in nanoseconds."""

    size: int
    modified: int
    changed: int
    identity: tuple[int, int]


def state_of(path: Path) -> FileState | None:
    """Return the present state of a file; None when it cannot be looked at.

    Examples
    --------
    >>> state_of(Path(__file__)) == state_of(Path(__file__))
    True
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns, found.st_ctime_ns, (found.st_dev, found.st_ino))


def check_still(path: Path, before: FileState | None, *, file: str) -> None:
    """Refuse a file that is not as it was.

    Parameters
    ----------
    path : pathlib.Path
        Where it lies.
    before : FileState | None
        Its state before it was read.
    file : str
        Name for the message.

    Raises
    ------
    FileRefused
        ``file_changed``.
    """
    if state_of(path) != before:
        raise FileRefused(
            f"{file}: the file was written to or replaced while it was read, so nothing of it was loaded. "
            "Wait until its export has ended, then load it again.",
            file=file,
            reason="file_changed",
        )
