"""How do exported files come into the warehouse, accounted for to the row?  `load`.

A file is checked, recognised, read, converted and stored in one transaction: either all of it is in,
with ``rows_in = rows_loaded + rows_quarantined + rows_merged``, or nothing and a reason in ops.loads. The
same bytes with the same profile change nothing the second time. This file reads the clock: the time of
receipt, when the caller gives none, and when the load began and ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from crm_analytics.errors import DiskFullError, FileRefused, InputError, ProfileError, UsageError
from crm_analytics.ingest import ledger
from crm_analytics.ingest.apart import REASON as CRASHED
from crm_analytics.ingest.apart import run_apart
from crm_analytics.ingest.delivered_again import counts_anew, note_again
from crm_analytics.ingest.disk_space import check_space, folder_stopped
from crm_analytics.ingest.headers import HeaderIndex, find_columns
from crm_analytics.ingest.inbox import check_place, exports, name_in, shown_name
from crm_analytics.ingest.intake import Progress, take_in
from crm_analytics.ingest.layouts import write_layout
from crm_analytics.ingest.mapping import Issue
from crm_analytics.ingest.not_loaded import REASON as NOT_LOADED
from crm_analytics.ingest.profile import Profile
from crm_analytics.ingest.quarantine import ID_COLUMN
from crm_analytics.ingest.readers import headers
from crm_analytics.ingest.recognise import asked_profile, detect
from crm_analytics.ingest.reconcile import (
    Control,
    Counted,
    controls_of,
    given_controls,
    order_controls,
    read_totals,
    write_controls,
)
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.seen_before import Seen, seen_before, supersede
from crm_analytics.ingest.snapshot import held_back
from crm_analytics.ingest.source import open_source
from crm_analytics.ingest.stillness import FileState, check_still, state_of
from crm_analytics.schema import entity
from crm_analytics.warehouse import Warehouse

# What a load of any size leaves to DuckDB's tables; the rest of the process takes about as much again.
MEMORY_LIMIT = "768MB"
# How far clocks and time zones may differ when it is said when a file was received.
CLOCK_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True)
class Load:
    """The account of one file.

    Attributes
    ----------
    file : str
        Name of the file; of a folder that is loaded with its subfolder in it.
    profile : str | None
        Profile it was read by; None when none was found.
    status : {"loaded", "unchanged", "withdrawn", "refused"}
        "unchanged": the same bytes were loaded before; "withdrawn": they were, and were taken back.
    rows_in, rows_loaded, rows_quarantined, rows_merged : int
        ``rows_in`` is the sum of the other three; all zero for a refused file, and for one that was not read
        because it was withdrawn or set aside whole before.
    reasons : dict of str to int
        Reason code -> records set aside; for a refused file its reason -> 0.
    load_id : int | None
        Number in ops.loads.
    issues : tuple of Issue
        What was noticed without losing a record.
    rows_removed : int
        Rows that a full snapshot no longer tells: recorded as gone.
    controls : tuple of Control
        What the source says it adds up to, beside what was counted here.
    """

    file: str
    profile: str | None
    status: Literal["loaded", "unchanged", "withdrawn", "refused"]
    rows_in: int
    rows_loaded: int
    rows_quarantined: int
    rows_merged: int
    reasons: dict[str, int] = field(default_factory=dict)
    load_id: int | None = None
    issues: tuple[Issue, ...] = ()
    rows_removed: int = 0
    controls: tuple[Control, ...] = ()

    @property
    def trouble(self) -> str | None:
        """Why nothing of the file came in, in a sentence: refused, or every record set aside; else None.

        A table that is known and not loaded is refused, and no trouble.
        """
        if NOT_LOADED in self.reasons:
            return None
        if self.status == "refused":
            return self.issues[0].detail if self.issues else f"{self.file}: refused."
        kept_out = [one for one in self.issues if one.issue in ("still_set_aside", "still_withdrawn")]
        if kept_out:
            return f"{self.file}: {kept_out[0].detail}"
        if self.rows_in == 0 or self.rows_loaded + self.rows_merged > 0:
            return None
        reason = next(iter(self.reasons))
        return (
            f"{self.file}: none of its {self.rows_in:,} records could be loaded; the commonest reason is "
            f"{reason} ({self.reasons[reason]:,}). They are in quarantine (`crm-analytics quarantine`); "
            "say how the file is written, and load it again by its name."
        )


@dataclass(frozen=True)
class Call:
    """What the caller of `load` asked for.

    `is_dated`: the caller said when the files were received. `place`: how many
    files of its name came before it in the folder. `is_apart`: files are loaded in processes of their own.
    """

    profile: str | None
    source_system: str | None
    received_at: datetime
    is_dated: bool
    options: dict[str, Any]
    max_expanded_bytes: int | None
    show_values: bool
    progress: Progress | None
    is_folder: bool = False
    place: int = 0
    is_forced: bool = False
    is_apart: bool = False
    control_totals: Mapping[str, Decimal] = field(default_factory=dict)


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
    bare_ends: str | None = None,
    duplicates: str | None = None,
    snapshot: bool | None = None,
    force: bool = False,
    control_totals: Mapping[str, object] | None = None,
    default_country: str | None = None,
    default_currency: str | None = None,
    thousands: str | None = None,
    brackets: str | None = None,
    calendar: str | None = None,
    money_unit: str | None = None,
    max_expanded_bytes: int | None = None,
    show_values: bool = False,
    isolate: bool = False,
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
        has no offset. More than a day ahead is refused. Default: now.
    source_system : str, optional
        System that the ids are scoped by; default: the profile's.
    encoding, date_format, decimal, delimiter, skip_rows, timezone : optional
    default_country, default_currency, thousands, brackets, calendar, money_unit : optional
        How the file is written; in place of the profile's own (see `crm_analytics.ingest.profile`).
    guest : {"quarantine", "keep"}, optional
        What becomes of records without customer id.
    bare_ends : {"quarantine", "keep"}, optional
        What becomes of rows at an end of the file that look like notes rather than records.
    duplicates : {"merge", "keep"}, optional
        Are equal lines of one file one fact or several?
    snapshot : bool, optional
        Does the file hold all rows there are of its entity in its source system? Rows that it lacks are then
        recorded as gone. Default: as the profile says.
    force : bool, default False
        Take a snapshot in even if it would remove more than a fifth of the rows, or if records of it are set
        aside (otherwise nothing is removed then).
    control_totals : mapping of str to number, optional
        What the source says one file adds up to: ``{"records": 120, "amount": "1234.50"}``; of one currency
        "amount:EUR", of a second entity "orders.total_amount". Shown beside what was counted.
    max_expanded_bytes : int, optional
        How large a compressed file may become; default: 50 MB, or 100 times its size if that is more.
    show_values : bool, default False
        May messages hold values of personal columns? For a person at a prompt.
    isolate : bool, default False
        Load every file in a process of its own, with bounded memory and processor time: a file that crashes
        the reader is refused (``reader_crashed``). For files of strangers; costs about a second a file, tells
        no progress, and needs a warehouse in a file.
    progress : callable, optional
        Called again and again with (file name, bytes of it read so far, bytes in all).

    Returns
    -------
    list of Load
        One per file; one per member of an archive and per sheet of a workbook. What was refused beside
        others has status "refused" and the others go on.

    Raises
    ------
    FileRefused
        A single file (of a single part) was refused; nothing of it was loaded.
    ProfileError
        No profile (or several) fits a single file.
    UsageError
        No such file, a profile or option that cannot be, or a time that cannot be read: nothing was recorded.
    DiskFullError
        The disk is too full for a file, or became so; what was loaded before stays, and the message names the
        files of a folder that were not.

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
    call = Call(
        profile=profile,
        source_system=source_system,
        received_at=read_moment(received_at, wh.settings.timezone),
        is_dated=received_at is not None,
        options={
            "encoding": encoding,
            "date_format": date_format,
            "decimal": decimal,
            "delimiter": delimiter,
            "skip_rows": skip_rows,
            "timezone": timezone,
            "default_country": default_country,
            "default_currency": default_currency,
            "thousands": thousands,
            "calendar": calendar,
            "brackets": brackets,
            "money_unit": money_unit,
            "guest": guest,
            "bare_ends": bare_ends,
            "repeats": duplicates,
            "snapshot": snapshot,
        },
        max_expanded_bytes=max_expanded_bytes,
        show_values=show_values,
        progress=progress,
        is_forced=force,
        is_apart=isolate,
        control_totals=read_totals(control_totals or {}),
    )
    asked_profile(profile, **call.options)
    given = Path(path)
    if given.is_file():
        return load_file(wh, given, shown_name(given.name), call)
    if not given.is_dir():
        what = "is neither a file nor a folder" if given.exists() else "no such file or folder"
        raise UsageError(f"{path}: {what}.")
    if control_totals:
        raise UsageError("control_totals are those of one file: load the files of the folder one by one.")
    call = replace(call, is_folder=True)
    met: Counter[str] = Counter()
    loads = []
    for file in exports(given):
        loads += _try_file(wh, file, given, replace(call, place=met[file.name]))
        met[file.name] += 1
    return loads


def read_moment(given: datetime | date | str | None, timezone: str) -> datetime:
    """Return when something was received: as given (in `timezone` where it has no offset), else now.

    What lies more than `CLOCK_TOLERANCE` ahead is a slip, and would outdate all that is received until then.
    """
    now = datetime.now(UTC)
    if given is None:
        return now
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError as error:
            raise UsageError(f"received_at={given!r} is not ISO 8601. Use 2025-06-30T08:00.") from error
    if not isinstance(given, datetime):
        given = datetime.combine(given, time())
    moment = given if given.tzinfo else given.replace(tzinfo=ZoneInfo(timezone))
    if moment > now + CLOCK_TOLERANCE:
        raise UsageError(
            f"received_at={given} lies in the future. Say when the file was received; without it, now counts."
        )
    return moment


def _try_file(wh: Warehouse, file: Path, folder: Path, call: Call) -> list[Load]:
    """Load one file of a folder; a refusal becomes its account, a full disk ends the folder."""
    name = name_in(file, folder)
    try:
        check_place(file, folder)
    except FileRefused as refusal:
        _write_refusal(wh, name, None, None, call, datetime.now(UTC), refusal)
        return [refused_load(name, refusal, ledger.last_load_id(wh))]
    try:
        return load_file(wh, file, name, call)
    except InputError as refusal:
        return [refused_load(name, refusal, ledger.last_load_id(wh))]
    except DiskFullError as error:
        files = exports(folder)
        names = [name_in(one, folder) for one in files[files.index(file) :]]
        raise folder_stopped(error, names) from error


def load_file(wh: Warehouse, file: Path, name: str, call: Call) -> list[Load]:
    """Load the parts of one file; a refusal is raised where the file has no other part."""
    if call.is_apart:
        return _load_apart(wh, file, name, replace(call, is_apart=False, progress=None))
    started_at = datetime.now(UTC)
    before = state_of(file)
    try:
        parts = open_source(file, name=name, max_expanded_bytes=call.max_expanded_bytes)
    except FileRefused as refusal:
        _write_refusal(wh, name, None, None, call, started_at, refusal)
        raise
    loads = []
    for part in parts:
        try:
            if isinstance(part, FileRefused):
                _write_refusal(wh, part.file, None, None, call, started_at, part)
                raise part
            loads.append(_load_part(wh, part, call, before))
        except InputError as refusal:
            if len(parts) == 1:
                raise
            told = part.file if isinstance(part, FileRefused) else part.name
            load_id = ledger.last_load_id(wh)
            loads.append(refused_load(told, refusal, load_id))
    return loads


def _load_apart(wh: Warehouse, file: Path, name: str, call: Call) -> list[Load]:
    started_at = datetime.now(UTC)
    totals = {control: str(total) for control, total in call.control_totals.items()}
    told = vars(call) | {"received_at": call.received_at.isoformat(), "control_totals": totals}
    try:
        return [_read_account(one) for one in run_apart(wh, file, name, told)]
    except FileRefused as refusal:
        if refusal.reason == CRASHED:
            _write_refusal(wh, name, None, None, call, started_at, refusal)
        raise


def _read_account(told: Mapping[str, Any]) -> Load:
    """Return an account as the process that loaded the file wrote it."""
    numbers = [one | {side: Decimal(one[side]) for side in ("theirs", "ours")} for one in told["controls"]]
    issues = tuple(Issue(**one) for one in told["issues"])
    return Load(**{**told, "issues": issues, "controls": tuple(Control(**one) for one in numbers)})


def refused_load(file: str, refusal: InputError, load_id: int) -> Load:
    """Return the account of a file that was refused under that number."""
    reason = refusal.reason if isinstance(refusal, FileRefused) else "no_profile"
    return Load(
        file=file,
        profile=None,
        status="refused",
        rows_in=0,
        rows_loaded=0,
        rows_quarantined=0,
        rows_merged=0,
        reasons={reason: 0},
        load_id=load_id,
        issues=(Issue(reason, "", str(refusal), 0),),
    )


def _load_part(wh: Warehouse, part: Part, call: Call, before: FileState | None) -> Load:
    started_at = datetime.now(UTC)
    used: Profile | None = None
    try:
        used = _profile_of(part, call)
        call = _in_its_place(call, used)
        with wh.frugal(MEMORY_LIMIT), wh.transaction():
            seen = _seen_before(wh, part, used, call)
            if seen is None:
                account = _store(wh, part, used, call, started_at)
                check_still(part.path, before, file=part.name)
                return account
            account = _unchanged(wh, part, used, call, started_at, seen)
        if not call.control_totals:
            return account
        return _with_totals(wh, part, used, call, account)
    except DiskFullError as error:
        if str(error).startswith(part.name):
            raise
        raise DiskFullError(f"{part.name}: {error}") from error
    except InputError as refusal:
        _write_refusal(wh, part.name, part, used, call, started_at, refusal)
        raise


def _in_its_place(call: Call, used: Profile) -> Call:
    """Return the call with moments of their own for files of one name in several subfolders, received now.

    So where these tell a customer or a product otherwise the last in the order of the paths counts. Lines,
    events and snapshots keep one moment: files of one moment are parts of one delivery.
    """
    is_state = all(entity(target.entity).kind == "state" for target in used.targets)
    if call.is_dated or used.snapshot or not is_state:
        return call
    return replace(call, received_at=call.received_at + timedelta(microseconds=call.place))


def _seen_before(wh: Warehouse, part: Part, used: Profile, call: Call) -> Seen | None:
    """Tell why a part need not be read; None: it is to be read."""
    if call.is_forced and used.snapshot and held_back(wh, part.sha256, used.sha256):
        return None
    seen = seen_before(
        wh,
        part,
        used,
        received_at=call.received_at,
        is_dated=call.is_dated,
        is_folder=call.is_folder,
    )
    if seen is not None and seen.may_confirm and call.is_dated:
        return None if counts_anew(wh, part, used, call.received_at) else seen
    return seen


def _profile_of(part: Part, call: Call) -> Profile:
    """Return the profile to read a part by, with the caller's options and its own delimiter in place."""
    options = call.options
    delimiter: str | None
    if call.profile is None:
        split = headers(part, asked_profile(None, **options).dialect)
        if any(ID_COLUMN in names for _, names in split):
            raise FileRefused(
                f"{part.name}: these are records of the quarantine. Use replay, and keep them out of folders "
                "that are loaded.",
                file=part.name,
                reason="quarantine_export",
                column=ID_COLUMN,
            )
        found, delimiter = detect(
            part.name, split, default_currency=options["default_currency"], show_values=call.show_values
        )
    else:
        found = asked_profile(call.profile, **options)
        delimiter = found.dialect.delimiter or _delimiter_for(part, found)
    chosen = found.with_options(**(options | {"delimiter": delimiter or None}))
    return replace(chosen, source_system=call.source_system or chosen.source_system)


def _delimiter_for(part: Part, used: Profile) -> str:
    """Return the delimiter under which a part has most of a named profile's columns."""
    split = headers(part, used.dialect)
    return max(
        split, key=lambda one: len(find_columns(HeaderIndex(one[1]), used.sources, used.headers).places)
    )[0]


def _store(wh: Warehouse, part: Part, used: Profile, call: Call, started_at: datetime) -> Load:
    """Read, convert and store one part, in the caller's transaction."""
    check_space(wh, part)
    load_id = ledger.next_load_id(wh)
    taken = take_in(
        wh,
        part,
        used,
        load_id=load_id,
        received_at=call.received_at,
        show_values=call.show_values,
        progress=call.progress,
        is_forced=call.is_forced,
        control_totals=call.control_totals,
    )
    ledger.write_counts(wh, load_id, taken.stated_counts, taken.record_count)
    controls = [*taken.totals, *given_controls(call.control_totals, taken.sums)]
    write_controls(wh, load_id, controls + order_controls(wh, load_id, used))
    account = Load(
        file=part.name,
        profile=used.name,
        status="loaded",
        rows_in=taken.rows_in,
        rows_loaded=taken.stored.records,
        rows_quarantined=taken.quarantine.count,
        rows_merged=taken.rows_in - taken.quarantine.count - taken.stored.records,
        reasons=taken.quarantine.reasons,
        load_id=load_id,
        issues=taken.issues + supersede(wh, part, load_id),
        rows_removed=sum(taken.removed.values()),
        controls=controls_of(wh, load_id),
    )
    entry = _entry(account, part, used, call, started_at)
    ledger.write_entry(wh, entry, account.issues, is_forced=call.is_forced)
    ledger.write_entities(wh, load_id, taken.stored.entities, taken.removed)
    if taken.quarantine.count:
        write_layout(
            wh,
            load_id,
            kind=part.kind,
            header=taken.header,
            used=used,
            asked=call.profile,
            options=call.options,
        )
    return account


def _unchanged(
    wh: Warehouse, part: Part, used: Profile, call: Call, started_at: datetime, seen: Seen
) -> Load:
    account = Load(
        file=part.name,
        profile=used.name,
        status=seen.status,
        rows_in=seen.rows_in,
        rows_loaded=0,
        rows_quarantined=0,
        rows_merged=seen.rows_in,
        load_id=ledger.next_load_id(wh),
        issues=seen.issues,
    )
    ledger.write_entry(wh, _entry(account, part, used, call, started_at), seen.issues)
    if call.is_dated and seen.may_confirm:
        load_id = account.load_id or 0
        note_again(wh, part, used, as_load=load_id, received_at=call.received_at)
    return account


class _NotKept(Exception):
    """Rolls a transaction back of which nothing is to be kept."""


def _with_totals(wh: Warehouse, part: Part, used: Profile, call: Call, account: Load) -> Load:
    """Compare a file that was loaded before with its totals: read it again, and keep nothing of it."""
    sums: Mapping[str, Counted] = {}
    with suppress(_NotKept), wh.frugal(MEMORY_LIMIT), wh.transaction():
        sums = take_in(
            wh,
            part,
            used,
            load_id=ledger.next_load_id(wh),
            received_at=call.received_at,
            show_values=call.show_values,
            progress=call.progress,
            is_forced=call.is_forced,
            control_totals=call.control_totals,
        ).sums
        raise _NotKept
    load_id = account.load_id or 0
    with wh.transaction():
        write_controls(wh, load_id, given_controls(call.control_totals, sums))
        return replace(account, controls=controls_of(wh, load_id))


def _write_refusal(
    wh: Warehouse,
    file: str,
    source: Part | None,
    used: Profile | None,
    call: Call,
    started_at: datetime,
    refusal: InputError,
) -> None:
    reason = refusal.reason if isinstance(refusal, FileRefused) else "no_profile"
    account = Load(
        file=file,
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
    account: Load, source: Part | None, used: Profile | None, call: Call, started_at: datetime
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
        entity=used.main.entity if used else None,
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
