"""Who may write the warehouse?  One process at a time, by our own lock file.

DuckDB's own lock is lost as soon as the owning process opens and closes the database file for any
reason, and a second writer then overwrites acknowledged rows. ``flock`` on a separate file
(``<warehouse>.lock``) is not dropped that way. It holds who has it, so that a refused caller can
be told. The lock file itself is never deleted: deleting it would let two processes lock two files.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from crm_analytics.errors import StoreBusy, StoreIOError

_RETRY_SECONDS = 0.05


class FileLock:
    """An exclusive lock on ``<path>.lock``, held from construction until `release`.

    Parameters
    ----------
    path : pathlib.Path
        The warehouse file that is to be protected (resolved: a symlink shares the lock).
    wait_seconds : float, default 0
        How long to wait for another holder before StoreBusy.
    inherited : int, optional
        Descriptor of the lock, held by the process that started this one and lent to it.

    Attributes
    ----------
    descriptor : int
        Of the lock file.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 0.0, inherited: int | None = None) -> None:
        self.path = path.resolve()
        self._file = Path(f"{self.path}.lock")
        try:
            if inherited is None:
                inherited = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.descriptor = inherited
        except OSError as error:
            raise StoreIOError(
                f"{path}: the lock file beside it cannot be written ({error.strerror}). The warehouse needs "
                "a folder that you may write to: change its permissions, or choose another path."
            ) from error
        deadline = time.monotonic() + wait_seconds
        while not self._try():
            if time.monotonic() >= deadline:
                holder = self._holder()
                os.close(self.descriptor)
                raise StoreBusy(
                    f"{path}: in use by {holder}. Close it there, or wait (wait_seconds=...). "
                    "To read while the night runs, open the published copy: crm.open_published(...)."
                )
            time.sleep(_RETRY_SECONDS)
        self.sign()

    def release(self) -> None:
        """Give the lock back."""
        with suppress(OSError):  # the name of the holder is for people; closing is what gives the lock back
            os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def sign(self) -> None:
        """Write down who holds the lock."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        signature = {"process": os.getpid(), "user": getpass.getuser(), "since": since}
        with suppress(OSError):  # a full disk must not keep anybody from opening what is there
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, json.dumps(signature).encode(), 0)

    def _holder(self) -> str:
        try:
            found = json.loads(os.pread(self.descriptor, 4096, 0))
            return f"process {found['process']} of user {found['user']} since {found['since']}"
        except (ValueError, KeyError, TypeError):
            return "another process"
