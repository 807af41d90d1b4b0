"""What if a process dies while a checkpoint overwrites a block?  Such blocks are kept beside the file before.

DuckDB writes a checkpoint to free blocks, and then switches the header of the file. But a block of metadata
that has room left is overwritten where it is: half a write (a power cut, a kill) makes the old state
unreadable as well, although its log is whole. So the blocks that the next checkpoint may overwrite are copied
to ``<warehouse>.blocks``. An opening that finds the header of then puts back what differs, and DuckDB goes on
from the old state and its log; where the header has moved on, the checkpoint was complete.

The file is read through DuckDB's own descriptor: to open and close it here would drop DuckDB's lock. Where a
system does not tell descriptors (/proc), nothing is kept.
Units: offsets and sizes in bytes; a file has three headers of 4,096, then blocks of 262,144.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from crm_analytics.errors import StoreIOError
from crm_analytics.warehouse.whole_files import write_whole

HEADERS, BLOCK = 3 * 4096, 262_144
OVERWRITABLE = "select block_id from pragma_metadata_info() where free_blocks > 0 order by block_id"
_DESCRIPTORS = Path("/proc/self/fd")
_DIGEST, _NUMBER = 32, 8


class CheckpointGuard:
    """The kept blocks of one warehouse file that is open for writing.

    Parameters
    ----------
    warehouse : pathlib.Path
        The file (resolved: a symlink shares them).
    """

    def __init__(self, warehouse: Path) -> None:
        self._warehouse = warehouse.resolve()
        self._descriptor: int | None = None
        self._kept = b""

    def keep(self, overwritable: Callable[[], list[int]]) -> None:
        """Copy the blocks that the next checkpoint may overwrite, if there was one since the last time.

        A disk that refuses does not stop what is under way: nothing is kept then.
        """
        with suppress(OSError):
            descriptor = self._own_descriptor()
            if descriptor is None or os.pread(descriptor, HEADERS, 0) == self._kept:
                return
            numbers = overwritable()
            content = _content(descriptor, numbers)
            # another thread may be in the middle of a checkpoint: the next commit keeps them
            if content == _content(descriptor, numbers):
                write_whole(blocks_path(self._warehouse), hashlib.sha256(content).digest() + content)
                self._kept = content[:HEADERS]

    def _own_descriptor(self) -> int | None:
        """Return the descriptor by which DuckDB has the file open."""
        known = self._warehouse.stat()
        if self._descriptor is not None:
            with suppress(OSError):
                if os.path.samestat(os.fstat(self._descriptor), known):
                    return self._descriptor
        self._descriptor = None
        for name in os.listdir(_DESCRIPTORS):
            with suppress(OSError):
                if os.path.samestat(os.fstat(int(name)), known):
                    self._descriptor = int(name)
        return self._descriptor


def put_back(warehouse: Path) -> int:
    """Undo a checkpoint that was cut short, before the file is opened; return the number of blocks put back.

    Raises
    ------
    StoreIOError
        The disk refused.
    """
    try:
        kept = blocks_path(warehouse).read_bytes()
    except OSError:
        return 0
    content = kept[_DIGEST:]
    if hashlib.sha256(content).digest() != kept[:_DIGEST]:
        return 0
    try:
        with warehouse.open("r+b") as file:
            if file.read(HEADERS) != content[:HEADERS]:
                return 0
            changed = 0
            for at in range(HEADERS, len(content), _NUMBER + BLOCK):
                offset = HEADERS + BLOCK * int.from_bytes(content[at : at + _NUMBER], "little")
                block = content[at + _NUMBER : at + _NUMBER + BLOCK]
                file.seek(offset)
                if file.read(BLOCK) != block:
                    file.seek(offset)
                    file.write(block)
                    changed += 1
            if changed:
                file.flush()
                os.fsync(file.fileno())
            return changed
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreIOError(
            f"{warehouse}: a checkpoint that was cut short could not be undone ({error.strerror}). Mend the "
            "disk and open it again."
        ) from error


def blocks_path(warehouse: Path) -> Path:
    """Return where the kept blocks of a warehouse file are."""
    return Path(f"{warehouse.resolve()}.blocks")


def _content(descriptor: int, numbers: list[int]) -> bytes:
    parts = [os.pread(descriptor, HEADERS, 0)]
    for number in numbers:
        block = os.pread(descriptor, BLOCK, HEADERS + BLOCK * number)
        if len(block) == BLOCK:  # else it is not written yet
            parts += [number.to_bytes(_NUMBER, "little"), block]
    return b"".join(parts)
