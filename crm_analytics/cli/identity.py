"""Who is who?  ``crm-analytics identity``: link, review, merge, separate, undo, show, log."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from crm_analytics.cli import output as out
from crm_analytics.cli.session import (
    AsOf,
    Json,
    Limit,
    SettingsFile,
    day_or_today,
    open_warehouse,
    read_settings,
)

if TYPE_CHECKING:
    import pandas as pd

    from crm_analytics.warehouse import Warehouse

app = typer.Typer(help="Which source records are one customer.", rich_markup_mode=None, no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="customer or source record, as system:id")]
Reason = Annotated[str, typer.Option(help="why; kept with the decision")]

_LOG = """
    select change_number, recorded_at, kind, left_id, right_id, undoes, reason
    from entities.identity_log order by change_number desc"""
_PROFILE = "select * from facts.customer_profiles_before($as_of) where customer_id = $customer_id"


@app.command("link")
def link_(
    again: Annotated[
        bool, typer.Option("--again", help="also where nothing changed since the last run")
    ] = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Find out which source records are one customer; a night does it too."""
    from crm_analytics.ingest import identity

    with open_warehouse(read_settings(settings_file)) as wh, out.progress(1, "linking") as on_step:
        on_step("")
        report = identity.link(wh, again=again)
    if as_json:
        out.print_json(asdict(report))
        return
    done = "" if report.is_new else " Nothing had changed since that run."
    out.print_lines(
        f"Change {report.change_number}: {report.customers:,} customers of {report.records:,} records; "
        f"{report.linked_pairs:,} pairs linked, {report.reviewed_pairs:,} to review.{done}"
    )
    if report.reviewed_pairs:
        out.print_lines("`crm-analytics identity review` shows them; merge or separate decides.")


@app.command()
def review(
    decision: Annotated[
        str, typer.Option(help="review, link or apart: which pairs of the last run")
    ] = "review",
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 20,
) -> None:
    """Pairs that a person should look at, the likeliest first, with their evidence."""
    from crm_analytics.ingest import identity

    with open_warehouse(read_settings(settings_file)) as wh:
        found = identity.review(wh, decision=decision)
    out.print_frame(
        "Pairs", found.drop(columns="weight").round({"probability": 3}), as_json=as_json, limit=limit
    )


@app.command()
def merge(a: Key, b: Key, reason: Reason = "", settings_file: SettingsFile = None) -> None:
    """Say that two customers are one."""
    import crm_analytics as crm

    with open_warehouse(read_settings(settings_file)) as wh:
        number = crm.merge(wh, a, b, reason=reason)
        _say(wh, number, f"{a} and {b} are one customer", a)


@app.command()
def separate(a: Key, b: Key, reason: Reason = "", settings_file: SettingsFile = None) -> None:
    """Say that two records are never one customer."""
    import crm_analytics as crm

    with open_warehouse(read_settings(settings_file)) as wh:
        number = crm.separate(wh, a, b, reason=reason)
        _say(wh, number, f"{a} and {b} are two customers", a)


@app.command()
def undo(
    merge_id: Annotated[int, typer.Argument(help="number of the merge or separation: identity log")],
    reason: Reason = "",
    settings_file: SettingsFile = None,
) -> None:
    """Take back a merge or a separation."""
    import crm_analytics as crm

    with open_warehouse(read_settings(settings_file)) as wh:
        number = crm.undo(wh, merge_id, reason=reason)
    out.print_lines(f"Change {number}: decision {merge_id} is taken back.")


@app.command()
def show(key: Key, as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False) -> None:
    """One customer: the source records, which of them gave each field, and why they are one."""
    from crm_analytics.entities.identity_log import members
    from crm_analytics.errors import UsageError
    from crm_analytics.ingest import identity

    with open_warehouse(read_settings(settings_file)) as wh:
        group = members(wh, key)
        profile = wh.frame(_PROFILE, as_of=day_or_today(as_of, wh), customer_id=group[0]).to_dict("records")
        if not profile and len(group) == 1:
            raise UsageError(f"{key!r}: no source record describes such a customer.")
        pairs = identity.review(wh, decision="link")
    pairs = pairs[pairs["left_id"].isin(group) & pairs["right_id"].isin(group)]
    told = profile[0] if profile else {}
    if as_json:
        out.print_json(
            {"customer_id": group[0], "members": group, "profile": told, "pairs": pairs.to_dict("records")}
        )
        return
    rows = [
        [name, out.cell(value), _source(told, name)] for name, value in told.items() if _is_told(name, value)
    ]
    out.print_table(
        f"Customer {group[0]}", ["field", "value", "from"], rows, note=f"Records: {', '.join(group)}"
    )
    for pair in pairs.itertuples():
        out.print_lines(f"{pair.left_id} = {pair.right_id}: {pair.because} ({pair.evidence})")


@app.command("log")
def log_(settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 20) -> None:
    """Every run, merge, separation and undo, the latest first."""
    with open_warehouse(read_settings(settings_file)) as wh:
        found: pd.DataFrame = wh.frame(_LOG)
    out.print_frame("Changes of identity", found, as_json=as_json, limit=limit)


_GROUPS = {
    "name": "name_from",
    "first_name": "name_from",
    "last_name": "name_from",
    "email": "email_from",
    "phone": "phone_from",
    "national_id": "national_id_from",
    "birth_on": "birth_from",
    **dict.fromkeys(("street", "city", "postcode", "region", "country"), "address_from"),
}


def _source(profile: dict[str, object], name: str) -> str:
    return str(profile[_GROUPS[name]]) if name in _GROUPS else ""


def _is_told(name: str, value: object) -> bool:
    import pandas as pd

    return not name.endswith("_from") and not pd.isna(value)


def _say(wh: Warehouse, number: int, what: str, key: str) -> None:
    from crm_analytics.entities.identity_log import members

    out.print_lines(f"Change {number}: {what}. The customer of {key} has {', '.join(members(wh, key))}.")
