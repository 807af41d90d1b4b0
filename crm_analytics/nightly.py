"""What happens in one night?  The recipe, read from top to bottom: from exports to published scores.

Each step is idempotent: a second run for the same ``as_of`` replaces what the first wrote, gives the
same results and publishes nothing new. A step that the data do not allow is skipped and says so; its
columns are then NULL. A file that was refused does not stop the night; a failed audit does stop the
results from being published, and the last run stays live; so does a failed check whose file says ``stop``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_analytics import actions, churn, clv, monitoring, scoring, segmentation
from crm_analytics.audit import audit
from crm_analytics.entities import checks
from crm_analytics.errors import AuditBlocked, NotEnoughData, UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.ingest import identity
from crm_analytics.ingest.inbox import passed_over
from crm_analytics.ingest.load import Load, load
from crm_analytics.ingest.sync import sync
from crm_analytics.privacy.erasure import finish_erasures
from crm_analytics.privacy.erasures_due import noted
from crm_analytics.records import RecordStore
from crm_analytics.reports.company import company_report
from crm_analytics.reports.customer_360 import lay_out
from crm_analytics.settings import Settings
from crm_analytics.trained_models import newest_or_trained
from crm_analytics.warehouse import Warehouse, quote_table
from crm_analytics.warehouse.publish import Published, live_run, open_published, publish
from crm_analytics.warehouse.run_log import RunLog, Step, StepReport, begin, loaded_ids, versions
from crm_analytics.warehouse.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

# What a night writes: score table -> its key besides as_of.
SCORE_TABLES = {
    "scores.rfm": ("customer_id",),
    "scores.lifecycle": ("customer_id",),
    "scores.clusters": ("customer_id",),
    "scores.clv": ("customer_id",),
    "scores.fitted_models": ("part",),
    "scores.churn": ("customer_id",),
    "scores.contract_churn": ("customer_id",),
    "scores.next_best_offers": ("customer_id", "rank"),
    "scores.rule_segments": ("segment", "customer_id"),
    "scores.lead_segments": ("segment", "lead_id"),
    "scores.segment_sizes": ("segment",),
    "scores.customer_scores": ("customer_id",),
    "scores.actions": ("customer_id",),
    "scores.drift": ("column_name",),
}
STEPS = (
    "load",
    "link identities",
    "checks",
    "segments",
    "lifetime value",
    "churn",
    "contract churn",
    "offers",
    "rule segments",
    "customer scores",
    "actions",
    "drift",
    "audit",
    "publish",
    "tasks",
    "report",
)
REPORT = "report.html"
# What most steps read, computed once a night; what others rest on comes first.
HELD_FACTS = (
    "products_before",
    "order_lines_before",
    "orders_before",
    "order_days_before",
    "customers_before",
)


@dataclass(frozen=True)
class RunReport:
    """What a night did.

    Attributes
    ----------
    run_id : str
        Name of the run in ops.runs.
    as_of : date
        First day not seen.
    status : str
        "published". A night that is blocked raises `AuditBlocked` instead.
    steps : tuple of StepReport
        What each step did, in order.
    loads : tuple of Load
        One per file of the inbox, and one for the record store.
    published : Published
        The run that is live now; ``is_new`` is False when nothing had changed.
    report : pathlib.Path
        The HTML report.
    seconds : float
        How long it took.
    """

    run_id: str
    as_of: date
    status: str
    steps: tuple[StepReport, ...]
    loads: tuple[Load, ...]
    published: Published
    report: Path
    seconds: float

    @property
    def troubled(self) -> tuple[Load, ...]:
        """The loads of which nothing came in: refused, or every record set aside."""
        return tuple(load for load in self.loads if load.trouble)


@dataclass
class _Night:
    """What the steps of one night hand on to each other."""

    wh: Warehouse
    settings: Settings
    as_of: date
    rules: tuple[segmentation.RuleSegment, ...]
    loads: list[Load] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: pd.DataFrame | None = None


def run(
    wh: Warehouse,
    settings: Settings,
    *,
    as_of: date,
    accept: str | None = None,
    on_step: Callable[[str], None] | None = None,
) -> RunReport:
    """Run one night: load, check, score, audit, publish, report.

    Parameters
    ----------
    wh : Warehouse
        The warehouse, open for writing.
    settings : Settings
        What this company wants; see `crm_analytics.settings`.
    as_of : date
        First day not seen: orders of the day before are the last that count.
    accept : str, optional
        Publish although the audit objects or a later day is live, for this reason; the reason is kept in
        the run's record.
    on_step : callable, optional
        Called with the name of each step as it begins.

    Raises
    ------
    UsageError
        `as_of` is before that of the live run, which would take the published scores back.
    AuditBlocked
        The results failed the audit; nothing was published.
    CurrencyError
        Orders are in several currencies and no reporting currency is set.
    """
    _check_no_rollback(settings.paths.published, as_of, accept)
    rules = segmentation.load_rule_segments(settings.paths.segments)  # a wrong rule is told before any work
    night = _Night(wh, settings, as_of, rules)
    parameters = settings.as_dict() | ({"accept": accept} if accept else {})
    with begin(wh, as_of=as_of, parameters=parameters, on_step=on_step) as log:
        with log.step("load") as step:
            _load(night, step)
        with log.step("link identities") as step:
            _link(night, step)
        with log.step("checks") as step:
            _check_entities(night, step, accept)
        with ExitStack() as held:  # from here to the audit nothing is loaded
            with log.step("segments") as step:
                held.enter_context(_holding(night))
                _segments(night, step)
            with log.step("lifetime value", skip_on=(NotEnoughData,)) as step:
                _value(night, step)
            for kind, asked in churn.KINDS.items():
                with log.step(asked.model.replace("_", " "), skip_on=(NotEnoughData,)) as step:
                    _churn(night, step, kind)
            with log.step("offers", skip_on=(NotEnoughData,)) as step:
                _offers(night, step)
            with log.step("rule segments") as step:
                _rule_segments(night, step)
            with log.step("customer scores") as step:
                _keep(night, step, "scores.customer_scores", scoring.customer_scores(wh, as_of=as_of))
            with log.step("actions", skip_on=(NotEnoughData,)) as step:
                _actions(night, step)
            with log.step("drift", skip_on=(NotEnoughData,)) as step:
                _drift(night, step)
        with log.step("audit") as step:
            _audit(night, step, accept)
        with log.step("publish") as step:
            published = _publish(night, step, log)
        with log.step("tasks") as step:
            _tasks(night, step)
        with log.step("report") as step:
            report = _report(night, step)
        digests = {name: model["sha256"] for name, model in night.models.items()}
        seconds = log.finish("published", models=digests, published_run=published.run_id, reason=accept)
    return RunReport(
        run_id=log.run_id,
        as_of=as_of,
        status="published",
        steps=tuple(log.steps),
        loads=tuple(night.loads),
        published=published,
        report=report,
        seconds=round(seconds, 3),
    )


def _check_no_rollback(folder: Path, as_of: date, accept: str | None) -> None:
    """Refuse to put an earlier day in the place of the live one, unless it is meant."""
    live = live_run(folder)
    if live is not None and not accept and as_of < date.fromisoformat(live["as_of"]):
        raise UsageError(
            f"as_of {as_of.isoformat()} is before the {live['as_of']} of the live run {live['run_id']}: "
            "its scores would be taken back. If that is meant: nightly --accept 'reason'."
        )


def _load(night: _Night, step: Step) -> None:
    """Read the inbox and the record store's changes."""
    paths, how = night.settings.paths, night.settings.ingest
    if noted(night.wh):  # an erasure was cut short
        with RecordStore.open(paths.records) if paths.records is not None else nullcontext() as records:
            finish_erasures(night.wh, records=records, published=paths.published)
    over: list[str] = []
    if paths.inbox.is_dir() and any(paths.inbox.iterdir()):
        night.loads += load(night.wh, paths.inbox, **asdict(how))
        over = [file.relative_to(paths.inbox).as_posix() for file in passed_over(paths.inbox)]
    if paths.records is not None:
        with RecordStore.open(paths.records) as records:
            night.loads.append(sync(night.wh, records))
    step.rows = sum(one.rows_loaded for one in night.loads)
    refused = [one.file for one in night.loads if one.status == "refused"]
    lost = [
        # a file that lies there since an earlier night has no reasons of its own, but an issue that says so
        f"{one.file} ({next(iter([*one.reasons, *(issue.issue for issue in one.issues)]))})"
        for one in night.loads
        if one.trouble and one.status != "refused"
    ]
    told = {"refused": refused, "every record set aside": lost, "no export by the ending, passed over": over}
    step.note = "; ".join(
        [f"{len(night.loads)} sources, {sum(one.rows_quarantined for one in night.loads)} rows set aside"]
        + [f"{what}: {', '.join(files)}" for what, files in told.items() if files]
    )
    if refused or lost:
        step.warn(step.note)
    elif not night.loads:
        none = f"{paths.inbox.name} holds no export" if over else f"{paths.inbox.name} is empty or absent"
        names = f" (passed over: {', '.join(over)})" if over else ""
        step.skip(f"nothing to load: {none}{names}, and no record store is set")


def _link(night: _Night, step: Step) -> None:
    """Find out which source records are one customer."""
    if not night.settings.identity.link:
        step.skip("settings: identity.link is false")
        return
    report = identity.link(night.wh)
    step.rows = report.linked_pairs
    told = f"{report.customers:,} customers of {report.records:,} records; {report.reviewed_pairs:,} to see"
    step.note = told if report.is_new else f"{told}; nothing had changed"


def _check_entities(night: _Night, step: Step, accept: str | None) -> None:
    """Run the rules over the entities; each says in its header whether it warns or stops the night."""
    findings = checks.run(night.wh, as_of=night.as_of)
    step.rows = sum(finding.row_count for finding in findings)
    found = "; ".join(map(str, findings))
    stopping = [finding for finding in findings if finding.gate == "stop"]
    if stopping and not accept:
        raise AuditBlocked(
            f"Night of {night.as_of.isoformat()} is stopped before its models, the last run stays live. "
            f"{'; '.join(map(str, stopping))} Mend the data and run it again (`crm-analytics quality` shows "
            "where), or accept them as they are: nightly --accept 'reason'."
        )
    if findings:
        step.warn(f"accepted ({accept}): {found}" if stopping else found)


def _holding(night: _Night) -> AbstractContextManager[None]:
    """Hold what most steps read of this day; in which currency is settled before the first sum."""
    settle_currency(night.wh)
    return night.wh.holding(*HELD_FACTS, as_of=night.as_of)


def _segments(night: _Night, step: Step) -> None:
    """Keep RFM scores by lasting limits, states of the lifecycle, and clusters if there are any."""
    limits, clusters = _model(night, step, "rfm"), _model(night, step, "clusters")
    how = night.settings.segments
    step.rows = segmentation.keep_segments(
        night.wh,
        as_of=night.as_of,
        thresholds=limits,
        clusters=clusters,
        at_risk_days=how.at_risk_days,
        lapsed_days=how.lapsed_days,
    )
    if clusters.reason:
        step.note = "; ".join(filter(None, (step.note, f"no stable clusters: {clusters.reason}")))


def _rule_segments(night: _Night, step: Step) -> None:
    """Keep who fits which rule; it comes after the models, so that rules can ask for their scores."""
    sizes = segmentation.keep_rule_segments(
        night.wh,
        as_of=night.as_of,
        rules=night.rules,
        high_margin_rate=night.settings.segments.high_margin_rate,
    )
    step.rows = int(sizes["member_count"].sum()) if len(sizes) else 0
    step.note = f"{len(sizes)} rules"


def _value(night: _Night, step: Step) -> None:
    how = night.settings.value
    _clear(night, "scores.clv")
    _clear(night, "scores.fitted_models")
    values, models = clv.value_with_models(
        night.wh, as_of=night.as_of, **asdict(how) | {"model": how.model or _purchase_model(night, step)}
    )
    if models is not None:
        kept = clv.models_table(models, as_of=night.as_of)
        night.wh.replace_as_of("scores.fitted_models", kept, as_of=night.as_of)
    _keep(night, step, "scores.clv", values)


def _purchase_model(night: _Night, step: Step) -> str:
    """Return the model that was chosen; the default, and nothing is kept, where nothing can be compared."""
    try:
        return str(_model(night, step, "value").model)
    except NotEnoughData as reason:
        step.note = f"no purchase model could be chosen: {reason}"
        return str(clv.DEFAULT_MODEL)


def _churn(night: _Night, step: Step, kind: str) -> None:
    name, wanted = churn.KINDS[kind].model, night.settings.churn.kind
    _clear(night, f"scores.{name}")
    if wanted not in (None, kind):
        step.skip(f'settings: churn.kind is "{wanted}"')
        return
    model = _model(night, step, name)
    _keep(night, step, f"scores.{name}", churn.score(night.wh, model, as_of=night.as_of))


def _offers(night: _Night, step: Step) -> None:
    how = night.settings.offers
    _clear(night, "scores.next_best_offers")
    offers = scoring.next_best_offers(
        night.wh,
        as_of=night.as_of,
        k=how.k,
        new_only=how.new_only,
        rank_by=how.rank_by,
        model=_model(night, step, "offers"),
    )
    _keep(night, step, "scores.next_best_offers", offers)


def _actions(night: _Night, step: Step) -> None:
    how = asdict(night.settings.actions) | {"horizon_days": night.settings.churn.horizon_days}
    _clear(night, "scores.actions")
    decided = actions.decisions(night.wh, as_of=night.as_of, **how)
    night.calls = actions.listed(decided)
    _keep(night, step, "scores.actions", night.calls)
    alert_count = int((night.calls["kind"] == "alert").sum())
    rate = night.settings.actions.save_rate
    learned = actions.save_rate(night.wh, as_of=night.as_of) if rate is None else f"save rate {rate:.1%}, set"
    step.note = f"{alert_count} alerts; left out: {actions.left_out(decided) or 'nobody'}; {learned}"


def _model(night: _Night, step: Step, name: str) -> Any:
    """Return the model to score with, and note in the step where it came from."""
    found = newest_or_trained(night.wh, night.settings, name, as_of=night.as_of)
    night.models[name] = found.record()
    age_days = (night.as_of - found.model.as_of).days
    if found.is_new:
        step.note = "trained a model, since none fitted"
    elif age_days > night.settings.models.max_age_days:
        step.warn(f"the model is {age_days} days old: `crm-analytics train` makes a new one")
    return found.model


def _drift(night: _Night, step: Step) -> None:
    """Keep how far the scores moved since the published night before; say what moved clearly."""
    _clear(night, "scores.drift")
    since = _night_before(night)
    moved = monitoring.score_drift(night.wh, as_of=night.as_of, since=since)
    _keep(night, step, "scores.drift", moved.assign(compared_with=since))
    clear = moved[moved["verdict"].isin(["clear", "large"])]
    step.note = f"{len(clear)} of {len(moved)} columns moved clearly since {since.isoformat()}"
    if len(clear):
        step.warn(f"{step.note}: {'; '.join(clear['told'])}")


def _night_before(night: _Night) -> date:
    """Return the live night if it is an earlier one, else the last that was published before."""
    live = live_run(night.settings.paths.published)
    day = None if live is None else date.fromisoformat(live["as_of"])
    return day if day is not None and day < night.as_of else monitoring.last_published(night.wh, night.as_of)


def _audit(night: _Night, step: Step, accept: str | None) -> None:
    import pyarrow.parquet as pq

    how = night.settings.audit
    live = live_run(night.settings.paths.published)
    findings = audit(
        night.wh,
        as_of=night.as_of,
        tables=SCORE_TABLES,
        previous=None if live is None else pq.read_table(live["folder"] / "customer_scores.parquet"),
        previous_as_of=None if live is None else date.fromisoformat(live["as_of"]),
        max_customer_drop_rate=how.max_customer_drop_rate,
        max_change_factor=how.max_change_factor,
        max_shift=how.max_shift,
    )
    step.rows = len(findings)
    found = "; ".join(finding.message for finding in findings)
    if findings and accept:
        step.warn(f"accepted ({accept}): {found}")
    elif findings:
        raise AuditBlocked(
            f"Night of {night.as_of.isoformat()} is blocked, the last run stays live. {found}. "
            "Mend the input and run it again, or accept it as it is: nightly --accept 'reason'."
        )


def _publish(night: _Night, step: Step, log: RunLog) -> Published:
    made_from = {
        "parameters": night.settings.as_dict(),
        "versions": versions(),
        "load_ids": loaded_ids(night.wh),
        "models": night.models,
    }
    published = publish(
        night.wh,
        night.settings.paths.published,
        log.run_id,
        SCORE_TABLES,
        as_of=night.as_of,
        made_from=made_from,
        keep_runs=night.settings.publish.keep_runs,
        lay_out=partial(lay_out, as_of=night.as_of),
    )
    step.rows = published.rows
    step.note = "" if published.is_new else f"nothing had changed: {published.run_id} stays live"
    return published


def _tasks(night: _Night, step: Step) -> None:
    """Hand tonight's list to the people who work with the record store; a task is written once."""
    path = night.settings.paths.records
    if path is None or night.calls is None:
        step.skip("no record store is set" if path is None else "there is no list")
        return
    with RecordStore.open(path) as records:
        step.rows = actions.write_tasks(records, night.calls, as_of=night.as_of)
    step.note = f"{len(night.calls)} on the list, {step.rows} of them new"


def _report(night: _Night, step: Step) -> Path:
    """Write the report from what was published: what is not in there cannot get into it."""
    folder = night.settings.paths.published
    run = live_run(folder)
    assert run is not None, "a run was published just now"
    with open_published(folder) as copy:
        html = company_report(
            copy,
            as_of=night.as_of,
            models=run["made_from"]["models"],
            smallest_group=night.settings.report.smallest_group,
        )
    path: Path = run["folder"] / REPORT
    write_whole(path, html.encode())
    step.note = f"{len(html) // 1024} KB"
    return path


def _keep(night: _Night, step: Step, table: str, scores: pd.DataFrame) -> None:
    """Replace the rows of this as_of by those columns of a result that the table has."""
    columns = night.wh.frame(f"select * from {quote_table(table)} limit 0").columns
    missing = [name for name in columns if name != "as_of" and name not in scores.columns]
    if missing:
        raise UsageError(f"{table}: the result lacks {', '.join(missing)}.")
    step.rows = night.wh.replace_as_of(table, scores.assign(as_of=night.as_of)[columns], as_of=night.as_of)


def _clear(night: _Night, table: str) -> None:
    """Take away what an earlier run wrote for this as_of, in case this one has to skip the step."""
    night.wh.execute(f"delete from {quote_table(table)} where as_of = $as_of", as_of=night.as_of)
