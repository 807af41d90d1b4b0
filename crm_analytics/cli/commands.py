"""Which commands are there?  Each is one call of the library, with the settings of crm.toml."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import typer

from crm_analytics.cli import FAILED, SOME_REFUSED
from crm_analytics.cli import output as out
from crm_analytics.cli.demo import DEMO_STEPS, run_cdnow, run_sample
from crm_analytics.errors import CrmError, InputError, UsageError
from crm_analytics.settings import FILE_NAME, Settings, init_toml

if TYPE_CHECKING:
    import pandas as pd

    from crm_analytics.ingest import Load
    from crm_analytics.nightly import RunReport
    from crm_analytics.trained_models import Trained
    from crm_analytics.warehouse import Warehouse

Result = TypeVar("Result")

app = typer.Typer(
    name="crm-analytics",
    help="From operational exports to segments, lifetime value, churn risk and offers, in one local store.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="crm.toml, or its folder; default: here, else the defaults")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="first day not seen, YYYY-MM-DD; default: today", metavar="DATE")
]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="rows of the table on a terminal")]

# The columns of lifetime value that fit a terminal; --json has all.
VALUE_COLUMNS = (
    "customer_id",
    "probability_alive",
    "expected_purchases",
    "lifetime_revenue",
    "lifetime_revenue_low",
    "lifetime_revenue_high",
    "lifetime_value",
    "status",
)


@app.command()
def demo(
    data: Annotated[Literal["sample", "cdnow"], typer.Option(help="the sample company, or CDNOW")] = "sample",
    folder: Annotated[
        Path | None, typer.Option(help="where to work; default: out/demo, or out/demo-cdnow for --data cdnow")
    ] = None,
    as_json: Json = False,
) -> None:
    """The whole job on example data: load, score, publish, report."""
    work = folder or Path("out") / ("demo" if data == "sample" else "demo-cdnow")
    work.mkdir(parents=True, exist_ok=True)
    with out.progress(DEMO_STEPS[data], "demo") as on_step:
        result = (run_sample if data == "sample" else run_cdnow)(work, on_step)
    if as_json:
        out.print_json(result.as_json)
    else:
        result.show()
    if result.night.troubled:
        raise typer.Exit(SOME_REFUSED)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="folder that gets the crm.toml")] = Path("."),
) -> None:
    """Write a commented crm.toml with every setting."""
    file = folder / FILE_NAME
    if file.exists():
        raise UsageError(f"{file} exists already; nothing was written. Edit it, or remove it first.")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(init_toml(), encoding="utf-8")
    out.print_lines(f"Wrote {file}.")


@app.command()
def load(
    paths: Annotated[list[Path], typer.Argument(help="export files or folders")],
    profile: Annotated[str | None, typer.Option(help="import profile; default: detected")] = None,
    source_system: Annotated[str | None, typer.Option(help="name the ids are scoped by")] = None,
    encoding: Annotated[str | None, typer.Option(help="encoding, for example cp1252")] = None,
    delimiter: Annotated[str | None, typer.Option(help="what separates the fields; \\t is a tab")] = None,
    decimal: Annotated[str | None, typer.Option(help="decimal mark: . or ,")] = None,
    date_format: Annotated[str | None, typer.Option(help="how dates are written, as %d/%m/%Y")] = None,
    skip_rows: Annotated[int | None, typer.Option(min=0, help="lines above the header")] = None,
    timezone: Annotated[str | None, typer.Option(help="time zone of the times in the file")] = None,
    default_country: Annotated[
        str | None, typer.Option(help="country of addresses and numbers that name none")
    ] = None,
    guest: Annotated[str | None, typer.Option(help="records without customer id: quarantine or keep")] = None,
    duplicates: Annotated[str | None, typer.Option(help="equal lines of a file: merge or keep")] = None,
    received_at: Annotated[
        str | None, typer.Option(help="when it was received, ISO 8601; default: now", metavar="TIME")
    ] = None,
    max_expanded_bytes: Annotated[
        int | None, typer.Option(min=1, help="how large a compressed file may become")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Load export files into the warehouse; options here go before those of crm.toml."""
    import crm_analytics as crm

    given = {
        "profile": profile,
        "source_system": source_system,
        "encoding": encoding,
        "delimiter": "\t" if delimiter == r"\t" else delimiter,
        "decimal": decimal,
        "date_format": date_format,
        "skip_rows": skip_rows,
        "timezone": timezone,
        "default_country": default_country,
        "guest": guest,
        "duplicates": duplicates,
        "received_at": received_at,
        "max_expanded_bytes": max_expanded_bytes,
    }
    settings = _settings(settings_file)
    how = asdict(settings.ingest) | {name: value for name, value in given.items() if value is not None}
    skipped = _check_paths(paths)
    done: list[Load] = []
    refused: list[CrmError] = []
    with _warehouse(settings) as wh, out.progress(len(paths), "load") as on_step:
        for path in paths:
            on_step(path.name)
            try:
                done += crm.load(wh, path, **how, show_values=True)
            except InputError as refusal:
                refused.append(refusal)
    _show_loads(done, skipped, as_json=as_json)
    for error in refused:
        out.print_error("Refused", str(error))
    _show_trouble(done)
    if refused or any(load.trouble for load in done):
        raise typer.Exit(SOME_REFUSED if done else FAILED)


@app.command()
def loads(
    show_all: Annotated[bool, typer.Option("--all", help="also files that had been loaded before")] = False,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 40,
) -> None:
    """List what was ever loaded, the newest first, with each file's account."""
    from crm_analytics.warehouse.run_log import load_accounts

    with _warehouse(_settings(settings_file)) as wh:
        accounts = load_accounts(wh)
    if not show_all:
        accounts = accounts[accounts["status"] != "unchanged"]
    out.print_frame("Loads", accounts.iloc[::-1], as_json=as_json, limit=limit)


@app.command()
def rfm(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 20
) -> None:
    """Segments: who bought recently, often and for much."""
    import crm_analytics as crm

    scored = _analyse(settings_file, as_of, lambda wh, _, day: crm.segmentation.rfm(wh, as_of=day))
    out.print_frame("RFM", scored, as_json=as_json, limit=limit)


@app.command()
def clv(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 20
) -> None:
    """Lifetime value: what each customer is worth over the horizon."""
    import crm_analytics as crm

    def value(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
        return crm.clv.lifetime_value(wh, as_of=day, **asdict(settings.value))

    values = _analyse(settings_file, as_of, value)
    out.print_frame("Lifetime value", values, as_json=as_json, limit=limit, columns=VALUE_COLUMNS)


@app.command()
def train(
    names: Annotated[list[str] | None, typer.Argument(help="churn, offers; default: both")] = None,
    as_of: AsOf = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Train models on what was known before --as-of, and save them for the nights to come."""
    from crm_analytics import trained_models

    def learn(wh: Warehouse, settings: Settings, day: date) -> list[Trained]:
        wanted = names or list(trained_models.KINDS)
        return [trained_models.train(wh, settings, name, as_of=day) for name in wanted]

    trained = _analyse(settings_file, as_of, learn)
    if as_json:
        out.print_json([{"path": one.path, **one.record()} for one in trained])
        return
    for one in trained:
        out.print_lines(*one.model.card.to_markdown().splitlines(), f"Saved in {one.path}.")


@app.command()
def churn(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 20
) -> None:
    """Churn risk by the newest saved model that fits; trains one when there is none."""
    from crm_analytics import churn as churn_package
    from crm_analytics.trained_models import newest_or_trained

    def score(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
        model = newest_or_trained(wh, settings, "churn", as_of=day).model
        return churn_package.score(wh, model, as_of=day)

    out.print_frame("Churn risk", _analyse(settings_file, as_of, score), as_json=as_json, limit=limit)


@app.command()
def offers(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 20
) -> None:
    """Next best offers per customer, by the newest saved model that fits."""
    import crm_analytics as crm
    from crm_analytics.trained_models import newest_or_trained

    def best(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
        model = newest_or_trained(wh, settings, "offers", as_of=day).model
        return crm.scoring.next_best_offers(wh, as_of=day, model=model, **asdict(settings.offers))

    out.print_frame("Next best offers", _analyse(settings_file, as_of, best), as_json=as_json, limit=limit)


@app.command()
def nightly(
    as_of: AsOf = None,
    settings_file: SettingsFile = None,
    accept: Annotated[
        str | None,
        typer.Option(
            help="publish although the audit objects or a later day is live, for this reason",
            metavar="REASON",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """One night: load, check, score, audit, publish, report."""
    from crm_analytics import nightly as night

    settings = _settings(settings_file)
    with _warehouse(settings) as wh, out.progress(len(night.STEPS), "night") as on_step:
        report = night.run(wh, settings, as_of=_day(as_of, wh), accept=accept, on_step=on_step)
    _show_night(report, as_json=as_json)
    _show_trouble(report.loads)
    if report.troubled:
        raise typer.Exit(SOME_REFUSED)


@app.command()
def scores(
    folder: Annotated[Path | None, typer.Option(help="published folder; default: as in crm.toml")] = None,
    table: Annotated[
        str, typer.Option(help="customer_scores, rfm, clv, churn or next_best_offers")
    ] = "customer_scores",
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 20,
) -> None:
    """The latest published scores."""
    import crm_analytics as crm

    published = folder or _settings(settings_file).paths.published
    out.print_frame(table, crm.read_scores(published, table), as_json=as_json, limit=limit)


def _settings(file: Path | None) -> Settings:
    if file is not None:
        return Settings.load(file)
    return Settings.load(FILE_NAME) if Path(FILE_NAME).is_file() else Settings.default()


@contextmanager
def _warehouse(settings: Settings) -> Iterator[Warehouse]:
    import crm_analytics as crm

    given = asdict(settings.warehouse)
    path: Path = given.pop("path")
    path.parent.mkdir(parents=True, exist_ok=True)
    with crm.Warehouse.open(path, **given) as wh:
        yield wh


def _analyse(
    settings_file: Path | None, as_of: str | None, compute: Callable[[Warehouse, Settings, date], Result]
) -> Result:
    """Open the warehouse for one analysis, and give a sign of life while it runs."""
    settings = _settings(settings_file)
    with _warehouse(settings) as wh, out.progress(1, "computing") as on_step:
        on_step("")
        return compute(wh, settings, _day(as_of, wh))


def _day(text: str | None, wh: Warehouse) -> date:
    """Read --as-of; without it, today in the business time zone: read once, here."""
    if text is None:
        return datetime.now(ZoneInfo(wh.settings.timezone)).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of {text!r} is not a date. Write it as 2025-07-01.") from None


def _check_paths(paths: list[Path]) -> list[Path]:
    """Check every path before anything is loaded; return the files of folders that are passed over."""
    from crm_analytics.ingest.kinds import SUFFIXES
    from crm_analytics.ingest.load import exports, passed_over

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"{', '.join(missing)}: no such file or folder. Nothing was loaded.")
    folders = [path for path in paths if path.is_dir()]
    empty = [str(folder) for folder in folders if not exports(folder)]
    if empty:
        raise UsageError(
            f"{', '.join(empty)}: no export file in it. Nothing was loaded. Endings that are read: "
            f"{', '.join(SUFFIXES)}."
        )
    return [file.relative_to(folder) for folder in folders for file in passed_over(folder)]


def _show_trouble(loads: Iterable[Load]) -> None:
    for load in loads:
        if load.trouble:
            out.print_error("Refused" if load.status == "refused" else "Nothing came in", load.trouble)


def _show_loads(loads: list[Load], skipped: list[Path], *, as_json: bool) -> None:
    columns = ["file", "profile", "status", "rows_in", "rows_loaded", "rows_quarantined", "rows_merged"]
    rows = [[getattr(load, name) for name in columns] for load in loads]
    if as_json:
        passed_over = [{"file": str(file), "status": "skipped"} for file in skipped]
        out.print_json([asdict(load) for load in loads] + passed_over)
    else:
        out.print_table("Loads", columns, [[out.cell(value) for value in row] for row in rows])
        for load in loads:
            reasons = [f"{count} set aside: {name}" for name, count in load.reasons.items() if count]
            if reasons:
                out.print_lines(f"{load.file}: {', '.join(reasons)}")
            for issue in load.issues if load.status != "refused" else ():
                out.print_lines(f"{load.file}: {issue.issue} {issue.column_name} {issue.detail}")
        out.print_lines(*(f"skipped: {file}" for file in skipped))


def _show_night(report: RunReport, *, as_json: bool) -> None:
    if as_json:
        out.print_json(asdict(report))
        return
    rows: list[list[Any]] = [
        [step.name, step.status, out.number(step.rows), out.number(step.seconds, 2), step.note]
        for step in report.steps
    ]
    out.print_table(
        f"Night of {report.as_of}: {report.published.run_id} is live",
        ["step", "status", "rows", "seconds", "note"],
        rows,
        note=f"Report: {report.report}",
    )
