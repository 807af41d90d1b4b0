"""How good are the data and what is in them?  quality, profile, customer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_analytics.cli import FAILED
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
    AsOf,
    Json,
    Limit,
    SettingsFile,
    day_or_today,
    open_warehouse,
    read_day,
    read_settings,
)
from crm_analytics.errors import UsageError

if TYPE_CHECKING:
    from crm_analytics.ingest.check import ProfileCheck

app = typer.Typer(rich_markup_mode=None)
profile = typer.Typer(help="Layouts of export files: list, draft, check.", rich_markup_mode=None)
app.add_typer(profile, name="profile")

ExportFile = Annotated[Path, typer.Argument(help="an export of the system", exists=True, dir_okay=False)]


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

    known = checks.quality_names()
    if only is not None and only not in known:
        raise UsageError(f"--check {only!r} is no check of quality. Checks: {', '.join(known)}.")
    with open_warehouse(read_settings(settings_file)) as wh, out.progress(1, "measuring") as on_step:
        on_step("")
        day = day_or_today(as_of, wh)
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


@app.command()
def customer(
    asked: Annotated[
        str, typer.Argument(metavar="ID", help="customer_id, id, e-mail address or phone number")
    ],
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of", help="first day not seen; default: of the last night", metavar="DATE", parser=read_day
        ),
    ] = None,
    published: Annotated[
        bool,
        typer.Option("--published", help="from the published copy: at any time, without personal fields"),
    ] = False,
    last_orders: Annotated[int, typer.Option("--orders", min=0, help="orders that are listed")] = 10,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Everything known of one customer: identity, consents, orders, deals, tickets, scores, timeline."""
    import crm_analytics as crm
    from crm_analytics.reports.customer_360.shown import headline, sections

    settings = read_settings(settings_file)
    opened = crm.open_published(settings.paths.published) if published else None
    with opened or open_warehouse(settings) as wh:
        one = crm.customer(wh, asked, as_of=as_of, last_orders=last_orders)
    if as_json:
        out.print_json(one.to_dict())
        return
    out.print_lines(headline(one))
    for section in sections(one):
        out.print_table(section.title, section.columns, section.rows)


@profile.command("list")
def profile_list(
    plain: Annotated[bool, typer.Option("--plain", help="also our own layouts, one per entity")] = False,
    as_json: Json = False,
    limit: Limit = 200,
) -> None:
    """List the layouts that are recognised, and how well each is known."""
    import pandas as pd

    from crm_analytics.ingest.recognise import PLAIN, profiles

    known = [one for one in profiles().values() if plain or not one.name.startswith(PLAIN)]
    rows = {
        "profile": [one.name for one in known],
        "system": [one.source_system for one in known],
        "entities": [", ".join(dict.fromkeys(target.entity for target in one.targets)) for one in known],
        "evidence": [one.evidence for one in known],
        "purpose": [one.purpose for one in known],
    }
    out.print_frame("Profiles", pd.DataFrame(rows), as_json=as_json, limit=limit)


@profile.command("new")
def profile_new(
    file: ExportFile,
    name: Annotated[str | None, typer.Option(help="name of the profile; default: the file's")] = None,
    source_system: Annotated[str | None, typer.Option(help="name the ids are scoped by")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    skip_rows: SkipRows = None,
    part: Annotated[str | None, typer.Option(help="table of a zip or workbook; default: the first")] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="is the first line one of column names?")
    ] = None,
) -> None:
    """Write a draft for a home-made layout to standard output: a guess for every column, and why."""
    from crm_analytics.ingest.draft import draft_profile

    draft = draft_profile(
        file,
        name=name,
        source_system=source_system,
        encoding=encoding,
        delimiter=read_delimiter(delimiter),
        skip_rows=skip_rows,
        part=part,
        has_header=header,
    )
    out.print_text(draft)


@profile.command("check")
def profile_check(
    file: ExportFile,
    name: Annotated[
        str | None, typer.Option("--profile", help="profile, or a .toml; default: recognised")
    ] = None,
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
    received_at: ReceivedAt = None,
    show_values: ShowValues = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Show what would come in of a file, and what would be set aside, without loading anything."""
    from crm_analytics.ingest.check import check_profile
    from crm_analytics.ingest.load import read_moment

    given: dict[str, Any] = {
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
        "repeats": duplicates,
    }
    home_zone = read_settings(settings_file).warehouse.timezone or "UTC"
    checks = check_profile(
        file,
        name,
        received_at=read_moment(received_at, home_zone),
        home_zone=home_zone,
        show_values=show_values,
        **{key: value for key, value in given.items() if value is not None},
    )
    if as_json:
        out.print_json([asdict(one) for one in checks])
    else:
        for one in checks:
            _show_check(one)
    if any(one.refusal for one in checks):
        raise typer.Exit(FAILED)


def _show_check(check: ProfileCheck) -> None:
    if check.refusal is not None:
        out.print_error("Would be refused", check.refusal)
        return
    records = f"{'all' if check.is_whole else 'the first'} {check.records:,} records"
    rows = [
        [one.target, one.column, ", ".join(one.sources), out.number(one.filled), ", ".join(one.values)]
        for one in check.columns
    ]
    title = f"{check.file} as {check.profile}: {records}"
    out.print_table(title, ["entity", "column", "from", "filled", "first values"], rows)
    told = ", ".join(f"{count:,} of {target}" for target, count in check.rows.items())
    out.print_lines(f"Would come in: {told or 'nothing'}.")
    merged = ", ".join(f"{count:,} of {target}" for target, count in check.repeats.items())
    if merged:
        out.print_lines(f"Of these would be merged, as they repeat a row of the file: {merged}.")
    for reason, count in check.reasons.items():
        out.print_lines(f"Would be set aside: {count:,} {reason}")
    out.print_lines(*check.first_faults)
    if check.unread:
        out.print_lines(f"Not read: {', '.join(check.unread)}")
    for issue in check.issues:
        out.print_lines(" ".join(filter(None, (issue.issue, issue.column_name, issue.detail))))
