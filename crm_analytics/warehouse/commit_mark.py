"""Is the warehouse file as new as what was acknowledged?  The number of the last commit, kept beside it.

DuckDB opens a file whose write-ahead log was deleted or cut at an older state, and says nothing. So every
transaction takes the next number of a sequence inside the warehouse, and after its commit that number is
written to ``<warehouse>.commits``. A warehouse that is opened and holds a smaller number has lost
commits. A larger one is no fault: the process died between the commit and the mark.
"""

from __future__ import annotations

import threading
from pathlib import Path

from crm_analytics import errors
from crm_analytics.warehouse.whole_files import write_whole

SEQUENCE = "ops.commit_number"
TAKE_NUMBER = f"select nextval('{SEQUENCE}')"
LAST_NUMBER = (
    "select last_value from duckdb_sequences() "
    "where database_name = current_database() and schema_name = 'ops' and sequence_name = 'commit_number'"
)


class CommitMark:
    """The mark beside one warehouse file.

    Parameters
    ----------
    warehouse : pathlib.Path
        The warehouse file (resolved: a symlink shares the mark).
    """

    def __init__(self, warehouse: Path) -> None:
        self.path = mark_path(warehouse)
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._marked = self._read()

    def check(self, last: int) -> None:
        """Raise StoreRolledBack where the file holds fewer commits than were acknowledged."""
        if last < self._marked:
            raise errors.StoreRolledBack(
                f"{self._warehouse}: holds {last} commits, {self._marked} were acknowledged. Its write-ahead "
                f"log ({self._warehouse.name}.wal) was deleted or cut, or an older copy took its place. "
                f"Put the log back, or restore a backup. If the older state is meant, delete {self.path}."
            )

    def write(self, number: int) -> None:
        """Note that commit `number` was acknowledged."""
        with self._lock:
            if number > self._marked:
                write_whole(self.path, f"{number}\n".encode())
                self._marked = number

    def _read(self) -> int:
        try:
            return int(self.path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except ValueError as error:
            raise errors.StoreCorrupt(
                f"{self.path} is damaged: it should hold one number. Delete it if the warehouse is known to "
                "be whole, or restore a backup."
            ) from error


def mark_path(warehouse: Path) -> Path:
    """Return where the mark of a warehouse file is."""
    return Path(f"{warehouse.resolve()}.commits")
