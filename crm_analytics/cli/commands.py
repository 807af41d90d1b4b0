"""Which commands are there?  Each is one call of the library, with the settings of crm.toml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from crm_analytics.cli import (
    SOME_REFUSED,
    identity,
    loading,
    looking,
    privacy,
    records,
    segments,
    sync,
    watching,
)
from crm_analytics.cli import output as out
from crm_analytics.cli.demo import DEMO_STEPS, run_cdnow, run_sample
from crm_analytics.cli.session import (
    AsOf,
    Json,
    Limit,
    SettingsFile,
    day_or_today,
    open_warehouse,
    read_settings,
    show_trouble,
)
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.settings import FILE_NAME, Settings, init_toml

if TYPE_CHECKING:
    import pandas as pd

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

app.add_typer(loading.app)
app.add_typer(looking.app)
app.add_typer(sync.app)
app.add_typer(privacy.app)
app.add_typer(watching.app)
app.add_typer(segments.app, name="segments")
app.add_typer(identity.app, name="identity")
app.add_typer(records.app, name="records")

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

# What tells the models of lifetime value apart; a history too short for a window has no scores.
COMPARED_COLUMNS = (
    "model",
    "verdict",
    "bic",
    "log_score",
    "total_error",
    "band_error",
    "rank_correlation",
    "rmse",
    "coverage",
)

CALL_COLUMNS = (
    "rank",
    "kind",
    "customer_id",
    "churn_probability",
    "value_at_stake",
    "expected_saved_margin",
    "owner_source_id",
    "reason",
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
def rfm(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 20
) -> None:
    """RFM: who bought recently, often and for much (by the limits of the nights, where some are kept)."""
    import crm_analytics as crm
    from crm_analytics.trained_models import newest

    def score(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
        limits, how = newest(settings, "rfm", as_of=day), settings.segments
        thresholds = None if limits is None else limits.model
        return crm.segmentation.rfm(
            wh, as_of=day, window_days=how.window_days, money=how.money, thresholds=thresholds
        )

    scored = _analyse(settings_file, as_of, score)
    out.print_frame("RFM", scored, as_json=as_json, limit=limit)


@app.command()
def clv(
    as_of: AsOf = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 20,
    compare: Annotated[
        bool, typer.Option("--compare", help="show how the models predicted past windows, and which one wins")
    ] = False,
) -> None:
    """Lifetime value: what each customer is worth over the horizon."""
    import crm_analytics as crm

    if compare:
        judged: list[str] = []

        def judge(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
            found = crm.clv.compare(wh, as_of=day)
            judged.extend([found.reason, *found.notes])
            return found.models.rename_axis("model").reset_index()

        table = _analyse(settings_file, as_of, judge)
        shown = [name for name in COMPARED_COLUMNS if name in table]
        if not as_json:  # why a fit is what it is stands below the table
            whole, table = (
                table,
                table.assign(
                    verdict=table["verdict"].str.partition(":")[0], bic=table["bic"].round().astype("Int64")
                ),
            )
            explained = whole[whole["verdict"].str.contains(":", na=False)]
            judged.extend(explained["model"] + ": " + explained["verdict"])
        out.print_frame("Models of lifetime value", table, as_json=as_json, limit=limit, columns=shown)
        if not as_json:
            out.print_lines(*judged)
        return

    def value(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
        return crm.clv.lifetime_value(wh, as_of=day, **asdict(settings.value))

    values = _analyse(settings_file, as_of, value)
    out.print_frame("Lifetime value", values, as_json=as_json, limit=limit, columns=VALUE_COLUMNS)


@app.command()
def train(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="rfm, clusters, churn, contract_churn, offers, value; default: all that the data allow"
        ),
    ] = None,
    as_of: AsOf = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Train models on what was known before --as-of, and save them for the nights to come."""
    from crm_analytics import trained_models

    left_out: list[str] = []

    def learn(wh: Warehouse, settings: Settings, day: date) -> list[Trained]:
        if names:
            return [trained_models.train(wh, settings, name, as_of=day) for name in names]
        done = []
        for name in trained_models.KINDS:
            try:
                done.append(trained_models.train(wh, settings, name, as_of=day))
            except NotEnoughData as reason:
                left_out.append(f"No {name} model: {reason}")
        if not done:
            raise NotEnoughData(" ".join(left_out))
        return done

    trained = _analyse(settings_file, as_of, learn)
    if as_json:
        out.print_json([{"path": one.path, **one.record()} for one in trained])
        return
    out.print_lines(*left_out)
    for one in trained:
        out.print_lines(*one.model.card.to_markdown().splitlines(), f"Saved in {one.path}.")


@app.command()
def churn(
    kind: Annotated[
        Literal["purchase", "contract"] | None,
        typer.Option(
            help="purchase: who may fall silent; contract: whose contracts may end; default: churn.kind of "
            "the settings, else purchase"
        ),
    ] = None,
    as_of: AsOf = None,
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 20,
) -> None:
    """Churn risk by the newest saved model that fits; trains one when there is none."""
    from crm_analytics import churn as churn_package
    from crm_analytics.trained_models import newest_or_trained

    def score(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
        asked = churn_package.KINDS[kind or settings.churn.kind or "purchase"]
        model = newest_or_trained(wh, settings, asked.model, as_of=day).model
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
def actions(
    as_of: AsOf = None, settings_file: SettingsFile = None, as_json: Json = False, limit: Limit = 20
) -> None:
    """Whom to call: customers who may leave, by what a call is expected to save."""
    from crm_analytics import actions as actions_package

    def calls(wh: Warehouse, settings: Settings, day: date) -> pd.DataFrame:
        how = asdict(settings.actions) | {"horizon_days": settings.churn.horizon_days}
        return actions_package.call_list(wh, as_of=day, **how)

    listed = _analyse(settings_file, as_of, calls)
    out.print_frame("Whom to call", listed, as_json=as_json, limit=limit, columns=CALL_COLUMNS)


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

    settings = read_settings(settings_file)
    with open_warehouse(settings, create=True) as wh, out.progress(len(night.STEPS), "night") as on_step:
        report = night.run(wh, settings, as_of=day_or_today(as_of, wh), accept=accept, on_step=on_step)
    _show_night(report, as_json=as_json)
    show_trouble(report.loads)
    if report.troubled:
        raise typer.Exit(SOME_REFUSED)


@app.command()
def scores(
    folder: Annotated[Path | None, typer.Option(help="published folder; default: as in crm.toml")] = None,
    table: Annotated[
        str,
        typer.Option(help="customer_scores, rfm, clv, churn, contract_churn, next_best_offers or actions"),
    ] = "customer_scores",
    settings_file: SettingsFile = None,
    as_json: Json = False,
    limit: Limit = 20,
) -> None:
    """The latest published scores."""
    import crm_analytics as crm

    published = folder or read_settings(settings_file).paths.published
    out.print_frame(table, crm.read_scores(published, table), as_json=as_json, limit=limit)


def _analyse(
    settings_file: Path | None, as_of: date | None, compute: Callable[[Warehouse, Settings, date], Result]
) -> Result:
    """Open the warehouse for one analysis, and give a sign of life while it runs."""
    settings = read_settings(settings_file)
    with open_warehouse(settings) as wh, out.progress(1, "computing") as on_step:
        on_step("")
        return compute(wh, settings, day_or_today(as_of, wh))


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
