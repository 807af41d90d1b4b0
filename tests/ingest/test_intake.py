"""Does a delivery pass in whole, in blocks, or not at all?"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crm_analytics.ingest import load, text_records
from crm_analytics.warehouse import Warehouse

HEADER = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency"
RECEIVED_AT = "2025-06-30"
PROFILE = """
profile = "report"
purpose = "A report with footers."
source_system = "reports"
[rows]
footers = ["Grand Totals", "Confidential"]
[[entity]]
name = "customers"
[entity.columns]
source_id = { from = "Number", required = true }
name = { from = "Name" }
[[entity]]
name = "orders"
when = ["Order"]
[entity.columns]
source_id = { from = "Order", required = true }
customer_source_id = { from = "Number" }
occurred_at = { from = "Day" }
"""

# Loads a file slowly (small blocks) and says when it is where the test wants to interrupt it.
CHILD = """
import signal, sys, time
from crm_analytics.ingest import load, text_records
from crm_analytics.warehouse import Warehouse

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
text_records.BLOCK_BYTES = 20_000
calls = []

def progress(file, done, total):
    calls.append(done)
    if len(calls) == 3 and sys.argv[3] == "reading" or done == total and sys.argv[3] == "storing":
        print("now", flush=True)
        if sys.argv[3] == "reading":
            time.sleep(20)  # until the signal comes, however busy the machine is

with Warehouse.open(sys.argv[1]) as wh:
    try:
        load(wh, sys.argv[2], received_at="2025-06-30", progress=progress)
    except KeyboardInterrupt:
        print("interrupted", wh.value("select count(*) from ops.loads"), flush=True)
"""


def lines(count: int) -> str:
    records = (
        f"C{number % 997},O{number // 3},2024-02-06,P{number % 31},Mug,{number % 7 + 1},1.50,EUR"
        for number in range(count)
    )
    return "\n".join([HEADER, *records, ""])


def test_memory_is_limited_while_a_file_is_loaded_and_not_longer(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(lines(10))
    limit = "select current_setting('memory_limit')"
    seen = []
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        before = wh.value(limit)
        load(wh, file, received_at=RECEIVED_AT, progress=lambda *_: seen.append(wh.value(limit)))
        assert (seen, wh.value(limit)) == (["732.4 MiB"], before)
    with Warehouse.open(tmp_path / "crm.duckdb", memory_limit="1GB") as wh:
        load(wh, file, received_at="2025-07-30", progress=lambda *_: seen.append(wh.value(limit)))
        assert wh.value(limit) == "953.6 MiB"


def test_small_blocks_give_what_one_block_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.csv"
    text = lines(300).replace("O50,", "O50 ,").replace(",7,1.50", ",x,1.50", 5)
    file.write_text(text + 'C1,O1,2024-01-01,P1,"two\nlines",1,1,EUR\nC1,O1\n')
    results = []
    for size in (None, 512):
        if size is not None:
            monkeypatch.setattr(text_records, "BLOCK_BYTES", size)
            monkeypatch.setattr(text_records, "_BEYOND_BYTES", 16)
        with Warehouse.open() as wh:
            [account] = load(wh, file, received_at=RECEIVED_AT)
            versions = wh.rows("select * exclude (load_id) from entities.order_lines_versions order by all")
            aside = wh.rows("select * exclude (load_id) from ops.quarantine order by all")
            results.append((account, versions, aside))
    assert results[0] == results[1]
    assert results[0][0].reasons == {"bad_number": 5, "too_few_fields": 1}


def test_record_may_tell_of_several_entities_and_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "report.toml").write_text(PROFILE)
    file = tmp_path / "a.csv"
    file.write_text(
        "Number,Name,Order,Day\nC1,Ada,O1,2024-01-02\nC1,Ada,O2,2024-01-03\nC2,Bob,,\nC2,Bob,,\n"
        '"Grand Totals (5 records)"\nConfidential,,,\n'
    )
    with Warehouse.open() as wh:
        [account] = load(wh, file, profile=str(tmp_path / "report.toml"), received_at=RECEIVED_AT)
        assert (account.rows_in, account.rows_loaded, account.rows_merged, account.rows_quarantined) == (
            (4, 3, 1, 0)
        )
        assert wh.rows(
            "select entity, rows_staged, rows_loaded, rows_merged from ops.load_entities order by entity"
        ) == [("customers", 4, 2, 2), ("orders", 2, 2, 0)]
        assert wh.rows("select theirs, ours, difference from ops.load_controls") == [(5, 4, -1)]


@pytest.mark.parametrize("moment", ["reading", "storing"])
def test_interrupt_leaves_the_warehouse_as_it_was_and_the_load_can_be_repeated(
    tmp_path: Path, moment: str
) -> None:
    file, store = tmp_path / "a.csv", tmp_path / "crm.duckdb"
    file.write_text(lines(5_000))
    with Warehouse.open(store):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store), str(file), moment], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n"
        child.send_signal(signal.SIGINT)
        said = [line for line in child.stdout.read().splitlines() if line != "now"]
    with Warehouse.open(store) as wh:
        kept = wh.value("select count(*) from entities.order_lines_versions")
        # while storing, all may have been done before the signal came
        if moment == "reading" or said:
            assert said == ["interrupted 0"]
            assert (kept, wh.value("select count(*) from ops.loads")) == (0, 0)
            [account] = load(wh, file, received_at=RECEIVED_AT)
            kept = account.rows_loaded
        assert kept == 5_000


@pytest.mark.parametrize(("end", "is_told"), [("", True), ("\n", False)])
def test_a_file_that_ends_within_its_header_is_told_as_perhaps_cut(
    tmp_path: Path, end: str, is_told: bool
) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(f"customer_id,name,coun{end}")
    with Warehouse.open() as wh:
        [account] = load(wh, file)
    [issue] = [one for one in account.issues if one.issue == "no_records"]
    assert ("was it cut off?" in issue.detail) == is_told
