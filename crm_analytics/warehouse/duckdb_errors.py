"""What did DuckDB mean?  Its errors, in our own classes and words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from crm_analytics import errors

# What DuckDB says of encrypted files -> what to do.
_KEYS = {
    "without a key": "The file is encrypted. Open it with encrypt=True, and its key in CRM_ANALYTICS_KEY",
    "is not encrypted": "The file is not encrypted, and stays so. Open it without encrypt",
    "Wrong encryption key": "The file is encrypted by another key than the one in CRM_ANALYTICS_KEY",
}


@contextmanager
def translated(
    too_small: str = "The memory limit is too small for this query",
    advice: str = "Open the warehouse with a larger memory_limit.",
) -> Iterator[None]:
    """Turn DuckDB's errors into ours, and its interrupt into the KeyboardInterrupt it was.

    Parameters
    ----------
    too_small, advice : str
        What to say, and to do, where memory did not suffice.
    """
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        if "Query interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise
    except duckdb.OutOfMemoryException as error:
        raise errors.OutOfMemoryError(f"{too_small}: {error}. {advice}") from error
    except (duckdb.IOException, duckdb.FatalException) as error:
        raise _io_error(str(error)) from error
    except duckdb.TransactionException as error:
        # a commit that the disk refused comes as an error of the transaction
        refused = "Could not write" in str(error) or "sync file" in str(error)
        raise (_io_error(str(error)) if refused else errors.StoreError(str(error))) from error
    except duckdb.NotImplementedException as error:
        raise errors.UsageError(
            f"{error}. Identities (row_id, content_id) are 128-bit numbers that pandas cannot hold: "
            "select hex(row_id) as row_id."
        ) from error
    except duckdb.Error as error:
        for said, meant in _KEYS.items():
            if said in str(error):
                raise errors.StoreError(f"{meant} ({error}).") from error
        # a wrong checksum has no class of its own
        is_damaged = str(error).startswith("Corrupt database file")
        raise (_io_error(str(error)) if is_damaged else errors.StoreError(str(error))) from error


def _io_error(text: str) -> errors.StoreError:
    if "No space left" in text:
        return errors.DiskFullError(f"The disk is full: {text}. Free some space and run the same call again.")
    if "orrupt" in text or "checksum" in text or "not a valid DuckDB" in text:
        return errors.StoreCorrupt(f"The warehouse file is damaged: {text}. Restore a backup.")
    if "Conflicting lock" in text or "already open" in text:
        return errors.StoreBusy(f"Another process holds the file: {text}.")
    if "Could not write" in text:
        return errors.StoreIOError(
            "The warehouse could not be written: the disk is full, a limit on file sizes is reached, or "
            f"the disk fails. Free some space and run the same call again. ({text})"
        )
    return errors.StoreIOError(f"Reading or writing failed: {text}")
