"""Has something changed, and how does one go back?  monitor, rollback."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_analytics.cli import output as out
from crm_analytics.cli.session import (
    Json,
    Limit,
    SettingsFile,
    open_warehouse,
    read_day,
    read_settings,
)
from crm_analytics.errors import NotEnoughData

if TYPE_CHECKING:
    from crm_analytics.monitoring import Monitoring
    from crm_analytics.warehouse import Warehouse

app = typer.Typer(rich_markup_mode=None)

DRIFT_COLUMNS = ("psi", "chance_limit", "verdict", "told")


@app.command()
def monitor(
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of", help="the night; default: the last published", metavar="DATE", parser=read_day
        ),
    ] = None,
    since: Annotated[
        date | None,
        typer.Option(
            help="the earlier night to compare with; default: the published one before",
            metavar="DATE",
            parser=read_day,
        ),
    ] = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 12,
) -> None:
    """What changed since an earlier night (scores, models), and what came of earlier predictions."""
    from crm_analytics import monitoring

    settings = read_settings(settings_file)
    with open_warehouse(settings) as wh, out.progress(1, "comparing") as on_step:
        on_step("")
        found = monitoring.monitor(wh, as_of=as_of or _last_night(wh), since=since)
    if as_json:
        out.print_json(_plain(found))
    else:
        _show(found, limit)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="why the live run is taken back; it is kept in the audit log")],
    run_id: Annotated[
        str | None, typer.Argument(help="run to make live again; default: the one before the live one")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Make an earlier published run live again, at once; the next night goes on as always."""
    import crm_analytics as crm

    settings = read_settings(settings_file)
    with open_warehouse(settings) as wh:
        live = crm.roll_back(wh, settings.paths.published, run_id, reason=reason)
    if as_json:
        out.print_json(asdict(live))
    else:
        out.print_lines(f"{live.run_id} (as of {live.as_of}) is live.")


def _last_night(wh: Warehouse) -> date:
    from crm_analytics.warehouse.run_log import published_nights

    nights = published_nights(wh)
    if not nights:
        raise NotEnoughData(
            "No night was published yet, so there is nothing to look at. Run the night first."
        )
    return max(nights)


def _plain(found: Monitoring) -> dict[str, Any]:
    frames = {"drift": found.drift, "value": found.value, "churn": found.churn}
    if found.parameters is not None:
        frames |= {"models": found.parameters.joint, "parameters": found.parameters.parameters}
    told: dict[str, Any] = {name: frame.to_dict("records") for name, frame in frames.items()}
    return {"as_of": found.as_of, "since": found.since, **told}


def _show(found: Monitoring, limit: int) -> None:
    shown = found.drift[list(DRIFT_COLUMNS)]
    title = f"{found.as_of} against {found.since}: {len(found.moved)} of {len(shown)} columns moved clearly"
    out.print_frame(title, shown, as_json=False, limit=limit)
    parts = [] if found.parameters is None else [found.parameters.joint]
    for frame in (*parts, found.value, found.churn):
        out.print_lines(*frame["told"])
