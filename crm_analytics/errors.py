"""What can go wrong, and what is the reader told?  Every error the library raises on purpose.

The tree (catch the branch you can handle):

    CrmError
    ├── UsageError               a call that cannot mean anything (also a ValueError)
    │   └── SettingsError        crm.toml or a business setting is wrong
    ├── InputError               what came in from outside is wrong
    │   ├── FileRefused          a whole file was refused; nothing of it was loaded
    │   ├── ProfileError         an import profile is wrong, or none (or more than one) fits
    │   └── RecordInvalid        a record for the record store breaks its schema
    ├── RecordNotFound           the record store holds no such record (also a KeyError)
    ├── VersionConflict          somebody else changed the record first
    ├── StoreError               the warehouse or the record store cannot do it
    │   ├── StoreBusy            another process holds the warehouse
    │   ├── StoreIOError         reading or writing the disk failed
    │   │   └── DiskFullError    no space left
    │   ├── OutOfMemoryError     the memory limit is too small for the query
    │   └── StoreCorrupt         the file is damaged
    │       └── StoreRolledBack  the file is whole, but older than what was acknowledged
    ├── AnalysisError            the question cannot be answered from these data
    │   ├── CurrencyError        amounts in several currencies and no way to add them
    │   └── NotEnoughData        too few customers, orders or outcomes
    │       └── DegenerateCohortError   there are data, but they cannot identify the model
    ├── ModelFileError           a saved model is damaged, unsafe, or of another kind
    └── AuditBlocked             the night's results failed their audit and were not published

A message says what is wrong, which file, row or value, and what to do.

    try:
        crm.load(wh, "orders.csv")
    except crm.errors.FileRefused as refusal:
        print(refusal.reason, refusal.column)
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AnalysisError",
    "AuditBlocked",
    "CrmError",
    "CurrencyError",
    "DegenerateCohortError",
    "DiskFullError",
    "FileRefused",
    "InputError",
    "ModelFileError",
    "NotEnoughData",
    "OutOfMemoryError",
    "ProfileError",
    "RecordInvalid",
    "RecordNotFound",
    "SettingsError",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreIOError",
    "StoreRolledBack",
    "UsageError",
    "VersionConflict",
]


class CrmError(Exception):
    """Root of all errors the library raises on purpose."""


class UsageError(CrmError, ValueError):
    """A call that cannot mean anything: a wrong argument, a missing table, a date out of order."""


class SettingsError(UsageError):
    """crm.toml or a business setting (time zone, currency, first day of the week) is wrong."""


class InputError(CrmError):
    """What came in from outside is wrong."""


class FileRefused(InputError):
    """A whole file was refused; nothing of it was loaded and earlier data are untouched.

    Attributes
    ----------
    file : str
        Name of the file as it was given.
    reason : str
        A code for machines, for example ``missing_column``.
    record : int | None
        Number of the offending data record (the first is 1), where there is one.
    line : int | None
        Physical line of the file (the first is 1), where there is one.
    column : str | None
        Column concerned, where there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str,
        reason: str,
        record: int | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.reason = reason
        self.record = record
        self.line = line
        self.column = column


class ProfileError(InputError):
    """An import profile is wrong, or no profile (or more than one) fits a file."""


class RecordInvalid(InputError):
    """A record breaks the schema; the message lists every problem at once.

    Attributes
    ----------
    problems : tuple of str
        Every problem, each a sentence; of a bulk write each begins with the number of its row.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class RecordNotFound(CrmError, KeyError):
    """The record store holds no record of that id."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class VersionConflict(CrmError):
    """The record was changed by somebody else since it was read (``expected_version`` is old)."""


class StoreError(CrmError):
    """The warehouse or the record store cannot do what was asked."""


class StoreBusy(StoreError):
    """Another process (named in the message) holds the warehouse."""


class StoreIOError(StoreError):
    """Reading or writing the disk failed; nothing was reported as done."""


class DiskFullError(StoreIOError):
    """No space is left on the disk; earlier data are intact."""


class OutOfMemoryError(StoreError):
    """The memory limit is too small for a query; the session goes on."""


class StoreCorrupt(StoreError):
    """The file is damaged; restore a backup."""


class StoreRolledBack(StoreCorrupt):
    """The file is whole, but older than what was acknowledged: commits are missing."""


class AnalysisError(CrmError):
    """The question cannot be answered from these data."""


class CurrencyError(AnalysisError):
    """Amounts in several currencies cannot be added without rates and a reporting currency."""


class NotEnoughData(AnalysisError):
    """Too few customers, orders or outcomes to answer."""


class DegenerateCohortError(NotEnoughData):
    """There are customers, but they cannot identify the model (for example: all bought once)."""


class ModelFileError(CrmError):
    """A saved model is damaged, not of a safe format, or of another kind than asked for."""


class AuditBlocked(CrmError):
    """The night's results failed their audit; the last published run stays live."""
