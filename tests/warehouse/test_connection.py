"""The door to DuckDB: transactions, threads, forks, settings, exact money, errors in our own words."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from crm_analytics import errors
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.sql_file import PACKAGE
from crm_analytics.warehouse.tables import definitions
from tests import build


def test_a_failed_transaction_leaves_nothing() -> None:
    with Warehouse.open() as wh:
        wh.execute("create table t (a integer)")
        with pytest.raises(errors.StoreError, match="missing_table"), wh.transaction():
            wh.execute("insert into t values (1)")
            wh.execute("insert into missing_table values (1)")
        assert wh.value("select count(*) from t") == 0
        wh.execute("insert into t values (2)")
        assert wh.value("select count(*) from t") == 1


def test_the_copies_that_tests_begin_with_hold_all_definitions() -> None:
    """See `new_warehouses_are_copies`: tables, views and macros are those that `definitions` makes."""
    catalog = """
        select schema_name, table_name as name, sql from duckdb_tables()
        union all
        select schema_name, view_name, sql from duckdb_views() where not internal
        union all
        select schema_name, sequence_name, '' from duckdb_sequences()
        union all
        select schema_name, function_name, macro_definition from duckdb_functions()
        where not internal and macro_definition is not null
        order by all"""
    with duckdb.connect() as made, Warehouse.open() as copied:
        for statement in definitions():
            made.execute(statement)
        assert copied.rows(catalog) == made.execute(catalog).fetchall()


def test_a_nested_transaction_joins_the_outer_one() -> None:
    with Warehouse.open() as wh:
        wh.execute("create table t (a integer)")
        with pytest.raises(RuntimeError, match="stop"), wh.transaction():
            with wh.transaction():
                wh.execute("insert into t values (1)")
            raise RuntimeError("stop")
        assert wh.value("select count(*) from t") == 0


def test_money_from_pandas_is_not_rounded() -> None:
    """DuckDB types an object column from a sample: 100,000 whole numbers would round the one that is not."""
    amounts = [Decimal(100)] * 100_000
    amounts[777] = Decimal("19.99")
    with Warehouse.open() as wh:
        wh.execute("create table ops.t (amount decimal(18, 4))")
        wh.append("ops.t", pd.DataFrame({"amount": pd.Series(amounts, dtype=object)}))
        assert wh.value("select sum(amount) from ops.t") == Decimal("9999919.9900")


def test_appending_an_unknown_column_is_refused() -> None:
    with Warehouse.open() as wh:
        wh.execute("create table ops.t (a integer)")
        with pytest.raises(errors.StoreError, match="nonsense"):
            wh.append("ops.t", pa.table({"a": [1], "nonsense": [2]}))


def test_replacing_one_as_of_keeps_the_others() -> None:
    from datetime import date

    with Warehouse.open() as wh:
        wh.execute("create table scores.t (as_of date, customer_id varchar)")
        for day in (date(2024, 1, 1), date(2024, 1, 2)):
            frame = pd.DataFrame({"as_of": [day], "customer_id": ["a"]})
            wh.replace_as_of("scores.t", frame, as_of=day)
            wh.replace_as_of("scores.t", frame, as_of=day)
        assert wh.value("select count(*) from scores.t") == 2


def test_every_thread_gets_its_own_rows() -> None:
    wrong: list[str] = []

    def work(wh: Warehouse, number: int) -> None:
        for _ in range(100):
            got = wh.value("select $n", n=number)
            if got != number:
                wrong.append(f"{number} got {got}")

    with Warehouse.open() as wh:
        threads = [threading.Thread(target=work, args=(wh, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def _use_in_child(wh: Warehouse, answer: multiprocessing.SimpleQueue[str]) -> None:
    try:
        wh.value("select 1")
        answer.put("worked")
    except errors.StoreError as error:
        answer.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_open_its_own(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "w.duckdb") as wh:
        context = multiprocessing.get_context("fork")
        answer = context.SimpleQueue()
        child = context.Process(target=_use_in_child, args=(wh, answer))
        child.start()
        child.join(60)
        child.kill()  # one that hangs is no answer
        assert not answer.empty()
        assert "another process" in answer.get()
        assert wh.value("select 1") == 1


OPEN = "import sys; from crm_analytics import Warehouse; Warehouse.open(sys.argv[1]).close()"


def _open_elsewhere(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_second_writer_is_told_who_holds_the_warehouse(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with Warehouse.open(path):
        refused = _open_elsewhere(path)
        assert "StoreBusy" in refused.stderr
        assert f"process {os.getpid()}" in refused.stderr
    assert _open_elsewhere(path).returncode == 0


def test_reading_the_file_does_not_let_a_second_writer_in(tmp_path: Path) -> None:
    """DuckDB's own lock is lost when the owner opens and closes the file; ours is not."""
    path = tmp_path / "w.duckdb"
    with Warehouse.open(path):
        path.open("rb").close()
        assert "StoreBusy" in _open_elsewhere(path).stderr


def test_a_symlink_shares_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    (tmp_path / "alias.duckdb").symlink_to(path)
    with Warehouse.open(path), pytest.raises(errors.StoreBusy, match="in use by process"):
        Warehouse.open(tmp_path / "alias.duckdb")


def test_settings_are_kept_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    Warehouse.open(path, timezone="Asia/Tehran", reporting_currency="irr", week_start="Saturday").close()
    with Warehouse.open(path) as wh:
        assert wh.settings.timezone == "Asia/Tehran"
        assert wh.settings.reporting_currency == "IRR"
        assert wh.settings.week_start == "saturday"
        assert wh.value(
            "select cast(date '2024-03-20' as timestamptz) = timestamptz '2024-03-19 20:30:00+00'"
        )
    assert path.stat().st_mode & 0o077 == 0


def test_the_time_zone_cannot_change_under_loaded_data(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with Warehouse.open(path, timezone="Europe/Berlin") as wh:
        wh.execute(
            "insert into ops.loads values (1, 'f', null, null, null, null, null, 'loaded', 0, 0, 0, 0, null, "
            "timestamptz '2024-01-01', timestamptz '2024-01-01', timestamptz '2024-01-01')"
        )
    with pytest.raises(errors.SettingsError, match="already holds data"):
        Warehouse.open(path, timezone="UTC")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"timezone": "Berlin"}, "not an IANA"),
        ({"reporting_currency": "euro"}, "ISO 4217"),
        ({"week_start": "someday"}, "no weekday"),
    ],
)
def test_an_impossible_setting_is_refused(setting: dict[str, str], words: str) -> None:
    with pytest.raises(errors.SettingsError, match=words):
        Warehouse.open(**setting)  # type: ignore[arg-type]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="does not exist"):
        Warehouse.open(tmp_path / "no" / "w.duckdb")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(b"customer_id,order_id\n" * 1000)
    with pytest.raises(errors.StoreCorrupt, match="damaged"):
        Warehouse.open(path)


STARVED = """
import resource, sys
from pathlib import Path
from crm_analytics import Warehouse
from crm_analytics.errors import OutOfMemoryError
with Warehouse.open(sys.argv[1], threads=1) as wh:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 80 * 2**20, now + 80 * 2**20))
    try:
        wh.rows("select md5(range::text) as a, md5((range + 1)::text) as b from range(2000000) order by b, a")
    except OutOfMemoryError:
        print(wh.value("select count(*) from entities.customers"))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_a_process_that_gets_no_more_memory_has_our_error_and_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARVED, str(tmp_path / "crm.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_too_little_memory_is_our_own_error_and_the_session_goes_on() -> None:
    with Warehouse.open(memory_limit="60MB", threads=1) as wh:
        wh.execute("set max_temp_directory_size = '1MB'")
        with pytest.raises(errors.OutOfMemoryError, match="memory_limit"):
            wh.rows("select * from range(3000000) t(i) order by hash(i)")
        assert wh.value("select 1") == 1


def test_a_frame_is_held_to_its_header(tmp_path: Path) -> None:
    text = (
        "-- kind:    statement\n-- purpose: What?\n-- grain:   a\n-- reads:   none\n-- columns:\n"
        "--   a    number\nselect {} as {} from range(2)\n"
    )
    wrong_name, repeated = tmp_path / "wrong_name.sql", tmp_path / "repeated.sql"
    wrong_name.write_text(text.format("range", "b"))
    repeated.write_text(text.format("1", "a"))
    with Warehouse.open() as wh:
        with pytest.raises(errors.StoreError, match="declares"):
            wh.frame(SqlFile.load(wrong_name))
        with pytest.raises(errors.StoreError, match="not unique by a"):
            wh.frame(SqlFile.load(repeated))


@pytest.fixture(scope="module")
def shop() -> Iterator[Warehouse]:
    """A dozen customers, each with a gap of their own between orders."""
    days = {f"C{number:02d}": build.daily("2023-06-01", 20 + 3 * number, 30) for number in range(12)}
    with build.warehouse(order_lines=build.order_lines_of(days)) as wh:
        yield wh


def test_held_facts_give_the_same_rows_for_their_day_and_leave_nothing_behind(shop: Warehouse) -> None:
    label = SqlFile.load(PACKAGE / "churn" / "label.sql")
    summary = SqlFile.load(PACKAGE / "clv" / "summary.sql")
    day, other = date(2025, 1, 1), date(2024, 7, 1)
    window = {"horizon_days": 90, "active_days": 365}
    asked = [
        (label, window | {"as_of": day}),
        (summary, {"as_of": day}),
        (summary, {"as_of": other}),
    ]
    plain = [shop.frame(file, **given).sort_values("customer_id") for file, given in asked]
    with shop.holding("order_days_before", as_of=day):
        with shop.holding("order_days_before", "customers_before", as_of=day):
            # whatever is read now for that day comes from the held rows, and only for that day
            held_days = "temp.held_order_days_before_20250101"
            shop.execute(
                f"delete from {held_days} where customer_id <> (select min(customer_id) from {held_days})"
            )
            thinned = [shop.frame(file, **given) for file, given in asked]
        smaller = [len(frame) < len(rows) for frame, rows in zip(thinned, plain, strict=True)]
        assert smaller == [True, True, False]
    with shop.holding("order_days_before", "customers_before", as_of=day):
        held = [shop.frame(file, **given).sort_values("customer_id") for file, given in asked]
    for with_held, without in zip(held, plain, strict=True):
        pd.testing.assert_frame_equal(with_held.reset_index(drop=True), without.reset_index(drop=True))
    assert shop.rows("select table_name from duckdb_tables() where table_name like 'held%'") == []


def test_python_variables_cannot_be_read_from_sql() -> None:
    secret = pd.DataFrame({"a": [1]})
    with Warehouse.open() as wh, pytest.raises(errors.StoreError, match="secret"):
        wh.rows("select * from secret")
    assert len(secret) == 1


@pytest.mark.parametrize("query", ["select timestamptz '2024-03-31 12:00:00+00' as at"])
def test_times_come_as_times_of_the_business_zone(query: str) -> None:
    with Warehouse.open(timezone="Europe/Berlin") as wh:
        moment = wh.frame(query)["at"][0]
    assert (moment.hour, str(moment.tz)) == (14, "Europe/Berlin")


def test_identities_that_pandas_cannot_hold_say_what_to_do() -> None:
    with Warehouse.open() as wh, pytest.raises(errors.UsageError, match=r"hex\(row_id\)"):
        wh.frame("select row_id from entities.customers")


def test_a_table_that_was_read_is_let_go_before_its_transaction_ends() -> None:
    before = pa.total_allocated_bytes()
    with Warehouse.open() as wh, wh.transaction():
        wh.execute("create temp table taken (value bigint)")
        for _ in range(3):
            with wh.registered(given=pa.table({"value": pa.array(range(100_000), pa.int64())})):
                wh.execute("insert into taken select value from given where value < 1")
        assert pa.total_allocated_bytes() - before < 800_000
        assert wh.value("select count(*) from taken") == 3
