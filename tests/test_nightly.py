"""Does the night publish whole, checked, repeatable results, or nothing?"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from crm_analytics import nightly, segmentation, trained_models
from crm_analytics.errors import AuditBlocked, SettingsError, StoreError
from crm_analytics.records import RecordStore
from crm_analytics.settings import Settings
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.privacy_tags import privacy_tags
from crm_analytics.warehouse.publish import live_run, open_published, read_scores
from crm_analytics.warehouse.run_log import Step
from tests import build

AS_OF = date(2024, 7, 1)
FIRST_DAY = date(2022, 7, 1)


@dataclass(frozen=True)
class FirstNight:
    """What a first night left: its folder, its report, the steps it named, and what ops says of it."""

    settings: Settings
    report: nightly.RunReport
    named: tuple[str, ...]
    runs: list[tuple[Any, ...]]
    step_count: int


def company() -> Warehouse:
    """A shop of two years, in memory."""
    return build.warehouse(order_lines=order_lines())


def order_lines(customer_count: int = 150) -> list[dict[str, Any]]:
    """Customers with a rate and a lifetime of their own, six products."""
    draw = random.Random(20240701)
    lines: list[dict[str, Any]] = []
    for number in range(customer_count):
        gap, left_after = draw.uniform(10, 90), draw.expovariate(1 / 400)
        day = start = draw.randrange(0, 600)
        while day < 730 and day - start <= left_after:
            lines.append(
                {
                    "customer_source_id": f"C{number:04d}",
                    "order_source_id": f"O{len(lines)}",
                    "product_source_id": f"P{draw.randrange(6)}",
                    "occurred_at": (FIRST_DAY + timedelta(days=day)).isoformat(),
                    "unit_price": f"{draw.uniform(5, 60):.2f}",
                }
            )
            day += max(1, round(draw.expovariate(1 / gap)))
    return lines


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the company's models, trained once for all tests."""
    settings = Settings.default(tmp_path_factory.mktemp("company"))
    with company() as wh:
        for name in set(trained_models.KINDS) - {"contract_churn"}:  # it has no contracts
            trained_models.train(wh, settings, name, as_of=AS_OF)
    return settings.paths.models


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory, models: Path) -> FirstNight:
    """The company after its first night, in a folder of its own: to be read or copied, not changed."""
    settings = Settings.default(tmp_path_factory.mktemp("first"))
    shutil.copytree(models, settings.paths.models)
    named: list[str] = []
    with Warehouse.open(settings.warehouse.path, reporting_currency="EUR") as wh:
        build.add(wh, "order_lines", order_lines())
        report = nightly.run(wh, settings, as_of=AS_OF, on_step=named.append)
        runs = wh.rows("select run_id, parameters, versions, models from ops.runs")
        step_count = wh.value("select count(*) from ops.run_steps")
    return FirstNight(settings, report, tuple(named), runs, step_count)


@pytest.fixture
def settings(tmp_path: Path, models: Path) -> Settings:
    """A folder in which no night was yet."""
    made = Settings.default(tmp_path)
    shutil.copytree(models, made.paths.models)
    return made


@pytest.fixture
def next_day(tmp_path: Path, first_night: FirstNight) -> Settings:
    """A copy of the folder after the first night, with its warehouse, models and published run."""
    made = Settings.default(tmp_path)
    shutil.copytree(first_night.settings.warehouse.path.parent, tmp_path, dirs_exist_ok=True)
    return made


@pytest.fixture
def after(next_day: Settings) -> Iterator[Warehouse]:
    """The warehouse of `next_day`."""
    with Warehouse.open(next_day.warehouse.path) as made:
        yield made


@pytest.fixture
def wh() -> Iterator[Warehouse]:
    with company() as made:
        yield made


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_night_publishes_scores_of_every_customer_and_a_report(first_night: FirstNight) -> None:
    report, published = first_night.report, first_night.settings.paths.published
    assert first_night.named == nightly.STEPS
    assert [step.name for step in report.steps] == list(nightly.STEPS)
    skipped = {step.name: step.note for step in report.steps if step.status == "skipped"}
    assert skipped["contract churn"] == "There is no contract before 2024-07-01, so none can end."
    scores = read_scores(published)
    assert len(scores) == 150
    assert scores["customer_id"].is_unique
    assert "Customers on 1 July 2024" in report.report.read_text(encoding="utf-8")
    with open_published(published) as copy:
        assert copy.value("select count(*) from scores.customer_scores") == 150
        states = copy.value("select count(*) from scores.lifecycle where as_of = $d", d=AS_OF)
        rules = copy.value("select count(*) from scores.segment_sizes where as_of = $d", d=AS_OF)
    assert (states, rules) == (150, len(segmentation.load_rule_segments()))
    assert {"rfm", "clusters"} <= set(live_run(published)["made_from"]["models"])  # type: ignore[index]


def test_what_is_published_has_ids_and_scores_and_nothing_else(first_night: FirstNight) -> None:
    """S20: the columns of every file are those tagged in privacy_tags.toml, none of which is a person's."""
    live = live_run(first_night.settings.paths.published)
    assert live is not None
    files = {path.stem: path for path in live["folder"].glob("*.parquet")}
    assert {f"scores.{name}" for name in files} == set(nightly.SCORE_TABLES)
    for name, path in files.items():
        allowed = privacy_tags()[f"scores.{name}"].columns
        assert set(pq.read_schema(path).names) == set(allowed), name
        assert "pii" not in allowed.values(), name


def test_a_wrong_rule_is_told_before_the_night_begins(
    wh: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "segments.toml").write_text(
        '[[segment]]\nname = "a"\nwhere = "order_cont > 1"', encoding="utf-8"
    )
    wrong = replace(settings, paths=replace(settings.paths, segments=tmp_path / "segments.toml"))
    named: list[str] = []
    with pytest.raises(SettingsError, match="did you mean 'order_count'"):
        nightly.run(wh, wrong, as_of=AS_OF, on_step=named.append)
    assert named == []
    assert wh.value("select count(*) from ops.runs") == 0


def test_a_second_run_gives_the_same_bits_and_doubles_nothing(after: Warehouse, next_day: Settings) -> None:
    before = digests(next_day.paths.published)
    counts = {name: after.value(f"select count(*) from {name}") for name in nightly.SCORE_TABLES}
    second = nightly.run(after, next_day, as_of=AS_OF)
    assert (second.published.run_id, second.published.is_new) == ("2024-07-01-001", False)
    assert digests(next_day.paths.published) == before
    assert {name: after.value(f"select count(*) from {name}") for name in nightly.SCORE_TABLES} == counts


def test_another_machine_gives_the_same_bits(first_night: FirstNight, tmp_path: Path) -> None:
    other = Settings.default(tmp_path / "other")
    with company() as elsewhere:
        nightly.run(elsewhere, other, as_of=AS_OF)  # it trains its own models
    assert digests(other.paths.models) == digests(first_night.settings.paths.models)
    here, there = live_run(first_night.settings.paths.published), live_run(other.paths.published)
    assert here is not None
    assert there is not None
    assert here["files"] == there["files"]


# One that shows by itself, one beside the last run; `tests/test_audit.py` has every kind.
FAULTS: dict[str, tuple[str, Callable[[pd.Series], Any]]] = {
    "outside 0 to 1": ("churn_probability", lambda column: column + 1),
    "the mean moved": ("lifetime_revenue", lambda column: column * 10),
}


def test_a_fault_blocks_the_night_the_last_run_stays_live_and_nobody_gets_a_task(
    after: Warehouse, next_day: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(next_day, paths=replace(next_day.paths, records=tmp_path / "crm.records.db"))
    before = digests(settings.paths.published)
    right = nightly.scoring.customer_scores
    for message, (column, spoil) in FAULTS.items():

        def wrong(wh: Warehouse, *, as_of: date, column: str = column, spoil: Any = spoil) -> pd.DataFrame:
            scores = right(wh, as_of=as_of)
            return scores.assign(**{column: spoil(scores[column])})

        monkeypatch.setattr(nightly.scoring, "customer_scores", wrong)
        with pytest.raises(AuditBlocked, match=message):
            nightly.run(after, settings, as_of=AS_OF)
        assert digests(settings.paths.published) == before
        [(status, reason)] = after.rows("select status, reason from ops.runs order by run_id desc limit 1")
        assert status == "blocked"
        assert column in reason
    with RecordStore.open(tmp_path / "crm.records.db") as records:
        assert records.tasks.find() == []


def test_customers_that_vanish_block_the_night_unless_somebody_says_why(
    after: Warehouse, next_day: Settings
) -> None:
    after.execute("delete from entities.order_lines_versions where customer_source_id > 'C0080'")
    with pytest.raises(AuditBlocked, match="81 customers, but the last published run has 150"):
        nightly.run(after, next_day, as_of=AS_OF)
    report = nightly.run(after, next_day, as_of=AS_OF, accept="the second shop was sold")
    assert len(read_scores(next_day.paths.published)) == 81
    [step] = [step for step in report.steps if step.name == "audit"]
    assert step.status == "warned"
    assert after.rows("select status, reason from ops.runs order by run_id")[-1] == (
        "published",
        "the second shop was sold",
    )


def test_a_step_that_fails_leaves_the_last_run_live_and_the_next_night_mends_it(
    after: Warehouse, next_day: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(next_day.paths.published)

    def fail(*arguments: object, **options: object) -> None:
        raise StoreError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(nightly.scoring, "next_best_offers", fail)
        with pytest.raises(StoreError, match="the disk is gone"):
            nightly.run(after, next_day, as_of=AS_OF)
    assert digests(next_day.paths.published) == before
    assert after.value("select status from ops.run_steps where step = 'offers' and status = 'failed'")
    assert nightly.run(after, next_day, as_of=AS_OF).published.is_new is False


KILLED = """
import os, signal, sys
from datetime import date
from crm_analytics import nightly
from crm_analytics.settings import Settings
from crm_analytics.warehouse import Warehouse

folder, last_step = sys.argv[1:]

def on_step(name):
    if name == last_step:
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings.default(folder)
with Warehouse.open(settings.warehouse.path) as wh:
    nightly.run(wh, settings, as_of=date(2024, 7, 1), on_step=on_step)
"""


def test_a_night_killed_at_any_step_is_run_again_as_if_nothing_had_happened(
    first_night: FirstNight, tmp_path: Path
) -> None:
    undisturbed = live_run(first_night.settings.paths.published)
    assert undisturbed is not None
    killed = Settings.default(tmp_path / "killed")
    shutil.copytree(first_night.settings.paths.models, killed.paths.models)
    with Warehouse.open(killed.warehouse.path, reporting_currency="EUR") as other:
        build.add(other, "order_lines", order_lines())
    for step in ("customer scores", "publish", "report"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path / "killed"), step],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == -9, done.stderr
        assert (live_run(killed.paths.published) is None) == (step != "report")
    with Warehouse.open(killed.warehouse.path) as other:
        report = nightly.run(other, killed, as_of=AS_OF)
        statuses = [row[0] for row in other.rows("select status from ops.runs order by run_id")]
    assert statuses == ["failed", "failed", "failed", "published"]
    again = live_run(killed.paths.published)
    assert again is not None
    assert again["files"] == undisturbed["files"]
    assert [path.name for path in (killed.paths.published / "runs").iterdir()] == [again["run_id"]]
    assert report.report.is_file()


def test_too_few_data_skip_a_step_and_say_so(tmp_path: Path) -> None:
    lines = [
        {
            "customer_source_id": f"C{i}",
            "order_source_id": f"O{i}",
            "occurred_at": "2024-06-30",
            "unit_price": "5",
        }
        for i in range(20)
    ]
    settings = Settings.default(tmp_path)
    with build.warehouse(order_lines=lines) as wh:
        report = nightly.run(wh, settings, as_of=AS_OF)
    steps = {step.name: step for step in report.steps}
    for name in ("lifetime value", "churn"):
        assert steps[name].status == "skipped"
        assert len(steps[name].note) > 20
    scores = read_scores(settings.paths.published)
    assert len(scores) == 20
    assert scores["churn_probability"].isna().all()
    assert "No churn model could be trained" in report.report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "status", "note"),
    [
        (
            {"customers.csv": "customer_id,name,country\nC1,Ada,GB\n", "in/photo.jpg": "x"},
            "done",
            "1 sources, 0 rows set aside; no export by the ending, passed over: in/photo.jpg",
        ),
        (
            {"form.csv": "%PDF-1.7", "a.docx": "x"},
            "warned",
            "1 sources, 0 rows set aside; refused: form.csv; no export by the ending, passed over: a.docx",
        ),
        (
            {"notes.docx": "x"},
            "skipped",
            "nothing to load: inbox holds no export (passed over: notes.docx), and no record store is set",
        ),
    ],
)
def test_the_night_names_every_file_of_the_inbox_that_did_not_come_in(
    tmp_path: Path, files: dict[str, str], status: str, note: str
) -> None:
    settings = Settings.default(tmp_path)
    for name, text in files.items():
        path = settings.paths.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with Warehouse.open() as empty:
        step = Step("load")
        nightly._load(nightly._Night(empty, settings, AS_OF, ()), step)
    assert (step.status, step.note) == (status, note)


def test_an_old_model_is_used_but_noted_and_a_model_of_the_future_never(
    wh: Warehouse, settings: Settings
) -> None:
    later = nightly.run(wh, settings, as_of=AS_OF + timedelta(days=100))
    [step] = [step for step in later.steps if step.name == "churn"]
    assert step.status == "warned"
    assert "100 days old" in step.note
    for name in trained_models.KINDS.keys() - {"contract_churn"}:  # the shop has no contracts
        assert trained_models.newest(settings, name, as_of=AS_OF - timedelta(days=1)) is None
        found = trained_models.newest(settings, name, as_of=AS_OF)
        assert found is not None
        assert found.path.name == f"{name}-2024-07-01.json"


def test_a_model_for_another_horizon_is_not_used(settings: Settings, tmp_path: Path) -> None:
    other = Settings.from_mapping({"churn": {"horizon_days": 60}}, folder=tmp_path)
    assert trained_models.newest(other, "churn", as_of=AS_OF) is None
    assert trained_models.newest(other, "offers", as_of=AS_OF) is not None


def test_a_run_is_recorded_with_all_that_is_needed_to_repeat_it(first_night: FirstNight) -> None:
    [(run_id, parameters, versions, models)] = first_night.runs
    assert run_id == first_night.report.run_id == "2024-07-01-001"
    assert '"horizon_days": 90' in parameters
    assert '"duckdb"' in versions
    assert '"churn"' in models
    assert first_night.step_count == len(nightly.STEPS)
    run = live_run(first_night.settings.paths.published)
    assert run is not None
    assert run["made_from"]["models"]["churn"]["card"]["name"] == "churn"


def test_the_list_of_calls_is_published_and_reaches_the_record_store_once(
    wh: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    store = tmp_path / "crm.records.db"
    asked = replace(
        settings,
        paths=replace(settings.paths, records=store),
        value=replace(settings.value, margin_rate=0.5),
        actions=replace(settings.actions, contact_cost=0.1, capacity=7),
    )
    report = nightly.run(wh, asked, as_of=AS_OF)
    calls = read_scores(settings.paths.published, "actions").sort_values("rank", ignore_index=True)
    assert calls["rank"].tolist() == list(range(1, 8))
    assert calls["expected_saved_margin"].is_monotonic_decreasing
    assert {step.name: step.rows for step in report.steps}["tasks"] == 7
    with RecordStore.open(store) as records:
        tasks = records.tasks.find()
        assert {task["customer_source_id"] for task in tasks} == set(
            calls["customer_id"].str.removeprefix("default:")
        )
        records.tasks.update(tasks[0]["source_id"], {"status": "done"})
        again = nightly.run(wh, asked, as_of=AS_OF)
        assert {step.name: step.note for step in again.steps}["tasks"] == "7 on the list, 0 of them new"
        assert len(records.tasks.find()) == 7
        assert records.tasks.get(tasks[0]["source_id"])["status"] == "done"
