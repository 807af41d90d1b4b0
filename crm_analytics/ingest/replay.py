"""How do corrected records come back in?  `replay`: read as their file was, tied to what they correct.

A corrected record is known by its ``quarantine_id``. What still reads as it did is passed over and told; the
others are loaded as one more delivery of the same profile, options and ``received_at`` as the file they come
from, so that the entities are as if it had been right at once. Of each the fact is recorded
(``ops.quarantine_resolutions``) in the same transaction. One that is wrong again is in quarantine again,
under a new id; it can be corrected under either. One that came in and reads otherwise now is a second
correction: the replay that brought the first one is withdrawn, and all its records come in again. So for
every load, with all its replays that stand::

    rows_in = rows_loaded + rows_merged + accepted records of its replays + records still open

This file reads the clock: when a record was replayed.
"""

from __future__ import annotations

import codecs
import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from crm_analytics.errors import UsageError
from crm_analytics.ingest.corrected_file import CorrectedFile, read_corrected
from crm_analytics.ingest.intake import Progress
from crm_analytics.ingest.layouts import Layout, read_layout
from crm_analytics.ingest.ledger import write_issues
from crm_analytics.ingest.load import Load, load
from crm_analytics.ingest.mapping import Issue
from crm_analytics.ingest.profile import WHITESPACE
from crm_analytics.ingest.quarantine import ID_COLUMN, encoding_of, exported_bytes, quarantine_id, quarantined
from crm_analytics.ingest.snapshot import Removal, complete
from crm_analytics.ingest.withdraw import unload, with_replays
from crm_analytics.warehouse import Warehouse

_LISTED = 5
Place = tuple[int, int]

_STANDING = """
    select resolution.load_id, record_number, replay_load_id, replay_record_number, outcome, content_sha256
    from ops.quarantine_resolutions as resolution
    anti join ops.withdrawals on ops.withdrawals.load_id = resolution.replay_load_id"""


@dataclass(frozen=True)
class _Replayed:
    """What a replay made of one record: where it stands there, whether it came in, what it read."""

    place: Place
    is_accepted: bool
    sha256: str | None


@dataclass(frozen=True)
class _Sorted:
    """The records of a corrected file, by what becomes of them.

    `chosen` are replayed: number in the file -> the record in quarantine that it corrects. `as_before` read
    as they did when they were set aside, `replayed` as in an earlier replay. `second` came in before and
    read otherwise now: number in the file -> load that brought it.
    """

    chosen: Mapping[int, Place]
    as_before: tuple[str, ...]
    replayed: tuple[str, ...]
    second: Mapping[int, int]


def replay(
    wh: Warehouse,
    corrected_file: str | PathLike[str],
    *,
    received_at: datetime | date | str | None = None,
    show_values: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Load:
    """Load records that were set aside and have been corrected.

    Parameters
    ----------
    wh : Warehouse
        That holds them in quarantine.
    corrected_file : path
        A file of `export_quarantine`, corrected. Records may be left out, and stand in any order; each keeps
        its ``quarantine_id``.
    received_at : datetime, date or ISO text, optional
        When the records were learned. Default: when their file was received, so that a record that came in
        a newer state since does not go back to an older one.
    show_values : bool, default False
        May messages hold values of personal columns?
    progress : callable, optional
        As of `crm_analytics.load`.
    **options
        As of `crm_analytics.load` (`decimal`, `date_format` ...), in place of those the file was loaded
        with: all records are then tried, corrected or not.

    Returns
    -------
    Load
        ``rows_in`` records were replayed. Status "unchanged" and no record when there was nothing new.

    Raises
    ------
    UsageError
        Records without a known ``quarantine_id``, or of several loads, or of one that was withdrawn.
    FileRefused
        Too many are wrong again, or the file cannot be read.

    Examples
    --------
    >>> from crm_analytics.ingest.quarantine import export_quarantine
    >>> with tempfile.TemporaryDirectory() as work, Warehouse.open() as wh:
    ...     file = Path(work, "customers.csv")
    ...     _ = file.write_text("customer_id,name\\nC1,Ada\\n,Bob\\n")
    ...     _ = load(wh, file)
    ...     [exported] = export_quarantine(wh, Path(work))
    ...     _ = exported.file.write_text("quarantine_id,customer_id,name\\nQ1-2,C2,Bob\\n")
    ...     account = replay(wh, exported.file)
    ...     names = wh.rows("select name from entities.customers order by name")
    >>> account.rows_in, account.rows_loaded, names
    (1, 1, [('Ada',), ('Bob',)])
    """
    path = Path(corrected_file)
    given = read_corrected(path)
    layout = _layout(wh, path.name, given)
    with wh.transaction():
        told = _sort(wh, layout, given, is_asked_anew=bool(options))
        issues: tuple[Issue, ...] = ()
        if told.second:
            issues = _take_back(wh, path.name, given, told)
            told = _sort(wh, layout, given, is_asked_anew=bool(options))
        issues += _passed_over(told)
        if not told.chosen:
            return _nothing(path.name, layout, issues)
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / path.with_suffix(".csv" if layout.kind == "text" else ".ndjson").name
            part.write_bytes(_as_delivered(layout, given, told.chosen))
            [account] = load(
                wh,
                part,
                profile=layout.profile,
                source_system=layout.source_system,
                received_at=received_at or layout.received_at,
                show_values=show_values,
                progress=progress,
                **_options(layout, given, options),
            )
        if account.rows_in != len(told.chosen):
            raise UsageError(
                f"{path.name}: {len(told.chosen):,} records have a {ID_COLUMN}, but {account.rows_in:,} were "
                "read. Each record begins with its own id; look for quotes that do not end. Nothing came in."
            )
        _resolve(wh, account, given, told.chosen)
        removal = Removal()
        if account.load_id is not None:
            removal = complete(
                wh,
                layout.load_id,
                replayed_as=account.load_id,
                file=path.name,
                is_forced=bool(options.get("force")),
            )
            issues += removal.issues
            write_issues(wh, account.load_id, issues)
    rows_removed = sum(removal.removed.values())
    return replace(account, issues=account.issues + issues, rows_removed=rows_removed)


def _layout(wh: Warehouse, file: str, given: CorrectedFile) -> Layout:
    """Return how the records were read; all must be in quarantine, of one load that stands."""
    load_ids = sorted({one.load_id for one in given.records})
    if not load_ids:
        raise UsageError(f"{file}: no record with a {ID_COLUMN}.")
    if len(load_ids) > 1:
        raise UsageError(
            f"{file}: records of several loads ({load_ids}). Replay those of each load by itself."
        )
    known = set(quarantined(wh, load_id=load_ids[0], only_open=False)["record_number"])
    unknown = [one for one in given.records if one.record_number not in known]
    if unknown:
        names = ", ".join(quarantine_id(one.load_id, one.record_number) for one in unknown[:_LISTED])
        raise UsageError(
            f"{file}: {len(unknown)} ids are not in quarantine: {names}. Leave the ids as they are."
        )
    numbers = [one.record_number for one in given.records]
    twice = (
        sorted({one for one in numbers if numbers.count(one) > 1}) if len(set(numbers)) < len(numbers) else []
    )
    if twice:
        names = ", ".join(quarantine_id(load_ids[0], one) for one in twice[:_LISTED])
        raise UsageError(f"{file}: {names} come twice. Keep one of each.")
    if wh.rows("select 1 from ops.withdrawals where load_id = $load_id", load_id=load_ids[0]):
        raise UsageError(f"{file}: load {load_ids[0]} was withdrawn. Load its file again instead.")
    return read_layout(wh, load_ids[0])


def _sort(wh: Warehouse, layout: Layout, given: CorrectedFile, *, is_asked_anew: bool) -> _Sorted:
    """Tell which records are to be replayed, and which are passed over."""
    standing = _standing(wh)
    before: Mapping[int, bytes] = dict(
        wh.rows("select record_number, raw from ops.quarantine where load_id = $id", id=layout.load_id)
    )
    chosen: dict[int, Place] = {}
    second: dict[int, int] = {}
    as_before: list[str] = []
    replayed: list[str] = []
    for number, one in enumerate(given.records):
        name = quarantine_id(one.load_id, one.record_number)
        history = _history(standing, one.place)
        last = history[-1] if history else None
        is_in = last is not None and last.is_accepted
        reads_as_before = one.sha256 in {turn.sha256 for turn in history} or _is_same(
            layout, given, before[one.record_number], one.content
        )
        if reads_as_before and (is_in or not is_asked_anew):
            (replayed if is_in else as_before).append(name)
        elif last is None:
            chosen[number] = one.place
        elif last.is_accepted:
            second[number] = last.place[0]
        else:
            chosen[number] = last.place
    return _Sorted(chosen, tuple(as_before), tuple(replayed), second)


def _standing(wh: Warehouse) -> dict[Place, _Replayed]:
    """Return what became of every record that a standing replay brought."""
    return {
        (load_id, record): _Replayed((replay_id, number), outcome == "accepted", sha256)
        for load_id, record, replay_id, number, outcome, sha256 in wh.rows(_STANDING)
    }


def _history(standing: Mapping[Place, _Replayed], place: Place) -> list[_Replayed]:
    """Return the replays of a record in turn: each but the last set it aside again."""
    turns: list[_Replayed] = []
    while place in standing:
        turns.append(standing[place])
        place = turns[-1].place
    return turns


def _take_back(wh: Warehouse, file: str, given: CorrectedFile, told: _Sorted) -> tuple[Issue, ...]:
    """Withdraw the replays of what reads otherwise now; the file must hold all that they brought."""
    standing = _standing(wh)
    held: set[Place] = set()
    for number, one in enumerate(given.records):
        history = _history(standing, one.place)
        if history and (number in told.second or history[-1].sha256 == one.sha256):
            held.add(history[-1].place)
    issues = []
    for load_id in sorted(set(told.second.values())):
        names = [_name(given, number) for number, of in told.second.items() if of == load_id]
        taken = set(with_replays(wh, load_id))
        if not taken:
            continue  # went with one before
        brought = [one.place for one in standing.values() if one.is_accepted and one.place[0] in taken]
        lacking = [
            quarantine_id(*origin)
            for origin, one in standing.items()
            if one.is_accepted and one.place[0] in taken and one.place not in held
        ]
        if lacking:
            raise UsageError(
                f"{file}: {_listed(names)} came in with load {load_id}, and read otherwise now. A replay is "
                f"taken back as a whole, and this file lacks what it brought of {_listed(lacking)}. Put them "
                f"into the file as they were corrected, or withdraw load {load_id} (`crm-analytics unload "
                f"{load_id}`) and replay all that is right."
            )
        unload(wh, load_id, reason=f"corrected again by {file}")
        detail = (
            f"load {load_id} was withdrawn: {_listed(names)} read otherwise now; all it brought is replayed"
        )
        issues.append(Issue("replay_withdrawn", "", detail, len(brought)))
    return tuple(issues)


def _passed_over(told: _Sorted) -> tuple[Issue, ...]:
    """Say which records of the file are not replayed, and why."""
    found = {
        "not_corrected": (told.as_before, "read as when they were set aside, and wait"),
        "replayed_before": (told.replayed, "came in before (withdraw that replay to read them otherwise)"),
    }
    return tuple(
        Issue(issue, "", f"passed over: {_listed(names)} {why}", len(names))
        for issue, (names, why) in found.items()
        if names
    )


def _name(given: CorrectedFile, number: int) -> str:
    return quarantine_id(*given.records[number].place)


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(list(names)[:_LISTED]) + more


def _is_same(layout: Layout, given: CorrectedFile, raw: bytes, content: bytes) -> bool:
    if layout.kind != "text":
        try:
            return bool(json.loads(raw) == json.loads(content))
        except ValueError:
            return False
    told = exported_bytes(layout, raw)
    if given.encoding is not None and not encoding_of(layout, raw).startswith("utf"):
        told = told.decode(encoding_of(layout, raw), "replace").encode(given.encoding)
    return told == content.rstrip(b"\r\n")


def _as_delivered(layout: Layout, given: CorrectedFile, chosen: Collection[int]) -> bytes:
    """Return the chosen records in the layout of their file; each line keeps its number."""
    if layout.kind != "text":
        return b"".join(given.records[number].content + b"\n" for number in chosen)
    pieces = [given.header if layout.has_header else b"", b"\n"]
    for number, one in enumerate(given.records):
        if number not in chosen:
            pieces.append(b"\n" * one.lines)
        else:
            pieces.append(one.content if one.content.endswith(b"\n") else one.content + b"\n")
    return b"".join(pieces)


def _options(layout: Layout, given: CorrectedFile, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the load: as before, but for what the corrected file changed."""
    # The corrected records of a snapshot are no snapshot.
    changed: dict[str, Any] = {"skip_rows": 0, "snapshot": False}
    if not options:
        # What was corrected is a record, says the person who did; with other options all are tried anew.
        changed["bare_ends"] = "keep"
    if layout.kind == "text":
        is_blank = layout.delimiter == WHITESPACE
        changed["delimiter"] = WHITESPACE if is_blank else given.delimiter
        utf_16 = layout.encoding is not None and "utf-16" in codecs.lookup(layout.encoding).name
        changed["encoding"] = given.encoding or ("utf-8" if utf_16 else layout.encoding)
    else:
        changed["encoding"] = None
    return {**layout.options, **changed, **options}


def _nothing(file: str, layout: Layout, issues: tuple[Issue, ...]) -> Load:
    return Load(
        file=file,
        profile=layout.profile,
        status="unchanged",
        rows_in=0,
        rows_loaded=0,
        rows_quarantined=0,
        rows_merged=0,
        issues=(Issue("nothing_new", "", "nothing was replayed", 0), *issues),
    )


def _resolve(wh: Warehouse, account: Load, given: CorrectedFile, chosen: Mapping[int, Place]) -> None:
    again = {
        row[0]
        for row in wh.rows("select record_number from ops.quarantine where load_id = $id", id=account.load_id)
    }
    now = datetime.now(UTC)
    rows = [
        {
            "load_id": corrects[0],
            "record_number": corrects[1],
            "replay_load_id": account.load_id,
            "replay_record_number": number,
            "outcome": "set_aside" if number in again else "accepted",
            "content_sha256": given.records[place].sha256,
            "resolved_at": now,
        }
        for number, (place, corrects) in enumerate(chosen.items(), start=1)
    ]
    wh.append("ops.quarantine_resolutions", pa.Table.from_pylist(rows))
