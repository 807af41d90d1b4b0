"""How does the warehouse learn what people and apps have written?  ``crm-analytics sync``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crm_analytics.cli import output as out
from crm_analytics.cli.records import Store, open_records
from crm_analytics.cli.session import Json, SettingsFile, open_warehouse, read_settings

app = typer.Typer(rich_markup_mode=None)


@app.command()
def sync(
    store: Store = None,
    source_system: Annotated[
        str, typer.Option("--source-system", help="system that the ids belong to")
    ] = "default",
    forget: Annotated[
        str | None, typer.Option("--forget", metavar="STORE_ID", help="give up a store that exists no more")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Bring what is new in the record store into the warehouse, as the night does."""
    import crm_analytics as crm

    settings = read_settings(settings_file)
    if forget is not None:
        with open_warehouse(settings) as wh:
            crm.forget_records(wh, forget)
        out.print_lines(f"Record store {forget} is given up.")
        return
    with open_records(store, settings_file) as records, open_warehouse(settings, create=True) as wh:
        load = crm.sync(wh, records, source_system=source_system)
    if as_json:
        out.print_json(asdict(load))
        return
    out.print_lines(f"{load.file}: {load.rows_in:,} changes, {load.rows_loaded:,} rows in the warehouse.")
