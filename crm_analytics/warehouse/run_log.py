"""What was run when, on what, and with what result?  One row per run, one per step (`ops.runs`).

A run's record holds what is needed to compute it again: as_of, parameters, versions, the loads that
brought its data and the digests of its models. This file reads the clock, for times and durations;
no result depends on it.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

import crm_analytics
from crm_analytics.errors import AuditBlocked, CrmError, UsageError
from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.sql_file import SqlFile

if TYPE_CHECKING:
    import pandas as pd

StepStatus = Literal["done", "skipped", "warned", "failed"]
RunStatus = Literal["running", "published", "blocked", "failed"]

# Libraries whose version can change a figure.
COMPUTING = ("duckdb", "lifetimes", "numpy", "pandas", "scikit-learn", "scipy", "statsmodels", "xgboost")


@dataclass(frozen=True)
class StepReport:
    """What one step of a run did.

    Attributes
    ----------
    name : str
        Name of the step.
    status : {"done", "skipped", "warned", "failed"}
        "skipped": the data do not allow it, and the note says why; "warned": done, but look at the note.
    rows : int | None
        Rows written or looked at; None where counting makes no sense.
    seconds : float
        How long it took.
    note : str
        What there is to say, without personal values.
    """

    name: str
    status: StepStatus
    rows: int | None
    seconds: float
    note: str


@dataclass(frozen=True)
class LoadRecord:
    """All there is to say of one load; each row is a mapping of column to value.

    Attributes
    ----------
    account : dict
        Its row of `load_accounts`, without what is missing.
    entities, reasons, controls, issues : tuple of dict
        What each entity got; records set aside by reason and column; what the source says beside what was
        counted here; what was noticed.
    """

    account: dict[str, Any]
    entities: tuple[dict[str, Any], ...]
    reasons: tuple[dict[str, Any], ...]
    controls: tuple[dict[str, Any], ...]
    issues: tuple[dict[str, Any], ...]


@dataclass
class Step:
    """The step that is under way: set `rows` and `note`, or `warn` or `skip` it."""

    name: str
    rows: int | None = None
    note: str = ""
    status: StepStatus = "done"

    def warn(self, note: str) -> None:
        """Say that the step is done but something needs a look."""
        self.status, self.note = "warned", note

    def skip(self, note: str) -> None:
        """Say that the step did nothing, and why."""
        self.status, self.note = "skipped", note


@dataclass
class RunLog:
    """The record of one run while it is under way; made by `begin`."""

    wh: Warehouse
    run_id: str
    as_of: date
    on_step: Callable[[str], None] | None = None
    steps: list[StepReport] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, name: str, *, skip_on: tuple[type[CrmError], ...] = ()) -> Iterator[Step]:
        """Time a step and record it, also when it fails.

        Parameters
        ----------
        name : str
            Name of the step.
        skip_on : tuple of error classes
            Errors that mean "the data do not allow it": the step is recorded as skipped, with the
            error's message as its note, and the run goes on.
        """
        if self.on_step is not None:
            self.on_step(name)
        step, began = Step(name), time.monotonic()
        try:
            yield step
        except skip_on as error:
            step.skip(str(error))
            self._record(step, time.monotonic() - began)
        except BaseException as error:
            step.status, step.note = "failed", _short(error)
            self._record(step, time.monotonic() - began)
            raise
        else:
            self._record(step, time.monotonic() - began)

    def finish(
        self,
        status: RunStatus,
        *,
        models: Mapping[str, str] | None = None,
        published_run: str | None = None,
        reason: str | None = None,
    ) -> float:
        """Close the run's record; return its seconds."""
        seconds = time.monotonic() - self._began
        self.wh.execute(
            "update ops.runs set status = $status, finished_at = $finished_at, seconds = $seconds, "
            "input_load_ids = $load_ids, models = $models, published_run = $published_run, reason = $reason "
            "where run_id = $run_id",
            status=status,
            finished_at=datetime.now(UTC),
            seconds=seconds,
            load_ids=json.dumps(loaded_ids(self.wh)),
            models=json.dumps(dict(models or {}), sort_keys=True),
            published_run=published_run,
            reason=reason,
            run_id=self.run_id,
        )
        return seconds

    def _record(self, step: Step, seconds: float) -> None:
        report = StepReport(step.name, step.status, step.rows, round(seconds, 3), step.note)
        self.steps.append(report)
        self.wh.execute(
            "insert into ops.run_steps (run_id, step_number, step, status, row_count, seconds, note) "
            "values ($run_id, $number, $step, $status, $row_count, $seconds, $note)",
            run_id=self.run_id,
            number=len(self.steps),
            step=report.name,
            status=report.status,
            row_count=report.rows,
            seconds=report.seconds,
            note=report.note,
        )


@contextmanager
def begin(
    wh: Warehouse,
    *,
    as_of: date,
    parameters: Mapping[str, Any],
    on_step: Callable[[str], None] | None = None,
) -> Iterator[RunLog]:
    """Open the record of a run; an error that leaves the block closes it as failed.

    Parameters
    ----------
    wh : Warehouse
        Where it is recorded. A run that was killed earlier is closed as failed: there is one owner.
    as_of : date
        First day not seen.
    parameters : mapping
        Settings the results depend on; kept as JSON.
    on_step : callable, optional
        Called with the name of each step as it begins.

    Examples
    --------
    >>> with Warehouse.open() as wh, begin(wh, as_of=date(2025, 7, 1), parameters={}) as log:
    ...     with log.step("count") as step:
    ...         step.rows = 3
    ...     _ = log.finish("published")
    ...     log.run_id, log.steps[0].status, log.steps[0].rows
    ('2025-07-01-001', 'done', 3)
    """
    wh.execute(
        "update ops.runs set status = 'failed', reason = 'the process ended before the run did' "
        "where status = 'running'"
    )
    earlier = wh.value("select count(*) from ops.runs where as_of = $as_of", as_of=as_of)
    log = RunLog(wh, f"{as_of.isoformat()}-{earlier + 1:03d}", as_of, on_step)
    wh.execute(
        "insert into ops.runs (run_id, as_of, status, started_at, versions, parameters) "
        "values ($run_id, $as_of, 'running', $started_at, $versions, $parameters)",
        run_id=log.run_id,
        as_of=as_of,
        started_at=datetime.now(UTC),
        versions=json.dumps(versions(), sort_keys=True),
        parameters=json.dumps(parameters, sort_keys=True, default=str),
    )
    try:
        yield log
    except BaseException as error:
        log.finish("blocked" if isinstance(error, AuditBlocked) else "failed", reason=_short(error))
        raise


def published_nights(wh: Warehouse) -> dict[date, dict[str, Any]]:
    """Return as_of -> settings of every night whose last run was published, oldest first."""
    rows = wh.rows(
        "select as_of, parameters from ops.runs "
        "qualify row_number() over (partition by as_of order by started_at desc, run_id desc) = 1 "
        "and status = 'published' order by as_of"
    )
    return {night: json.loads(parameters) for night, parameters in rows}


def versions() -> dict[str, str]:
    """Return the versions that a figure can depend on: the package, Python and the libraries that compute."""
    found = {"crm_analytics": crm_analytics.__version__, "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in COMPUTING}


def loaded_ids(wh: Warehouse) -> list[int]:
    """Return the ids of the loads that brought the data, in order; those that were withdrawn brought none."""
    loaded = wh.rows(
        "select load_id from ops.loads anti join ops.withdrawals using (load_id) "
        "where status = 'loaded' order by load_id"
    )
    return [row[0] for row in loaded]


def load_accounts(wh: Warehouse) -> pd.DataFrame:
    """Return every load with its account, in order; columns as in ``ops/load_accounts.sql``."""
    return wh.frame(SqlFile.beside(__file__, "ops/load_accounts.sql"))


def load_record(wh: Warehouse, load_id: int) -> LoadRecord:
    """Return all there is to say of one load; UsageError when there is no such load."""
    accounts = load_accounts(wh)
    found = accounts[accounts["load_id"] == load_id].astype(object)
    if found.empty:
        raise UsageError(f"There is no load {load_id}. See `crm-analytics loads`.")
    [account] = found.where(found.notna(), None).to_dict("records")

    def of_load(columns: str, table: str, rest: str = "") -> tuple[dict[str, Any], ...]:
        rows = wh.rows(f"select {columns} from {table} where load_id = $load_id {rest}", load_id=load_id)
        return tuple(dict(zip(columns.split(", "), row, strict=True)) for row in rows)

    return LoadRecord(
        account={str(name): value for name, value in account.items()},
        entities=of_load(
            "entity, rows_staged, rows_loaded, rows_merged, rows_removed", "ops.load_entities", "order by 1"
        ),
        reasons=of_load(
            "reason, column_name, records",
            "(select load_id, reason, column_name, count(*) as records from ops.quarantine group by all)",
            "order by records desc, reason, column_name",
        ),
        controls=of_load(
            "control, scope, source_id, theirs, ours, difference", "ops.load_controls", "order by rowid"
        ),
        issues=of_load("issue, column_name, detail, row_count", "ops.load_issues", "order by rowid"),
    )


def _short(error: BaseException) -> str:
    """Name an error; the text only of our own, since others may quote values of the data."""
    return f"{type(error).__name__}: {error}" if isinstance(error, CrmError) else type(error).__name__
