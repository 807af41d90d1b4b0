"""How are single records kept from a shell?  ``crm-analytics records add``, update, get, find, history ...

The verbs of `crm_analytics.RecordStore`, JSON in and out. Numbers in JSON stay exact: 19.99 is no float.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_analytics.cli import output as out
from crm_analytics.cli.session import Json, Limit, SettingsFile, read_settings
from crm_analytics.errors import UsageError

if TYPE_CHECKING:
    from crm_analytics.records import Record, RecordStore
    from crm_analytics.schema import Entity

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
    with _open(store, settings_file, by) as records:
        _show([records.entity(entity).add(_object(values))], as_json=as_json)


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
    with _open(store, settings_file, by) as records:
        kept = records.entity(entity)
        changed = kept.update(_id(kept.key, record_id), _object(values), expected_version=expected_version)
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
    with _open(store, settings_file, by) as records:
        kept = records.entity(entity)
        _show([kept.delete(_id(kept.key, record_id), expected_version=expected_version)], as_json=as_json)


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
    with _open(store, settings_file) as records:
        kept = records.entity(entity)
        _show([kept.get(_id(kept.key, record_id), as_of=_moment(as_of))], as_json=as_json)


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
    with _open(store, settings_file) as records:
        wanted = _equals(records, entity, equals or [])
        found = records.entity(entity).find(
            as_of=_moment(as_of), order=order, limit=None if as_json else limit + 1, **wanted
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
    with _open(store, settings_file) as records:
        kept = records.entity(entity)
        versions = kept.history(_id(kept.key, record_id))
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
    out.print_table(f"{entity}: {len(versions)} versions", ["version", "recorded", "by", "what"], rows)


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
    with _open(store, settings_file, by) as records:
        kept = records.entity(entity)
        rows = _rows(file, kept.declared)
        written = kept.update_many(rows) if update_known else kept.add_many(rows)
        if as_json:
            out.print_json(written)
        else:
            out.print_lines(f"{entity}: {len(written):,} records written.")


@app.command()
def export(
    entity: EntityName,
    as_of: RecordedBefore = None,
    store: Store = None,
    settings_file: SettingsFile = None,
) -> None:
    """Write all records of an entity to standard output, one JSON object a line."""
    with _open(store, settings_file) as records:
        for record in records.entity(entity).find(as_of=_moment(as_of)):
            sys.stdout.write(json.dumps(out.plain(record), ensure_ascii=False) + "\n")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="new file; a SQLite record store")],
    store: Store = None,
    settings_file: SettingsFile = None,
) -> None:
    """Write a verified copy of this moment, while others go on writing."""
    with _open(store, settings_file) as records:
        out.print_lines(f"{records.backup(file)}: written and verified.")


@app.command()
def verify(store: Store = None, settings_file: SettingsFile = None) -> None:
    """Look through the whole record store for damage."""
    with _open(store, settings_file) as records:
        out.print_lines(f"{records.path}: whole; {records.verify():,} versions are what was written.")


@contextmanager
def _open(store: str | None, settings_file: Path | None, by: str | None = None) -> Iterator[RecordStore]:
    import crm_analytics as crm

    place = store or read_settings(settings_file).paths.records
    if place is None:
        raise UsageError(
            "Which record store?  Name it: --store crm.records.db, or records in crm.toml under [paths], "
            "or the variable CRM_RECORDS."
        )
    with crm.RecordStore.open(place, changed_by=by) as records:
        yield records


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=str)  # 19.99 stays what was written
    except ValueError as error:
        raise UsageError(f'This is not JSON: {error}. Write it as \'{{"name": "Ada"}}\'.') from None


def _object(text: str) -> dict[str, Any]:
    given = _json(sys.stdin.read() if text == "-" else text)
    if not isinstance(given, dict):
        raise UsageError('A JSON object of columns expected, as \'{"name": "Ada"}\'.')
    return given


def _id(key: Sequence[str], text: str) -> Any:
    return text if len(key) == 1 else _json(text)


def _moment(text: str | None) -> date | datetime | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-of {text!r} is no day and no moment. Write 2025-07-01 or 2025-07-01T09:30:00+00:00."
        ) from None


def _equals(records: RecordStore, entity: str, given: list[str]) -> dict[str, Any]:
    declared = records.entity(entity).declared
    wanted: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"{text!r}: write COLUMN=VALUE, as city=Bonn.")
        wanted[name] = _typed(declared, name, value)
    return wanted


def _rows(file: Path, declared: Entity) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not UTF-8. Save it as UTF-8.") from None
    if file.suffix == ".csv":
        lines = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="")
        try:
            rows = list(lines)
        except csv.Error as error:
            raise UsageError(f"{file}: line {lines.line_num}: {error}.") from None
        for number, row in enumerate(rows, start=1):
            if "" in row or None in row.values():
                raise UsageError(f"{file}: row {number} has not as many cells as the header.")
        return [{name: _typed(declared, name, cell) for name, cell in row.items()} for row in rows]
    given = _json(text) if file.suffix == ".json" else [_json(line) for line in text.splitlines() if line]
    if not isinstance(given, list):
        raise UsageError(f"{file}: a JSON list of objects expected.")
    return given


def _typed(declared: Entity, name: str, text: str) -> Any:
    """Turn the text of a cell into what its column takes; what does not fit is left for validation."""
    if text == "":
        return None
    types = {column.name: column.type for column in declared.columns} | {"version": "BIGINT"}
    if types.get(name) == "BOOLEAN":
        return {"true": True, "false": False}.get(text.lower(), text)
    if types.get(name) == "BIGINT" and text.lstrip("-").isdecimal() and text.isascii():
        return int(text)
    return text


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
    out.print_table(f"{entity}: {len(found):,} records", shown or ["nothing found"], rows, note=note)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
