"""What is kept of a person, who did what, and how is a second copy made?  Erase, export, verify, back up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_analytics.cli import FAILED
from crm_analytics.cli import output as out
from crm_analytics.cli.records import is_there, record_store_place
from crm_analytics.cli.session import Json, SettingsFile, open_warehouse, read_settings

if TYPE_CHECKING:
    from crm_analytics.records import RecordStore
    from crm_analytics.settings import Settings
    from crm_analytics.warehouse import Warehouse

app = typer.Typer(rich_markup_mode=None)

Customer = Annotated[
    str, typer.Argument(help="customer_id or system:id, source id, e-mail address or telephone number")
]


@app.command()
def erase(
    customer: Customer,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask; it cannot be taken back")] = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Remove a person from the bytes of the store: records, scores, quarantine, published runs."""
    import crm_analytics as crm
    from crm_analytics.privacy.stores import sync_stores
    from crm_analytics.privacy.subject import find

    settings = read_settings(settings_file)
    with open_warehouse(settings) as wh, _records(settings, wh) as records:
        sync_stores(wh, records)
        find(wh, customer)  # whoever is not known is told before anything is asked
        question = "Erase this person from everything? It cannot be taken back"
        if not yes and not typer.confirm(question, err=True):
            raise typer.Exit(1)
        receipt = crm.erase(wh, customer, records=records, published=settings.paths.published)
    if as_json:
        out.print_json(asdict(receipt))
        return
    rows = [
        *([name, count, "removed"] for name, count in receipt.rows_removed.items()),
        *([name, count, "emptied"] for name, count in receipt.rows_emptied.items()),
        *([f"record store: {name}", count, "removed"] for name, count in receipt.records_removed.items()),
    ]
    out.print_table(f"Erasure {receipt.erasure_id}", ["table", "rows", "what"], rows)
    if receipt.runs_removed:
        out.print_lines(
            f"{len(receipt.runs_removed)} published runs were removed. Make a new one: crm-analytics nightly."
        )
    for path in receipt.to_delete_yourself:
        out.print_lines(f"Delete yourself: {path}")
    for key in receipt.stay_alike:
        out.print_lines(f"Stays, with an address or number of the person; erase it too if it is them: {key}")
    if receipt.set_aside_left:
        out.print_lines(
            f"{len(receipt.set_aside_left)} records set aside stay: they hold an address or number that "
            "others have too, and no name or id of the person. --json lists them."
        )
    for path in receipt.stores_not_given:
        out.print_lines(f"Not looked into, a record store that the settings do not name: {path}")


@app.command("export-subject")
def export_subject(
    customer: Customer,
    folder: Annotated[Path, typer.Argument(help="new folder for subject.json and one CSV file per table")],
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Write all that is kept of one person, and of nobody else, into a new folder."""
    import crm_analytics as crm

    settings = read_settings(settings_file)
    with open_warehouse(settings) as wh, _records(settings, wh) as records:
        told = crm.export_subject(wh, customer, records=records)
    files = told.write(folder)
    counts = {name: len(rows) for name, rows in told.tables.items()}
    if as_json:
        out.print_json({"files": files, "rows": counts})
        return
    out.print_table("Kept of this person", ["table", "rows"], [[name, n] for name, n in counts.items()])
    out.print_lines(f"{len(files)} files in {folder}, readable by you alone.")


@app.command("verify-audit")
def verify_audit(settings_file: SettingsFile = None, as_json: Json = False) -> None:
    """Check that no entry of the audit log was changed, removed or put in."""
    import crm_analytics as crm

    with open_warehouse(read_settings(settings_file)) as wh:
        report = crm.verify_audit(wh)
    is_missing = report.entries > 0 and not report.is_compared
    if as_json:
        out.print_json(asdict(report))
    else:
        out.print_lines(
            f"{report.entries:,} entries hold together. Head of the chain: {report.head or 'none yet'}"
        )
        for number in report.found_missing:
            out.print_lines(f"Entry {number:,} found no head beside the warehouse: it had been taken away.")
    if is_missing:
        out.print_error(
            "The head is missing",
            "The file with the head of the chain that was beside the warehouse is gone: it was deleted, or "
            "this is a restored backup. Compare the head above with the copy that you keep elsewhere.",
        )
        raise typer.Exit(FAILED)


@app.command()
def backup(
    path: Annotated[Path, typer.Argument(help="new file, for example backups/2025-07-01.duckdb")],
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Write the whole warehouse to one new file, and read it back before it gets its name."""
    from crm_analytics.warehouse import backup as backups

    with open_warehouse(read_settings(settings_file)) as wh:
        made = backups.backup(wh, path)
    if as_json:
        out.print_json(asdict(made))
        return
    out.print_lines(
        f"{made.path}: {made.rows:,} rows of {made.tables} tables, {made.size:,} bytes, read back."
    )


@contextmanager
def _records(settings: Settings, wh: Warehouse) -> Iterator[RecordStore | None]:
    """Open the record store that the settings name, if there is one; one that is new here is synced."""
    import crm_analytics as crm

    place = record_store_place(settings)
    if place is None or not is_there(place):
        yield None
        return
    with crm.RecordStore.open(place) as records:
        if not wh.rows("select 1 from ops.sync_state where store_id = $id", id=records.store_id):
            crm.sync(wh, records)
        yield records
