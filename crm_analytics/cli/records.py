"""How are single records kept from a shell?  ``crm-analytics records add``, update, get, find, history ...

The verbs of `crm_analytics.RecordStore`, JSON in and out. Numbers in JSON stay exact: 19.99 is no float.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_analytics.cli import output as out
from crm_analytics.cli.record_input import read_equals, read_id, read_moment, read_object, read_rows
from crm_analytics.cli.session import Json, Limit, SettingsFile, read_settings
from crm_analytics.errors import UsageError
from crm_analytics.reports.words import count

if TYPE_CHECKING:
    from crm_analytics.records import Record, RecordStore
    from crm_analytics.settings import Settings

app = typer.Typer(
    help="The record store: what people and apps write, one record at a time.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

EntityName = Annotated[str, typer.Argument(metavar="ENTITY", help="customers, tasks, tickets ...")]
Id = Annotated[str, typer.Argument(help="id of the record; where several columns identify it, JSON of them")]
Values = Annotated[
    str, typer.Argument(metavar="JSON", help="""columns, as '{"name": "Ada"}'; - reads them""")
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store", envvar="CRM_RECORDS", help="SQLite file or postgresql:// URL; default: that of crm.toml"
    ),
]
ChangedBy = Annotated[str | None, typer.Option("--by", help="who writes; kept with the version")]
Expected = Annotated[
    int | None, typer.Option("--expected-version", min=1, help="refuse when it is at another version by now")
]
RecordedBefore = Annotated[
    str | None,
    typer.Option("--as-of", help="as recorded before this day or moment (ISO 8601)", metavar="TIME"),
]

_SHOWN_COLUMNS = 8
_LEFT_OUT_OF_A_TABLE = ("recorded_at", "changed_by", "is_deleted", "created_at", "modified_at")


@app.command()
def add(
    entity: EntityName,
    values: Values,
    by: ChangedBy = None,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Write a new record; an id is made where none is given."""
    with open_records(store, settings_file, by, create=True) as records:
        _show([records.entity(entity).add(read_object(values))], as_json=as_json)


@app.command()
def update(
    entity: EntityName,
    record_id: Id,
    values: Values,
    expected_version: Expected = None,
    by: ChangedBy = None,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Change some columns of a record; null empties one."""
    with open_records(store, settings_file, by) as records:
        kept = records.entity(entity)
        changed = kept.update(
            read_id(kept.key, record_id), read_object(values), expected_version=expected_version
        )
        _show([changed], as_json=as_json)


@app.command()
def delete(
    entity: EntityName,
    record_id: Id,
    expected_version: Expected = None,
    by: ChangedBy = None,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Say that a record is gone; its history stays."""
    with open_records(store, settings_file, by) as records:
        kept = records.entity(entity)
        _show([kept.delete(read_id(kept.key, record_id), expected_version=expected_version)], as_json=as_json)


@app.command()
def get(
    entity: EntityName,
    record_id: Id,
    as_of: RecordedBefore = None,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Show one record, as it is or as it was."""
    with open_records(store, settings_file) as records:
        kept = records.entity(entity)
        _show([kept.get(read_id(kept.key, record_id), as_of=read_moment(as_of))], as_json=as_json)


@app.command()
def find(
    entity: EntityName,
    equals: Annotated[
        list[str] | None, typer.Argument(metavar="COLUMN=VALUE", help="as city=Bonn; city= finds empty ones")
    ] = None,
    order: Annotated[str | None, typer.Option(help="column to order by; -column: descending")] = None,
    as_of: RecordedBefore = None,
    limit: Limit = 40,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """List the records whose columns hold the given values."""
    with open_records(store, settings_file) as records:
        wanted = read_equals(records, entity, equals or [])
        found = records.entity(entity).find(
            as_of=read_moment(as_of), order=order, limit=None if as_json else limit + 1, **wanted
        )
        _show_many(entity, found[: None if as_json else limit], len(found) > limit, as_json=as_json)


@app.command()
def history(
    entity: EntityName,
    record_id: Id,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """List every version of a record, the oldest first: what changed, when, by whom."""
    with open_records(store, settings_file) as records:
        kept = records.entity(entity)
        versions = kept.history(read_id(kept.key, record_id))
    if as_json:
        out.print_json(versions)
        return
    rows = []
    before: Mapping[str, Any] = {}
    for version in versions:
        changed = [
            f"{name}={out.cell(value)}"
            for name, value in version.items()
            if name not in (*_LEFT_OUT_OF_A_TABLE, "version") and value != before.get(name)
        ]
        told = "deleted" if version.is_deleted else ", ".join(changed)
        rows.append((version.version, _when(version.recorded_at), version["changed_by"] or "", told))
        before = version
    out.print_table(
        f"{entity}: {count(len(versions), 'version')}", ["version", "recorded", "by", "what"], rows
    )


@app.command("import")
def import_(
    entity: EntityName,
    file: Annotated[Path, typer.Argument(help=".csv, .json (a list) or .jsonl; - reads JSON Lines")],
    update_known: Annotated[
        bool, typer.Option("--update", help="the rows change records that are there")
    ] = False,
    by: ChangedBy = None,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Write all rows of a file as one change: all of them are kept, or none."""
    with open_records(store, settings_file, by, create=True) as records:
        kept = records.entity(entity)
        rows = read_rows(file, kept.declared)
        written = kept.update_many(rows) if update_known else kept.add_many(rows)
        if as_json:
            out.print_json(written)
        else:
            out.print_lines(f"{entity}: {count(len(written), 'record')} written.")


@app.command()
def export(
    entity: EntityName,
    as_of: RecordedBefore = None,
    store: Store = None,
    settings_file: SettingsFile = None,
) -> None:
    """Write all records of an entity to standard output, one JSON object a line."""
    with open_records(store, settings_file) as records:
        for record in records.entity(entity).find(as_of=read_moment(as_of)):
            sys.stdout.write(json.dumps(out.plain(record), ensure_ascii=False) + "\n")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="new file; a SQLite record store")],
    store: Store = None,
    settings_file: SettingsFile = None,
) -> None:
    """Write a verified copy of this moment, while others go on writing."""
    with open_records(store, settings_file) as records:
        out.print_lines(f"{records.backup(file)}: written and verified.")


@app.command()
def verify(store: Store = None, settings_file: SettingsFile = None) -> None:
    """Look through the whole record store for damage."""
    with open_records(store, settings_file) as records:
        told = count(records.verify(), "version is", "versions are")
        out.print_lines(f"{records.path}: whole; {told} what was written.")


@app.command()
def erase(
    entity: EntityName,
    record_id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask; it cannot be taken back")] = False,
    store: Store = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Remove a record with its history, and what is about the same person, from this store alone.

    Whoever the warehouse knows too is erased by ``crm-analytics erase``.
    """
    with open_records(store, settings_file) as records:
        kept = records.entity(entity)
        named = read_id(kept.key, record_id)
        kept.history(named)  # whatever was never here is told before anything is asked
        question = "Erase this record and all that is about it? It cannot be taken back"
        if not yes and not typer.confirm(question, err=True):
            raise typer.Exit(1)
        erased = records.erase({entity: [named]})
    if as_json:
        out.print_json(asdict(erased))
        return
    for name, number in erased.records.items():
        out.print_lines(f"{name}: {count(number, 'record')} erased.")


def record_store_place(settings: Settings) -> str | Path | None:
    """Return where the record store is: as the variable CRM_RECORDS or the settings say."""
    return os.environ.get("CRM_RECORDS") or settings.paths.records


def is_there(place: str | Path) -> bool:
    """Is there a record store at a place?  Of a server the server says."""
    return "://" in str(place) or Path(place).is_file()


@contextmanager
def open_records(
    store: str | None, settings_file: Path | None, by: str | None = None, *, create: bool = False
) -> Iterator[RecordStore]:
    """Open the record store that is named, else that of the settings; only what writes may create it."""
    import crm_analytics as crm

    place = store or record_store_place(read_settings(settings_file))
    if place is None:
        raise UsageError(
            "Which record store?  Name it: --store crm.records.db, or records in crm.toml under [paths], "
            "or the variable CRM_RECORDS."
        )
    if not create and not is_there(place):
        raise UsageError(
            f"{place}: there is no record store; nothing was created. Name the file (--store); a new store "
            "begins with `crm-analytics records add` or import."
        )
    with crm.RecordStore.open(place, changed_by=by) as records:
        yield records


def _show(shown: list[Record], *, as_json: bool) -> None:
    (record,) = shown
    if as_json:
        out.print_json(record)
        return
    filled = {name: out.cell(value) for name, value in record.items() if value is not None}
    width = max(map(len, filled))
    out.print_lines(*(f"{name:<{width}}  {value}" for name, value in filled.items()))


def _show_many(entity: str, found: Sequence[Record], has_more: bool, *, as_json: bool) -> None:
    if as_json:
        out.print_json(found)
        return
    used = [
        name
        for name in (found[0] if found else ())
        if name not in _LEFT_OUT_OF_A_TABLE and any(record[name] is not None for record in found)
    ]
    shown = [
        *used[:_SHOWN_COLUMNS],
        *(["version"] if "version" not in used[:_SHOWN_COLUMNS] and found else []),
    ]
    rows = [[out.cell(record[name]) for name in shown] for record in found]
    more = "More are there; --limit shows them. " if has_more else ""
    hidden = len(used) - len(shown)
    note = f"{more}{hidden} more columns: --json has all." if hidden > 0 else more.strip()
    out.print_table(f"{entity}: {count(len(found), 'record')}", shown or ["nothing found"], rows, note=note)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
