"""Who did what to a warehouse, and has the list been tampered with?  `record`, and `verify_audit`.

Every entry holds the hash of the one before (a chain), so an entry that was changed, moved or removed shows.
The head of the chain is kept in the warehouse with each entry, and written to ``<warehouse>.audit`` after the
commit, so that a cut end shows too. A file that is missing shows: `verify_audit` says so, and the next entry
notes it for good. It is no defence against somebody who rewrites chain, head and file: keep a copy of the
head elsewhere.
This file reads the clock.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from crm_analytics.errors import DiskFullError, StoreCorrupt, StoreIOError
from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.whole_files import write_whole

# Name of the setting that holds number and hash of the last entry, and the detail of one that found no file.
HEAD_NAME = "audit_head"
_MISSING = "head_was_missing"
_LAST = "select entry_number, entry_hash from ops.audit_log order by entry_number desc limit 1"
_HASH_OF = "select entry_hash from ops.audit_log where entry_number = $number"
_ALL = """
    select entry_number, done_at, actor, action, subject, detail, previous_hash, entry_hash
    from ops.audit_log order by entry_number, rowid"""


@dataclass(frozen=True)
class AuditReport:
    """What `verify_audit` found in order.

    Attributes
    ----------
    entries : int
        Entries of the log.
    head : str
        Hash of the last one: keep it elsewhere, to compare later.
    is_compared : bool
        Was there a head beside the file to compare with? Where there are entries and none is there, the file
        was deleted, or the warehouse is a restored backup: a chain that was made anew would not be noticed.
    found_missing : tuple of int
        Entries that were written when the file, which had been there, was gone.
    """

    entries: int
    head: str
    is_compared: bool
    found_missing: tuple[int, ...]


def record(wh: Warehouse, action: str, subject: str, **detail: object) -> None:
    """Write one entry, in the transaction under way if there is one.

    Parameters
    ----------
    wh : Warehouse
    action, subject : str
        What was done, and the number or name of what it was done to ("load 7"); never a person.
    **detail
        Counts and switches, without personal values.
    """
    with wh.transaction():
        last = wh.rows(_LAST)
        number, previous = last[0] if last else (0, "")
        if number and wh.path != ":memory:" and not head_path(wh).exists():
            detail[_MISSING] = True
        row: dict[str, Any] = {
            "entry_number": number + 1,
            "done_at": datetime.now(UTC),
            "actor": getpass.getuser(),
            "action": action,
            "subject": subject,
            "detail": json.dumps(detail, sort_keys=True, default=str),
            "previous_hash": previous,
        }
        row["entry_hash"] = _hash(row)
        wh.append("ops.audit_log", pa.Table.from_pylist([row]))
        _keep_head(wh, number + 1, row["entry_hash"])
        if wh.path != ":memory:":
            head = json.dumps({"entries": number + 1, "head": row["entry_hash"]})
            wh.after_commit(lambda: _write_head(wh, f"{head}\n"))


def verify_audit(wh: Warehouse) -> AuditReport:
    """Check the chain of the audit log, entry by entry.

    Parameters
    ----------
    wh : Warehouse
        Whose log it is.

    Returns
    -------
    AuditReport
        How many entries are in order, the last one's hash, and what it could be compared with.

    Raises
    ------
    StoreCorrupt
        Names the first entry that was changed, removed or put in.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     record(wh, "load", "load 1", rows=3)
    ...     verify_audit(wh).entries
    1
    """
    previous, number = "", 0
    hashes = []
    missing = []
    names = "entry_number", "done_at", "actor", "action", "subject", "detail", "previous_hash", "entry_hash"
    for values in wh.rows(_ALL):
        row = dict(zip(names, values, strict=True))
        number += 1
        if row["entry_number"] != number or row["previous_hash"] != previous:
            raise StoreCorrupt(
                f"The audit log does not hold together at entry {number}: it, or one before it, was removed, "
                "put in or moved. Compare with a backup (`crm-analytics backup`)."
            )
        if row["entry_hash"] != _hash(row):
            raise StoreCorrupt(f"Entry {number} of the audit log was changed. Compare with a backup.")
        previous = row["entry_hash"]
        hashes.append(previous)
        if _MISSING in json.loads(row["detail"]):
            missing.append(number)
    kept = _kept_head(wh)
    if kept is not None:
        _compare(hashes, kept, "another log was put in its place")
    return AuditReport(number, previous, _check_head(wh, hashes), tuple(missing))


def head_path(wh: Warehouse) -> Path:
    """Return where the head of the chain is kept beside a warehouse file."""
    return Path(f"{Path(wh.path).resolve()}.audit")


def _keep_head(wh: Warehouse, entries: int, head: str) -> None:
    """Keep the head in the warehouse itself; one that the log does not hold any more is left, as it shows."""
    kept = _kept_head(wh)
    if kept is not None and wh.value(_HASH_OF, number=kept[0]) != kept[1]:
        return
    wh.execute("delete from ops.settings where name = $name", name=HEAD_NAME)
    wh.execute(
        "insert into ops.settings (name, value) values ($name, $value)",
        name=HEAD_NAME,
        value=f"{entries} {head}",
    )


def _kept_head(wh: Warehouse) -> tuple[int, str] | None:
    kept = wh.value("select value from ops.settings where name = $name", name=HEAD_NAME)
    if kept is None:
        return None
    entries, _, head = kept.partition(" ")
    return int(entries), head


def _write_head(wh: Warehouse, head: str) -> None:
    """Write the head of the chain; the commit stands even where that fails.

    A head that the log does not hold any more is left: it is what shows that entries were cut or replaced.
    """
    try:
        told = _told_head(wh)
    except StoreCorrupt:
        return
    if told is not None and told[0] and wh.value(_HASH_OF, number=told[0]) != told[1]:
        return
    try:
        write_whole(head_path(wh), head.encode())
    except OSError as error:
        kind = DiskFullError if error.errno == errno.ENOSPC else StoreIOError
        raise kind(
            f"{wh.path}: what was asked is done and kept, but the head of its audit log could not be "
            f"written to {head_path(wh)} ({error.strerror}). Mend the disk; the next entry writes it."
        ) from error


def _told_head(wh: Warehouse) -> tuple[int, str] | None:
    """Return the number of entries and the hash of the last as they stand beside the file."""
    try:
        told = json.loads(head_path(wh).read_text(encoding="ascii"))
        return int(told["entries"]), str(told["head"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreCorrupt(
            f"{head_path(wh)} cannot be read: {error.strerror}. Remove what is there."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorrupt(f"{head_path(wh)} is damaged. Compare the log with a backup.") from error


def _check_head(wh: Warehouse, hashes: list[str]) -> bool:
    """Compare with the head beside the file; the file may be ahead of it by what a crash left unmarked."""
    told = None if wh.path == ":memory:" else _told_head(wh)
    if told is None:
        return False
    meant = f"an older copy took the warehouse's place. If that is meant, delete {head_path(wh)}"
    _compare(hashes, told, meant)
    return True


def _compare(hashes: list[str], told: tuple[int, str], otherwise: str) -> None:
    entries, head = told
    if len(hashes) < entries:
        raise StoreCorrupt(
            f"The audit log has {len(hashes)} entries, {entries} were written: its end was cut, or "
            f"{otherwise}."
        )
    if entries and hashes[entries - 1] != head:
        raise StoreCorrupt(
            f"Entry {entries} of the audit log is not the one that was written: its end was cut or replaced, "
            f"or {otherwise}. Compare with a backup."
        )


def _hash(row: dict[str, Any]) -> str:
    told = [
        row["entry_number"],
        row["done_at"].astimezone(UTC).isoformat(),
        *(row[name] for name in ("actor", "action", "subject", "detail", "previous_hash")),
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
