"""Is an earlier run live again at once, whole, for readers who never stop reading, and on the record?"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_analytics.errors import StoreCorrupt, UsageError
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.audit_log import verify_audit
from crm_analytics.warehouse.publish import publish, read_scores
from crm_analytics.warehouse.roll_back import kept_runs, roll_back
from tests.warehouse.test_publish import AS_OF, TABLES, with_scores


def add_run(wh: Warehouse, folder: Path, number: int) -> None:
    """Publish run-<number>, in which every customer has that value."""
    publish(wh, folder, f"run-{number}", TABLES, as_of=AS_OF, made_from={"number": number})


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder with three runs, to be copied."""
    folder = tmp_path_factory.mktemp("published")
    with Warehouse.open() as wh:
        for number in (1, 2, 3):
            add_run(with_scores(wh, value=number), folder, number)
    return folder


@pytest.fixture
def folder(three_runs: Path, tmp_path: Path) -> Path:
    """A copy of the three runs; run-3 is live."""
    return Path(shutil.copytree(three_runs, tmp_path / "published"))


@pytest.fixture
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as made:
        yield made


def value(folder: Path) -> int:
    [one] = set(read_scores(folder, "probe")["value"])
    return int(one)


def test_the_run_before_is_live_again_with_its_bits_and_the_next_one_follows_it(
    wh: Warehouse, folder: Path
) -> None:
    file = folder / "runs" / "run-2" / "probe.parquet"
    bits = file.read_bytes()
    now = roll_back(wh, folder, reason="prices of 4 July were wrong")
    assert (now.run_id, now.as_of, now.is_live) == ("run-2", AS_OF, True)
    assert value(folder) == 2
    assert file.read_bytes() == bits
    assert roll_back(wh, folder, reason="and of 3 July").run_id == "run-1"
    assert roll_back(wh, folder, "run-3", reason="they were right").run_id == "run-3"
    roll_back(wh, folder, reason="no, wrong")
    add_run(with_scores(wh, value=4), folder, 4)
    assert value(folder) == 4
    assert [run.run_id for run in kept_runs(folder)] == ["run-2", "run-3", "run-4"]


def test_who_went_back_from_where_and_why_is_in_the_audit_log(wh: Warehouse, folder: Path) -> None:
    roll_back(wh, folder, reason=" a load came twice ")
    [(actor, subject, detail)] = wh.rows(
        "select actor, subject, detail from ops.audit_log where action = 'roll back'"
    )
    assert verify_audit(wh).entries == 1
    assert actor
    assert subject == "run-2"
    assert json.loads(detail) == {"reason": "a load came twice", "taken_back": "run-3"}


def test_a_reader_who_never_stops_sees_one_whole_run_or_the_other(wh: Warehouse, folder: Path) -> None:
    seen: list[int] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                scores = read_scores(folder, "probe")
                assert (len(scores), scores["value"].nunique()) == (50, 1), "half a run"
                seen.append(int(scores["value"].iloc[0]))
            except BaseException as error:
                errors.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    turns = 0
    while not errors and (turns < 8 or not {1, 2} <= set(seen)):
        roll_back(wh, folder, f"run-{turns % 2 + 1}", reason="to and fro")
        turns += 1
    stop.set()
    reader.join()
    assert errors == []
    assert set(seen) <= {1, 2, 3}


def test_what_cannot_be_gone_back_to_is_named_and_nothing_moves(
    wh: Warehouse, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="nothing is published there yet"):
        roll_back(wh, tmp_path / "elsewhere", reason="a mistake")
    before = (folder / "current.json").read_bytes()
    for run_id, reason, told in (
        ("run-3", "a mistake", r"run-3 is live already. Other runs that are kept: run-1, run-2\."),
        ("../../x", "a mistake", r"no run '\.\./\.\./x' is kept. Other runs that are kept: run-1, run-2\."),
        ("run-1", "  ", "Say why"),
    ):
        with pytest.raises(UsageError, match=told):
            roll_back(wh, folder, run_id, reason=reason)
    (folder / "runs" / "run-1" / "probe.parquet").write_bytes(b"something else")
    with pytest.raises(StoreCorrupt, match=r"probe\.parquet of run run-1 is missing or not what was"):
        roll_back(wh, folder, "run-1", reason="a mistake")
    assert (folder / "current.json").read_bytes() == before
    assert wh.value("select count(*) from ops.audit_log where action = 'roll back'") == 0
    assert value(folder) == 3


def test_before_the_first_run_there_is_nothing_to_go_back_to(wh: Warehouse, folder: Path) -> None:
    roll_back(wh, folder, "run-1", reason="the first was right")
    with pytest.raises(UsageError, match="no run before run-1 is kept"):
        roll_back(wh, folder, reason="a mistake")
