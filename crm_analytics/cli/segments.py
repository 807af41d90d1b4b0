"""Who fits a rule, how large are the segments, who moved?  The verbs below ``segments``."""

from __future__ import annotations

import warnings
from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crm_analytics.cli import output as out
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
from crm_analytics.errors import NotEnoughData, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from crm_analytics.segmentation import RuleSegment
    from crm_analytics.settings import Settings
    from crm_analytics.warehouse import Warehouse

app = typer.Typer(help="Segments: rules, sizes, overlap, movement.", rich_markup_mode=None)


@app.command("list")
def list_segments(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 200
) -> None:
    """Size of every rule segment as of --as-of, who came and who left since the last night, and its rule."""
    from crm_analytics import segmentation

    settings = read_settings(settings_file)
    rules = segmentation.load_rule_segments(settings.paths.segments)
    with open_warehouse(settings) as wh, out.progress(1, "computing") as on_step:
        on_step("")
        day = day_or_today(as_of, wh)
        found, _ = _members(wh, settings, rules, day)
        sizes = segmentation.segment_sizes(wh, found, as_of=day, rules=rules)
        nights = segmentation.kept_nights(wh, as_of=day)
    columns = ["segment", "found_among", "member_count", "entered_count", "left_count", "rule"]
    out.print_frame("Rule segments", sizes, as_json=as_json, limit=limit, columns=columns)
    if not as_json and day not in nights:
        out.print_lines(
            f"No night of {day} is kept, so rules cannot see its scores (segment, lifecycle_state, "
            "churn_probability ...): they count as missing."
        )


@app.command()
def members(
    name: Annotated[str, typer.Argument(help="name of a rule segment")],
    as_of: AsOf = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 20,
) -> None:
    """Who is in a rule segment, and since which night."""
    from crm_analytics import segmentation

    settings = read_settings(settings_file)
    rules = segmentation.load_rule_segments(settings.paths.segments)
    wanted = [rule for rule in rules if rule.name == name]
    if not wanted:
        raise UsageError(
            f"There is no rule segment {name!r}. Known: {', '.join(rule.name for rule in rules)}."
        )
    with open_warehouse(settings) as wh:
        found, told = _members(wh, settings, wanted, day_or_today(as_of, wh))
    out.print_frame(wanted[0].label, found, as_json=as_json, limit=limit)
    if not as_json:
        out.print_lines(*told)


@app.command()
def overlap(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 200
) -> None:
    """How many customers two rule segments share, on the kept night of --as-of."""
    from crm_analytics import segmentation

    with open_warehouse(read_settings(settings_file)) as wh:
        day = day_or_today(as_of, wh)
        kept = segmentation.kept_nights(wh, as_of=day, segmentation="rules")
        if day not in kept:
            last = f"; the last is {max(kept)}" if kept else ""
            raise NotEnoughData(f"No night of {day} is kept (rules). Run the night of that day first{last}.")
        shared = segmentation.segment_overlap(wh, as_of=day)
    out.print_frame("Overlap", shared.reset_index(), as_json=as_json, limit=limit)


@app.command()
def movement(
    of: Annotated[
        Literal["rfm", "lifecycle", "clusters"], typer.Option("--of", help="which segments")
    ] = "rfm",
    since: Annotated[
        date | None,
        typer.Option(
            help="earlier night, YYYY-MM-DD; default: the last before --as-of",
            metavar="DATE",
            parser=read_day,
        ),
    ] = None,
    as_of: AsOf = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 200,
) -> None:
    """Who moved from which segment to which between two kept nights."""
    from crm_analytics import segmentation

    with open_warehouse(read_settings(settings_file)) as wh:
        table = segmentation.movement(wh, as_of=day_or_today(as_of, wh), since=since, segmentation=of)
    out.print_frame("Movement (rows: earlier)", table.reset_index(), as_json=as_json, limit=limit)


@app.command("measures")
def list_measures(
    leads: Annotated[bool, typer.Option("--leads", help="those of rules about leads")] = False,
    as_json: Json = False,
    limit: Limit = 200,
) -> None:
    """What a rule can ask about."""
    import pandas as pd

    from crm_analytics import segmentation

    known = segmentation.measures("leads" if leads else "customers").values()
    rows = {
        "measure": [one.name for one in known],
        "kind": [one.kind for one in known],
        "meaning": [one.meaning for one in known],
    }
    out.print_frame("Measures", pd.DataFrame(rows), as_json=as_json, limit=limit)


def _members(
    wh: Warehouse, settings: Settings, rules: list[RuleSegment] | tuple[RuleSegment, ...], day: date
) -> tuple[pd.DataFrame, list[str]]:
    """Return the members, and what the library warns of."""
    from crm_analytics import segmentation

    rate = settings.segments.high_margin_rate
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = segmentation.rule_segments(wh, as_of=day, rules=rules, high_margin_rate=rate)
    return found, [str(one.message) for one in told]
