"""How do exported files come into the warehouse, accounted for to the row?  `load`.

A file is checked, recognised, read, converted and stored in one transaction: either all of it is in,
with ``rows_in = rows_loaded + rows_quarantined + rows_merged``, or nothing and a reason in ops.loads. The
same bytes with the same profile change nothing the second time. This file reads the clock: the time of
receipt, when the caller gives none, and when the load began and ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from os import PathLike
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from crm_analytics.entities import store_versions
from crm_analytics.errors import FileRefused, InputError, ProfileError, UsageError
from crm_analytics.ingest import ledger
from crm_analytics.ingest.mapping import Issue, map_delivery
from crm_analytics.ingest.profile import Profile, detect, profile
from crm_analytics.ingest.readers import Delivery, headers, read
from crm_analytics.ingest.source import Source, open_source
from crm_analytics.warehouse import Warehouse, quote_ident

REJECT_RATE = 0.1
REJECT_RECORDS = 50
# An undeclared file that is not UTF-8: so many records with other bytes, and fewer with proper ones.
ENCODING_RECORDS = 3

# Files of a folder that are taken for exports (and refused where they cannot be read).
SUFFIXES = (".csv", ".gz", ".json", ".ndjson", ".parquet", ".tsv", ".txt", ".xls", ".xlsx", ".zip")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Load:
    """The account of one file.

    Attributes
    ----------
    file : str
        Name of the file.
    profile : str | None
        Profile it was read by; None when none was found.
    status : {"loaded", "unchanged", "refused"}
        "unchanged": the same bytes were loaded before.
    rows_in, rows_loaded, rows_quarantined, rows_merged : int
        ``rows_in`` is the sum of the other three; all zero for a refused file.
    reasons : dict of str to int
        Reason code -> records set aside; for a refused file its reason -> 0.
    load_id : int | None
        Number in ops.loads.
    issues : tuple of Issue
        What was noticed without losing a record.
    """

    file: str
    profile: str | None
    status: Literal["loaded", "unchanged", "refused"]
    rows_in: int
    rows_loaded: int
    rows_quarantined: int
    rows_merged: int
    reasons: dict[str, int] = field(default_factory=dict)
    load_id: int | None = None
    issues: tuple[Issue, ...] = ()

    @property
    def trouble(self) -> str | None:
        """Why nothing of the file came in, in a sentence: refused, or every record set aside; else None."""
        if self.status == "refused":
            return self.issues[0].detail if self.issues else f"{self.file}: refused."
        if self.rows_in == 0 or self.rows_loaded + self.rows_merged > 0:
            return None
        reason = next(iter(self.reasons))
        return (
            f"{self.file}: none of its {self.rows_in:,} records could be loaded; the commonest reason is "
            f"{reason} ({self.reasons[reason]:,}). The records are in ops.quarantine; mend the file, or say "
            "how it is written, and load it again."
        )


@dataclass(frozen=True)
class _Call:
    """What the caller of `load` asked for; `is_dated`: the caller said when the files were received."""

    profile: str | None
    source_system: str | None
    received_at: datetime
    is_dated: bool
    options: dict[str, Any]
    max_expanded_bytes: int | None
    show_values: bool


def load(
    wh: Warehouse,
    path: str | PathLike[str],
    *,
    profile: str | None = None,
    received_at: datetime | date | str | None = None,
    source_system: str | None = None,
    encoding: str | None = None,
    date_format: str | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
    skip_rows: int | None = None,
    timezone: str | None = None,
    guest: str | None = None,
    duplicates: str | None = None,
    default_country: str | None = None,
    max_expanded_bytes: int | None = None,
    show_values: bool = False,
    progress: Progress | None = None,
) -> list[Load]:
    """Load one export file, or every export of a folder.

    Parameters
    ----------
    wh : Warehouse
        Where to.
    path : path
        A file; or a folder, whose files (and those of its subfolders) are loaded in the order of their
        names. Files that no export has the ending of (README.md) and hidden ones are passed over.
    profile : str, optional
        Name of a profile, or path of a ``.toml``; default: recognised by the header.
    received_at : datetime, date or ISO text, optional
        When it was received: the ``recorded_at`` of its rows. Local to the warehouse's time zone where it
        has no offset. Default: now.
    source_system : str, optional
        System that the ids are scoped by; default: the profile's.
    encoding, date_format, decimal, delimiter, skip_rows, timezone, default_country : optional
        How the file is written; in place of the profile's own (see `crm_analytics.ingest.profile`).
    guest : {"quarantine", "keep"}, optional
        What becomes of records without customer id.
    duplicates : {"merge", "keep"}, optional
        Are equal lines of one file one fact or several?
    max_expanded_bytes : int, optional
        How large a compressed file may become; default: 50 MB, or 100 times its size if that is more.
    show_values : bool, default False
        May messages hold values of personal columns? For a person at a prompt.
    progress : callable, optional
        Called with (file name, files done, files in all).

    Returns
    -------
    list of Load
        One per file. A file that was refused in a folder has status "refused" and the others go on.

    Raises
    ------
    FileRefused
        A single file was refused; nothing of it was loaded.
    ProfileError
        A profile or option is wrong, or no profile (or several) fits a single file.
    UsageError
        No such file, or a time that cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> text = "customer_id,name,country\\nC1,Ada,GB\\nC2,Bob,US\\n,Nobody,FR\\n"
    >>> with tempfile.TemporaryDirectory() as folder, Warehouse.open() as wh:
    ...     file = Path(folder, "customers.csv")
    ...     _ = file.write_text(text)
    ...     [account] = load(wh, file)
    >>> account.profile, account.rows_in, account.rows_loaded, account.reasons
    ('customers', 3, 2, {'missing_value': 1})
    """
    call = _Call(
        profile=profile,
        source_system=source_system,
        received_at=_moment(received_at, wh.settings.timezone),
        is_dated=received_at is not None,
        options={
            "encoding": encoding,
            "date_format": date_format,
            "decimal": decimal,
            "delimiter": delimiter,
            "skip_rows": skip_rows,
            "timezone": timezone,
            "default_country": default_country,
            "guest": guest,
            "repeats": duplicates,
        },
        max_expanded_bytes=max_expanded_bytes,
        show_values=show_values,
    )
    given = Path(path)
    if given.is_file():
        return [_load_file(wh, given, call)]
    if not given.is_dir():
        raise UsageError(f"{path}: no such file or folder.")
    files = exports(given)
    loads = []
    for done, file in enumerate(files):
        if progress is not None:
            progress(file.name, done, len(files))
        loads.append(_try_file(wh, file, call))
    if progress is not None:
        progress("", len(files), len(files))
    return loads


def exports(folder: Path) -> list[Path]:
    """Return the files of a folder that `load` takes, in the order in which it takes them."""
    return [path for path in _visible(folder) if path.suffix.lower() in SUFFIXES]


def passed_over(folder: Path) -> list[Path]:
    """Return the files of a folder that `load` passes over by their ending; hidden files are not told."""
    return [path for path in _visible(folder) if path.suffix.lower() not in SUFFIXES]


def _visible(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _moment(given: datetime | date | str | None, timezone: str) -> datetime:
    if given is None:
        return datetime.now(UTC)
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError as error:
            raise UsageError(f"received_at={given!r} is not ISO 8601. Use 2025-06-30T08:00.") from error
    if not isinstance(given, datetime):
        given = datetime.combine(given, time())
    return given if given.tzinfo else given.replace(tzinfo=ZoneInfo(timezone))


def _try_file(wh: Warehouse, file: Path, call: _Call) -> Load:
    """Load one file of a folder; a refusal becomes its account."""
    try:
        return _load_file(wh, file, call)
    except InputError as refusal:
        reason = refusal.reason if isinstance(refusal, FileRefused) else "no_profile"
        issue = Issue(reason, "", str(refusal), 0)
        return Load(
            file=file.name,
            profile=None,
            status="refused",
            rows_in=0,
            rows_loaded=0,
            rows_quarantined=0,
            rows_merged=0,
            reasons={reason: 0},
            load_id=int(wh.value("select max(load_id) from ops.loads")),
            issues=(issue,),
        )


def _load_file(wh: Warehouse, file: Path, call: _Call) -> Load:
    started_at = datetime.now(UTC)
    source: Source | None = None
    used: Profile | None = None
    try:
        source = open_source(file, max_expanded_bytes=call.max_expanded_bytes)
        used = _profile_of(source, call)
        with wh.transaction():
            known = _loaded_before(wh, source, used, call)
            if known is not None:
                return _unchanged(wh, source, used, call, started_at, rows_in=known)
            return _store(wh, source, used, call, started_at)
    except InputError as refusal:
        _write_refusal(wh, file, source, used, call, started_at, refusal)
        raise


def _profile_of(source: Source, call: _Call) -> Profile:
    """Return the profile to read a file by, with the caller's options and its own delimiter in place."""
    options = call.options
    delimiter: str | None
    if call.profile is None:
        asked = Profile("options of load", "").with_options(**options)
        found, delimiter = detect(source.name, headers(source, asked.dialect))
    else:
        found = profile(call.profile).with_options(**options)
        delimiter = found.dialect.delimiter or _delimiter_for(source, found)
    chosen = found.with_options(**(options | {"delimiter": delimiter or None}))
    return replace(chosen, source_system=call.source_system or chosen.source_system)


def _delimiter_for(source: Source, used: Profile) -> str:
    """Return the delimiter under which a file has most of a named profile's columns."""
    wanted = {name.casefold() for name in used.sources}
    split = headers(source, used.dialect)
    return max(split, key=lambda one: sum(name.casefold() in wanted for name in one[1]))[0]


def _store(wh: Warehouse, source: Source, used: Profile, call: _Call, started_at: datetime) -> Load:
    delivery = read(source, used.dialect)
    _check_encoding(delivery, used)
    mapped = map_delivery(
        delivery,
        used,
        received_at=call.received_at,
        timezone=wh.settings.timezone,
        show_values=call.show_values,
    )
    aside = ledger.set_aside(wh, delivery, used, mapped.faults, show_values=call.show_values)
    _check_rejects(delivery, used, aside)
    load_id = ledger.next_load_id(wh)
    stored = store_versions(
        wh,
        used.entity,
        mapped.staged,
        load_id=load_id,
        source_system=used.source_system,
        received_at=call.received_at,
        repeats=used.repeats,
    )
    issues = mapped.issues
    if not delivery.record_count:
        issues += (Issue("no_records", "", "the file has a header and no records", 0),)
    account = Load(
        file=source.name,
        profile=used.name,
        status="loaded",
        rows_in=delivery.record_count,
        rows_loaded=stored.loaded,
        rows_quarantined=len(aside),
        rows_merged=stored.merged,
        reasons=ledger.count_reasons(aside),
        load_id=load_id,
        issues=issues,
    )
    ledger.write_entry(wh, _entry(account, source, used, call, started_at), aside, issues)
    return account


def _unchanged(
    wh: Warehouse, source: Source, used: Profile, call: _Call, started_at: datetime, *, rows_in: int
) -> Load:
    account = Load(
        file=source.name,
        profile=used.name,
        status="unchanged",
        rows_in=rows_in,
        rows_loaded=0,
        rows_quarantined=0,
        rows_merged=rows_in,
        load_id=ledger.next_load_id(wh),
    )
    ledger.write_entry(wh, _entry(account, source, used, call, started_at))
    return account


def _loaded_before(wh: Warehouse, source: Source, used: Profile, call: _Call) -> int | None:
    """Return the number of records of an earlier load of the same bytes in the same way, if there was one.

    A file that still lies where it was says nothing new. One that is delivered anew (under another name,
    over a file of other bytes, or with a later received_at) may take back a value that was changed since:
    then it is read again. A file of which every record was set aside was not loaded: it is tried again.
    """
    rows = wh.rows(
        "select load_id, rows_in, received_at < $received_at from ops.loads "
        "where status = 'loaded' and file_sha256 = $file_sha256 and profile_sha256 = $profile_sha256 "
        "and rows_quarantined < greatest(rows_in, 1) order by load_id desc limit 1",
        file_sha256=source.sha256,
        profile_sha256=used.sha256,
        received_at=call.received_at,
    )
    if not rows:
        return None
    load_id, rows_in, is_later = rows[0]
    last_bytes = wh.value(
        "select file_sha256 from ops.loads where status in ('loaded', 'unchanged') and file = $file "
        "order by load_id desc limit 1",
        file=source.name,
    )
    is_delivered_anew = last_bytes != source.sha256 or (call.is_dated and is_later)
    if is_delivered_anew and _has_revisions_since(wh, used, load_id):
        return None
    return int(rows_in)


def _has_revisions_since(wh: Warehouse, used: Profile, load_id: int) -> bool:
    """Did a later load change something that was known of the entity in that system?"""
    versions = f"entities.{quote_ident(used.entity + '_versions')}"
    return bool(
        wh.rows(
            f"select 1 from {versions} where is_revision and load_id > $load_id "
            "and source_system = $source_system limit 1",
            load_id=load_id,
            source_system=used.source_system,
        )
    )


def _check_encoding(delivery: Delivery, used: Profile) -> None:
    """Refuse an undeclared file in which foreign bytes are the rule, not a slip."""
    undecodable = [one for one in delivery.broken if one.reason == "invalid_encoding"]
    if len(undecodable) < ENCODING_RECORDS or used.dialect.encoding is not None:
        return
    proper = sum(not delivery.place(row)[2].isascii() for row in range(min(delivery.cells.num_rows, 10_000)))
    if proper <= len(undecodable):
        first = undecodable[0]
        raw = delivery.source.data[first.start : first.end]
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte 0x{raw[error.start]:02x} at offset {first.start + error.start}"
        file = delivery.source.name
        raise FileRefused(
            f"{file}, line {first.line}: {byte} is not UTF-8, and {len(undecodable)} records have such "
            "bytes. Say the file's encoding=, for example 'cp1252' or 'cp1256'.",
            file=file,
            reason="invalid_encoding",
            record=first.number,
            line=first.line,
        )


def _check_rejects(delivery: Delivery, used: Profile, aside: list[ledger.SetAside]) -> None:
    """Refuse a file of which too much is broken; orders of guests are not broken."""
    guest = used.columns.get("customer_source_id")
    guests = ", ".join(guest.sources) if guest else ""
    broken = [
        one for one in aside if not (guests and one.reason == "missing_value" and one.column_name == guests)
    ]
    if delivery.record_count >= REJECT_RECORDS and len(broken) > REJECT_RATE * delivery.record_count:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in ledger.count_reasons(broken).items())
        raise FileRefused(
            f"{delivery.source.name}: {len(broken):,} of {delivery.record_count:,} records are broken "
            f"({reasons}), more than 10 %. First: {broken[0].message} Is the profile {used.name!r} right?",
            file=delivery.source.name,
            reason="too_many_broken",
            record=broken[0].record_number,
            line=broken[0].line_number,
            column=broken[0].column_name or None,
        )


def _write_refusal(
    wh: Warehouse,
    file: Path,
    source: Source | None,
    used: Profile | None,
    call: _Call,
    started_at: datetime,
    refusal: InputError,
) -> None:
    reason = refusal.reason if isinstance(refusal, FileRefused) else "no_profile"
    account = Load(
        file=file.name,
        profile=used.name if used else None,
        status="refused",
        rows_in=0,
        rows_loaded=0,
        rows_quarantined=0,
        rows_merged=0,
        reasons={reason: 0},
    )
    with wh.transaction():
        account = replace(account, load_id=ledger.next_load_id(wh))
        ledger.write_entry(wh, _entry(account, source, used, call, started_at))


def _entry(
    account: Load, source: Source | None, used: Profile | None, call: _Call, started_at: datetime
) -> ledger.Entry:
    if account.load_id is None:
        raise ProfileError(f"{account.file}: a load without number cannot be written down.")
    return ledger.Entry(
        load_id=account.load_id,
        file=account.file,
        file_sha256=source.sha256 if source else None,
        profile=account.profile,
        profile_sha256=used.sha256 if used else None,
        source_system=used.source_system if used else None,
        entity=used.entity if used else None,
        status=account.status,
        rows_in=account.rows_in,
        rows_loaded=account.rows_loaded,
        rows_quarantined=account.rows_quarantined,
        rows_merged=account.rows_merged,
        reason=next(iter(account.reasons)) if account.status == "refused" else None,
        received_at=call.received_at,
        started_at=started_at,
        finished_at=datetime.now(UTC),
    )
