"""What came in, how is it looked at, mended and taken back?  load, loads, quarantine, replay, unload."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_analytics.cli import FAILED, SOME_REFUSED
from crm_analytics.cli import output as out
from crm_analytics.cli.reading import (
    BareEnds,
    Brackets,
    Calendar,
    DateFormat,
    DecimalMark,
    DefaultCountry,
    DefaultCurrency,
    Delimiter,
    Duplicates,
    Encoding,
    Guest,
    MoneyUnit,
    ReceivedAt,
    ShowValues,
    SkipRows,
    Thousands,
    TimeZone,
    read_delimiter,
)
from crm_analytics.cli.session import (
    Json,
    Limit,
    SettingsFile,
    open_warehouse,
    read_settings,
    show_trouble,
)
from crm_analytics.errors import CrmError, InputError, UsageError

if TYPE_CHECKING:
    from crm_analytics.ingest import Load
    from crm_analytics.ingest.reconcile import Control
    from crm_analytics.warehouse import Warehouse
    from crm_analytics.warehouse.run_log import LoadRecord

app = typer.Typer(rich_markup_mode=None)
quarantine = typer.Typer(
    help="Records that were set aside: list, look at, export for correction.", rich_markup_mode=None
)
app.add_typer(quarantine, name="quarantine")


def _load_number(text: str) -> int:
    """Return the number of a load."""
    if not text.strip().isdecimal():
        raise typer.BadParameter(
            f"{text!r} is no number of a load. `crm-analytics loads` lists them, as 1 or 2."
        )
    return int(text)


LoadNumber = Annotated[
    int | None,
    typer.Option("--load", help="only those of this load", metavar="ID", parser=_load_number),
]

# Columns of the list that fit a terminal, and what they are called there; --json has all.
LOADS_COLUMNS = {
    "load_id": "id",
    "received_on": "received",
    "file": "file",
    "profile": "profile",
    "status": "status",
    "rows_in": "in",
    "rows_loaded": "loaded",
    "rows_merged": "merged",
    "rows_quarantined": "set aside",
    "rows_open": "still open",
    "reason": "reason",
}


@app.command()
def load(
    paths: Annotated[list[Path], typer.Argument(help="export files or folders")],
    profile: Annotated[str | None, typer.Option(help="import profile; default: detected")] = None,
    source_system: Annotated[str | None, typer.Option(help="name the ids are scoped by")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    decimal: DecimalMark = None,
    date_format: DateFormat = None,
    skip_rows: SkipRows = None,
    timezone: TimeZone = None,
    default_country: DefaultCountry = None,
    default_currency: DefaultCurrency = None,
    thousands: Thousands = None,
    calendar: Calendar = None,
    brackets: Brackets = None,
    money_unit: MoneyUnit = None,
    guest: Guest = None,
    bare_ends: BareEnds = None,
    duplicates: Duplicates = None,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="the file holds all rows there are: those it lacks are gone")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="a snapshot may remove more than a fifth of the rows")
    ] = False,
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="what one file adds up to: records=120, amount=1234.50, amount:EUR=1000",
            metavar="NAME=TOTAL",
        ),
    ] = None,
    received_at: ReceivedAt = None,
    max_expanded_bytes: Annotated[
        int | None, typer.Option(min=1, help="how large a compressed file may become")
    ] = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="each file in a process of its own: for files of strangers")
    ] = False,
    show_values: ShowValues = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Load export files into the warehouse; options here go before those of crm.toml."""
    import crm_analytics as crm
    from crm_analytics.ingest.ledger import last_load_id
    from crm_analytics.ingest.load import refused_load

    given = {
        "profile": profile,
        "source_system": source_system,
        "encoding": encoding,
        "delimiter": read_delimiter(delimiter),
        "decimal": decimal,
        "date_format": date_format,
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
        "duplicates": duplicates,
        "received_at": received_at,
        "max_expanded_bytes": max_expanded_bytes,
        "snapshot": snapshot or None,
        "isolate": isolate or None,
        "control_totals": _control_totals(control or [], paths),
    }
    settings = read_settings(settings_file)
    how = asdict(settings.ingest) | {name: value for name, value in given.items() if value is not None}
    skipped = _check_paths(paths)
    done: list[Load] = []
    refused_paths = 0
    with open_warehouse(settings, create=True) as wh, out.byte_progress("load") as progress:
        for path in paths:
            try:
                done += crm.load(wh, path, **how, force=force, show_values=show_values, progress=progress)
            except InputError as refusal:
                refused_paths += 1
                done.append(refused_load(path.name, refusal, last_load_id(wh)))
    _show_loads(done, skipped, as_json=as_json)
    show_trouble(done)
    if any(load.trouble for load in done):
        raise typer.Exit(FAILED if refused_paths == len(paths) else SOME_REFUSED)


@app.command()
def loads(
    show: Annotated[
        int | None,
        typer.Option(help="all there is to say of one load", metavar="ID", parser=_load_number),
    ] = None,
    hide_unchanged: Annotated[
        bool, typer.Option("--hide-unchanged", help="leave out files that had been loaded before")
    ] = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 40,
) -> None:
    """List every load there ever was, the newest first: refused, unchanged and withdrawn ones too."""
    from crm_analytics.warehouse.run_log import load_accounts, load_record

    with open_warehouse(read_settings(settings_file)) as wh:
        if show is not None:
            _show_record(load_record(wh, show), as_json=as_json)
            return
        accounts = load_accounts(wh)
    if hide_unchanged:
        accounts = accounts[accounts["status"] != "unchanged"]
    accounts = accounts.iloc[::-1]
    if as_json:
        out.print_frame("Loads", accounts, as_json=True, limit=limit)
        return
    shown = accounts[list(LOADS_COLUMNS)].rename(columns=LOADS_COLUMNS)
    shown["reason"] = shown["reason"].fillna("")
    out.print_frame("Loads", shown, as_json=False, limit=limit)


@app.command()
def unload(
    load_id: Annotated[
        int, typer.Argument(help="number of the load (crm-analytics loads)", parser=_load_number)
    ],
    reason: Annotated[str, typer.Option(help="why; kept with the fact")] = "",
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Withdraw a load: nothing is deleted, it counts no more, and its file can be loaded again."""
    import crm_analytics as crm

    with open_warehouse(read_settings(settings_file)) as wh:
        taken_back = crm.unload(wh, load_id, reason=reason)
    if as_json:
        out.print_json(asdict(taken_back))
        return
    versions = ", ".join(f"{count:,} of {name}" for name, count in taken_back.versions.items())
    out.print_lines(
        f"Withdrawn: load {load_id} ({taken_back.file}); rows that no longer count: {versions or 'none'}."
    )
    replays = [str(one) for one in taken_back.load_ids if one != load_id]
    if replays:
        out.print_lines(f"With it went the replays of its quarantine: load {', '.join(replays)}.")
    if taken_back.repeated_in:
        out.print_lines(
            f"Rows that other files said as well stay as told there: {', '.join(taken_back.repeated_in)}."
        )


@quarantine.callback(invoke_without_command=True)
def quarantine_alone(context: typer.Context) -> None:
    """Records that were set aside: list, look at, export for correction."""
    if context.invoked_subcommand is None:
        quarantine_list()


@quarantine.command("list")
def quarantine_list(
    name: Annotated[str | None, typer.Argument(hidden=True)] = None,
    load_id: LoadNumber = None,
    records: Annotated[bool, typer.Option("--records", help="every record, not their number")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="also replayed and withdrawn ones")] = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 40,
) -> None:
    """Count the records that were set aside and wait for a correction, by load, reason and column."""
    from crm_analytics.ingest.quarantine import quarantine_id, quarantined

    if name is not None:
        raise UsageError(
            f"quarantine list takes no {name!r}. One record: quarantine show Q7-42 (load 7, record 42); "
            "those of one load: quarantine list --load 7 --records."
        )
    with open_warehouse(read_settings(settings_file)) as wh:
        _check_load(wh, load_id)
        found = quarantined(wh, load_id=load_id, only_open=not show_all)
    if found.empty and not as_json:
        out.print_lines(f"Nothing{_of_load(load_id)} is in quarantine.")
        return
    if records:
        pairs = zip(found["load_id"], found["record_number"], strict=True)
        found.insert(0, "id", [quarantine_id(*pair) for pair in pairs])
        columns = ("id", "file", "line_number", "column_name", "reason", "raw_length", "status")
        out.print_frame("Quarantine", found, as_json=as_json, limit=limit, columns=columns)
        return
    keys = ["load_id", "file", "reason", "column_name", "status"]
    counts = found.groupby(keys, as_index=False).agg(
        records=("record_number", "size"),
        first_record=("record_number", "min"),
        first_line=("line_number", "min"),
    )
    out.print_frame("Quarantine", counts, as_json=as_json, limit=limit)
    if not as_json:
        out.print_lines("One of them: quarantine show ID (as Q7-42); to mend them: quarantine export FOLDER.")


@quarantine.command("show")
def quarantine_show(
    name: Annotated[str, typer.Argument(help="id of the record, as Q7-42: load 7, record 42", metavar="ID")],
    show_values: ShowValues = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Show one record: where it stands, what is wrong with it, what to do, and what it says."""
    from crm_analytics.ingest.quarantine import set_aside_record

    with open_warehouse(read_settings(settings_file)) as wh:
        record = set_aside_record(wh, name)
    text = record.text(show_values=show_values)
    told = {key: value for key, value in asdict(record).items() if key != "raw"} | {"text": text}
    if as_json:
        out.print_json(told)
        return
    column = f", column {record.column_name!r}" if record.column_name else ""
    out.print_lines(
        f"{record.quarantine_id} ({record.status}): {record.file}, record {record.record_number}, "
        f"line {record.line_number}{column}",
        f"{record.reason}: {record.advice}",
        text,
        *([] if show_values else ["Letters are shown as x and digits as 9; --show-values shows them."]),
    )


@quarantine.command("export")
def quarantine_export(
    folder: Annotated[Path, typer.Argument(help="folder that gets the files")],
    load_id: LoadNumber = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Write the open records as they were delivered, to be corrected and replayed; with their places."""
    from crm_analytics.ingest.quarantine import export_quarantine

    with open_warehouse(read_settings(settings_file)) as wh:
        _check_load(wh, load_id)
        written = export_quarantine(wh, folder, load_id=load_id)
    if as_json:
        out.print_json([asdict(one) for one in written])
        return
    if not written:
        out.print_lines(f"Nothing{_of_load(load_id)} is in quarantine; nothing was written.")
    for one in written:
        out.print_lines(
            f"Wrote {one.file} ({one.count:,} records of load {one.load_id}); places: {one.places.name}."
        )
        if one.too_long:
            out.print_lines(
                f"{one.too_long:,} records of more than 1 MB are in the places only: mend the file itself."
            )
    if written:
        out.print_lines("Correct the records, leave their ids, then: crm-analytics replay FILE.")


def _check_load(wh: Warehouse, load_id: int | None) -> None:
    """Refuse the number of a load that never was."""
    from crm_analytics.warehouse.run_log import load_record

    if load_id is not None:
        load_record(wh, load_id)


def _of_load(load_id: int | None) -> str:
    return "" if load_id is None else f" of load {load_id}"


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="corrected files of quarantine export")],
    received_at: Annotated[
        str | None,
        typer.Option(
            help="when the records were learned; default: when their file was received", metavar="TIME"
        ),
    ] = None,
    decimal: Annotated[str | None, typer.Option(help="decimal mark, instead of that of the load")] = None,
    date_format: Annotated[str | None, typer.Option(help="how dates are written, instead")] = None,
    timezone: Annotated[str | None, typer.Option(help="time zone of the times, instead")] = None,
    bare_ends: BareEnds = None,
    show_values: ShowValues = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Load corrected records; what still reads as before, or was replayed before, is passed over."""
    import crm_analytics as crm

    given = {
        "decimal": decimal,
        "date_format": date_format,
        "timezone": timezone,
        "bare_ends": bare_ends,
    }
    options = {name: value for name, value in given.items() if value is not None}
    done: list[Load] = []
    refused: list[CrmError] = []
    with open_warehouse(read_settings(settings_file)) as wh, out.byte_progress("replay") as progress:
        for file in files:
            try:
                done.append(
                    crm.replay(
                        wh,
                        file,
                        received_at=received_at,
                        show_values=show_values,
                        progress=progress,
                        **options,
                    )
                )
            except InputError as refusal:
                refused.append(refusal)
    _show_loads(done, [], as_json=as_json)
    for error in refused:
        out.print_error("Refused", str(error))
    show_trouble(done)
    if refused or any(load.trouble for load in done):
        raise typer.Exit(SOME_REFUSED if done else FAILED)


def _control_totals(given: list[str], paths: list[Path]) -> dict[str, object] | None:
    pairs = [one.partition("=") for one in given]
    odd = [one for one, pair in zip(given, pairs, strict=True) if not all(pair)]
    if odd:
        raise UsageError(f"--control {odd[0]!r} is no total. Write it as records=120 or amount=1234.50.")
    if given and len(paths) > 1:
        raise UsageError("--control is about one file: load the files one by one.")
    return {name: total for name, _, total in pairs} or None


def _check_paths(paths: list[Path]) -> list[Path]:
    """Check every path before anything is loaded; return the files of folders that are passed over."""
    from crm_analytics.ingest.inbox import exports, passed_over
    from crm_analytics.ingest.kinds import SUFFIXES

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"{', '.join(missing)}: no such file or folder. Nothing was loaded.")
    folders = [path for path in paths if path.is_dir()]
    empty = [str(folder) for folder in folders if not exports(folder)]
    if empty:
        raise UsageError(
            f"{', '.join(empty)}: no export file in it. Nothing was loaded. Endings that are read: "
            f"{', '.join(SUFFIXES)}."
        )
    return [file.relative_to(folder) for folder in folders for file in passed_over(folder)]


def _show_loads(loads: list[Load], skipped: list[Path], *, as_json: bool) -> None:
    columns = ["file", "profile", "status", "rows_in", "rows_loaded", "rows_quarantined", "rows_merged"]
    if any(load.rows_removed for load in loads):
        columns.append("rows_removed")
    rows = [[_shown(load, name) for name in columns] for load in loads]
    if as_json:
        passed_over = [{"file": str(file), "status": "skipped"} for file in skipped]
        out.print_json([asdict(load) for load in loads] + passed_over)
    else:
        out.print_table("Loads", columns, [[out.cell(value) for value in row] for row in rows])
        for load in loads:
            reasons = [f"{count} set aside: {name}" for name, count in load.reasons.items() if count]
            if reasons:
                out.print_lines(f"{load.file}: {', '.join(reasons)}")
            for control in load.controls:
                is_more = "_with_" in control.control
                if control.difference or control.scope == "given" or is_more:
                    out.print_lines(f"{load.file}: {_compared(control)}")
            for issue in load.issues:
                if issue.detail in (load.trouble or ""):
                    continue  # told below, in a block of its own
                if issue.issue == "not_loaded":
                    out.print_lines(issue.detail)
                    continue
                told = (issue.issue, issue.column_name, issue.detail)
                out.print_lines(f"{load.file}: {' '.join(filter(None, told))}")
        out.print_lines(*(f"skipped: {file}" for file in skipped))


def _shown(load: Load, name: str) -> object:
    """Return what the list shows of a load; a known table that is not loaded looks like no refusal."""
    return "not loaded" if name == "status" and "not_loaded" in load.reasons else getattr(load, name)


def _compared(control: Control) -> str:
    scope = "" if control.scope in ("given", "file") else control.scope
    what = " ".join(part for part in (control.control, scope, control.source_id) if part)
    verdict = f"differs by {out.exact(control.difference)}" if control.difference else "agrees"
    return (
        f"{what.replace('_', ' ')} {verdict}: the source says {out.exact(control.theirs)}, "
        f"counted {out.exact(control.ours)}"
    )


def _show_record(record: LoadRecord, *, as_json: bool) -> None:
    if as_json:
        out.print_json(asdict(record))
        return
    account = record.account
    out.print_table(
        f"Load {account['load_id']}: {account['file']}",
        ["", "value"],
        [[name, out.cell(value)] for name, value in account.items() if value is not None],
    )
    for title, rows in (
        ("What each entity got", record.entities),
        ("Set aside", record.reasons),
        ("Controls: what the source says, and what was counted here", record.controls),
        ("Noticed", record.issues),
    ):
        if rows:
            out.print_table(
                title, list(rows[0]), [[out.cell(value) for value in row.values()] for row in rows]
            )
