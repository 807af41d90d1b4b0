"""How good are the data, and what do the files look like?  quality, profile."""

from __future__ import annotations

from typing import Annotated

import typer

from crm_analytics.cli import output as out
from crm_analytics.cli.session import (
    AsOf,
    Json,
    Limit,
    SettingsFile,
    open_warehouse,
    read_day,
    read_settings,
)

app = typer.Typer(rich_markup_mode=None)


@app.command()
def quality(
    as_of: AsOf = None,
    by_owner: Annotated[bool, typer.Option("--by-owner", help="one row per user who looks after it")] = False,
    only: Annotated[
        str | None, typer.Option("--check", help="completeness, validity, duplicates, relations ...")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="also what is all good or all empty")] = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 60,
) -> None:
    """How complete, valid, unique, fresh and well linked the data are; what warns or stops a night."""
    from crm_analytics.entities import checks

    with open_warehouse(read_settings(settings_file)) as wh, out.progress(1, "measuring") as on_step:
        on_step("")
        day = read_day(as_of, wh)
        measured = checks.quality(wh, as_of=day, by_owner=by_owner)
        findings = checks.run(wh, as_of=day)
    if only is not None:
        measured = measured[measured["check"] == only]
    if as_json:
        out.print_json(
            {
                "quality": measured.to_dict("records"),
                "findings": [
                    {"check": one.check, "gate": one.gate, "rows": one.row_count, "where": one.where}
                    for one in findings
                ],
            }
        )
        return
    if not show_all:
        # A column that is empty throughout is one that the source does not have.
        measured = measured[
            (measured["bad_count"] > 0) & (measured["good_rate"] > 0) | measured["is_beyond_limit"]
        ]
    shown = measured.assign(
        good=[out.percent(rate) for rate in measured["good_rate"]],
        gate=[
            f"{row.gate} above {row.limit_rate:.0%}{' !' if row.is_beyond_limit else ''}" if row.gate else ""
            for row in measured.itertuples()
        ],
    )
    names = ["check", "entity", "field", "source_system", *(["owner_source_id"] if by_owner else [])]
    columns = [*names, "row_count", "bad_count", "good", "gate"]
    out.print_frame("Quality", shown, as_json=False, limit=limit, columns=columns)
    for finding in findings:
        out.print_lines(f"{'stops' if finding.gate == 'stop' else 'warns'} the night: {finding}")
