"""With which settings, and on which warehouse, does a command run?  What all commands share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from crm_analytics.cli import output as out
from crm_analytics.errors import UsageError
from crm_analytics.settings import FILE_NAME, Settings

if TYPE_CHECKING:
    from crm_analytics.ingest import Load
    from crm_analytics.warehouse import Warehouse


def read_day(text: str) -> date:
    """Read a day of the command line; a wrong one stops the command before anything is opened."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date. Write it as 2025-07-01.") from None


SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="crm.toml, or its folder; default: here, else the defaults")
]
AsOf = Annotated[
    date | None,
    typer.Option(
        "--as-of", help="first day not seen, YYYY-MM-DD; default: today", metavar="DATE", parser=read_day
    ),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="rows of the table on a terminal")]


def read_settings(file: Path | None) -> Settings:
    """Read --settings; without it, the crm.toml of this folder, else the defaults."""
    if file is not None:
        return Settings.load(file)
    return Settings.load(FILE_NAME) if Path(FILE_NAME).is_file() else Settings.default()


@contextmanager
def open_warehouse(settings: Settings, *, create: bool = False) -> Iterator[Warehouse]:
    """Open the warehouse that the settings name; only what brings data in may create it."""
    import crm_analytics as crm

    given = asdict(settings.warehouse)
    path: Path = given.pop("path")
    if not create and not path.is_file():
        raise UsageError(
            f"{path}: there is no warehouse; nothing was created. Go to the folder of its crm.toml, or name "
            "that (--settings); a new warehouse begins with `crm-analytics load`."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with crm.Warehouse.open(path, **given) as wh:
        yield wh


def day_or_today(as_of: date | None, wh: Warehouse) -> date:
    """Return --as-of; without it, today in the business time zone: read once, here."""
    return as_of or datetime.now(ZoneInfo(wh.settings.timezone)).date()


def show_trouble(loads: Iterable[Load]) -> None:
    """Print one block for each load of which nothing came in."""
    for load in loads:
        if load.trouble:
            out.print_error("Refused" if load.status == "refused" else "Nothing came in", load.trouble)
