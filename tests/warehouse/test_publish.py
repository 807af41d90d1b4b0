"""Do readers always see one whole run, whatever happens to the publisher, and nothing personal in it?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from crm_analytics.errors import StoreCorrupt, UsageError
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.publish import live_run, open_published, publish, read_scores
from tests import build

AS_OF = date(2025, 7, 1)
TABLES = {"scores.probe": ("customer_id",)}


def with_scores(wh: Warehouse, *, value: int, customers: int = 50, prefix: str = "shop:c") -> Warehouse:
    """Fill scores.probe with one value for every customer."""
    wh.execute("create table if not exists scores.probe (as_of date, customer_id varchar, value bigint)")
    rows = pd.DataFrame({"as_of": AS_OF, "customer_id": [f"{prefix}{i:05d}" for i in range(customers)]})
    wh.replace_as_of("scores.probe", rows.assign(value=value), as_of=AS_OF)
    return wh


def test_a_published_run_is_read_back_whole(tmp_path: Path) -> None:
    with with_scores(Warehouse.open(), value=7) as wh:
        done = publish(wh, tmp_path, "run-1", TABLES, as_of=AS_OF, made_from={})
    assert (done.run_id, done.rows, done.is_new) == ("run-1", 50, True)
    scores = read_scores(tmp_path, "probe")
    assert scores["customer_id"].is_monotonic_increasing
    assert set(scores["value"]) == {7}
    with open_published(tmp_path) as copy:
        assert copy.value("select count(*) from scores.probe") == 50


def test_the_same_results_from_the_same_inputs_are_not_published_twice(tmp_path: Path) -> None:
    with with_scores(Warehouse.open(), value=7) as wh:
        publish(wh, tmp_path, "run-1", TABLES, as_of=AS_OF, made_from={"loads": [1]})
        before = snapshot(tmp_path)
        again = publish(wh, tmp_path, "run-2", TABLES, as_of=AS_OF, made_from={"loads": [1]})
        assert (again.run_id, again.is_new) == ("run-1", False)
        assert snapshot(tmp_path) == before
        other = publish(wh, tmp_path, "run-3", TABLES, as_of=AS_OF, made_from={"loads": [1, 2]})
    assert (other.run_id, other.is_new) == ("run-3", True)


def test_only_the_last_runs_are_kept(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        for number in range(5):
            with_scores(wh, value=number)
            publish(wh, tmp_path, f"run-{number}", TABLES, as_of=AS_OF, made_from={}, keep_runs=3)
    assert sorted(os.listdir(tmp_path / "runs")) == ["run-2", "run-3", "run-4"]
    run = live_run(tmp_path)
    assert run is not None
    assert run["run_id"] == "run-4"


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with with_scores(Warehouse.open(), value=1) as wh:
            publish(wh, tmp_path / "out", "run-1", TABLES, as_of=AS_OF, made_from={})
    finally:
        os.umask(old)
    for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path.name


def test_nothing_personal_is_published(tmp_path: Path) -> None:
    canary = "canary.person@example.org"
    customers = [{"source_id": canary, "name": "Canary Person", "email": canary, "country": "DE"}]
    lines = [{"customer_source_id": canary, "order_source_id": "o1", "amount": "10"}]
    with build.warehouse(customers=customers, order_lines=lines) as wh:
        with_scores(wh, value=1, customers=1, prefix=f"default:{canary}")
        wh.execute("update scores.probe set customer_id = $c", c=f"default:{canary}")
        publish(wh, tmp_path, "run-1", TABLES, as_of=AS_OF, made_from={})
        key = wh.value("select value from ops.settings where name = 'published_id_key'")
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (canary, "canary.person", "Canary Person", key):
        assert secret.encode() not in content, secret
    [published] = read_scores(tmp_path, "probe")["customer_id"]
    assert published.startswith("default:")
    with open_published(tmp_path) as copy:
        # The hashed id still joins: facts made in the copy name the customer as the scores do.
        ids = copy.rows("select customer_id, country from facts.customers_before(date '2025-07-01')")
        assert ids == [(published, "DE")]
        assert copy.rows("select distinct customer_id from facts.orders_before(date '2025-07-01')") == [
            (published,)
        ]


def test_before_the_first_run_a_reader_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is published there yet"):
        read_scores(tmp_path)
    assert live_run(tmp_path) is None


def test_a_table_the_run_does_not_hold_is_named(tmp_path: Path) -> None:
    with with_scores(Warehouse.open(), value=1) as wh:
        publish(wh, tmp_path, "run-1", TABLES, as_of=AS_OF, made_from={})
    with pytest.raises(UsageError, match=r"the live run holds no clv\.parquet\. It holds the tables \w+"):
        read_scores(tmp_path, "clv")


@pytest.mark.parametrize("text", ["", "{", '{"run_id": "../../etc"}', "[]"])
def test_a_damaged_pointer_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "current.json").write_text(text)
    with pytest.raises(StoreCorrupt, match=r"current\.json is damaged"):
        read_scores(tmp_path)


def test_a_run_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    with with_scores(Warehouse.open(), value=1) as wh, pytest.raises(UsageError, match="run_id"):
        publish(wh, tmp_path, "../x", TABLES, as_of=AS_OF, made_from={})


PUBLISHER = textwrap.dedent(
    """
    import sys
    from datetime import date
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_publish import AS_OF, TABLES, with_scores
    from crm_analytics.warehouse import Warehouse
    from crm_analytics.warehouse.publish import publish
    wh = Warehouse.open()
    for number in range(int(sys.argv[3]), int(sys.argv[4])):
        with_scores(wh, value=number, customers=2000)
        publish(wh, sys.argv[1], f"run-{number:04d}", TABLES, as_of=AS_OF, made_from={}, keep_runs=2)
        print(number, flush=True)
    """
)

READER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from crm_analytics.warehouse.publish import open_published, read_scores
    reads, runs = 0, set()
    while not Path(sys.argv[2]).exists():
        scores = read_scores(sys.argv[1], "probe")
        assert len(scores) == 2000 and scores["value"].nunique() == 1, "half a run"
        if reads % 5 == 0:
            with open_published(sys.argv[1]) as copy:
                assert copy.rows("select count(*), count(distinct value) from scores.probe") == [(2000, 1)]
        reads += 1
        runs.add(int(scores["value"].iloc[0]))
        print(reads, len(runs), flush=True)
        time.sleep(0.1)  # leaves the publisher a core
    """
)


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(build.__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )


def test_readers_are_never_blocked_and_never_see_half_a_run(tmp_path: Path) -> None:
    with with_scores(Warehouse.open(), value=0, customers=2000) as wh:
        publish(wh, tmp_path, "run-0000", TABLES, as_of=AS_OF, made_from={})
    stop = tmp_path / "stop"
    reader = start(READER, str(tmp_path), str(stop))
    assert reader.stdout is not None
    reader.stdout.readline()  # it has begun
    publisher = start(PUBLISHER, str(tmp_path), str(Path(__file__).parent), "1", "13")
    try:
        out, err = publisher.communicate(timeout=300)
        assert publisher.returncode == 0, err
    finally:
        stop.touch()
        publisher.kill()
    seen, err = reader.communicate(timeout=120)
    assert reader.returncode == 0, err
    assert int(seen.split("\n")[-2].split()[1]) > 1, "the reader ran while runs changed"
    assert len(out.split()) == 12


def test_a_killed_publisher_leaves_the_previous_run_live_and_nothing_behind(tmp_path: Path) -> None:
    number = 0
    for delay in (0.01, 0.05, 0.1, 0.15):
        child = start(PUBLISHER, str(tmp_path), str(Path(__file__).parent), str(number), str(number + 1000))
        assert child.stdout is not None
        acknowledged = int(child.stdout.readline())
        try:
            child.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            child.kill()
        rest, _ = child.communicate(timeout=30)
        acknowledged = int(rest.split()[-1]) if rest.split() else acknowledged
        scores = read_scores(tmp_path, "probe")
        assert len(scores) == 2000
        live = int(scores["value"].iloc[0])
        assert live in (acknowledged, acknowledged + 1), "the pointer may have moved before the word was out"
        number = live + 1
    with with_scores(Warehouse.open(), value=-1, customers=2000) as wh:
        publish(wh, tmp_path, "last", TABLES, as_of=AS_OF, made_from={}, keep_runs=2)
    pointer = json.loads((tmp_path / "current.json").read_text())
    assert set(os.listdir(tmp_path / "runs")) == {"last", *pointer["earlier"]}
    assert sorted(os.listdir(tmp_path)) == ["current.json", "current.json.lock", "runs"]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
