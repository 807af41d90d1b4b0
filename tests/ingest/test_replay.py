"""What was set aside can be looked at, corrected and brought back; the accounts balance all the way."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from crm_analytics import Warehouse, load, replay, unload
from crm_analytics.errors import FileRefused, UsageError
from crm_analytics.ingest.load import Load
from crm_analytics.ingest.quarantine import export_quarantine, quarantined, set_aside_record
from tests.ingest.export_files import workbook

HEADER = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"
GOOD = "C1,O1,2024-01-04,P1,Mug,1,10,EUR\n"
BAD_DAY = "C2,O2,04.01.24,P1,Mug,1,10,EUR\n"
BAD_COUNT = 'C3,O3,2024-01-04,P1,"Mug, blue",one,10,EUR\n'
LINES = (
    "select customer_source_id, cast(quantity as integer), cast(amount as integer), currency "
    "from entities.order_lines order by all"
)


def deliver(wh: Warehouse, folder: Path, *rows: str, name: str = "sales.csv", **how: Any) -> Load:
    file = folder / name
    file.write_bytes((HEADER + "".join(rows)).encode(how.get("encoding", "utf-8")))
    options: dict[str, Any] = {"received_at": "2024-02-01"} | how
    [account] = load(wh, file, **options)
    return account


def correct(wh: Warehouse, folder: Path, *changes: tuple[str, str], load_id: int | None = None) -> Path:
    """Export the quarantine and put other words in the place of some."""
    [exported] = export_quarantine(wh, folder / f"mend{load_id or ''}", load_id=load_id)
    text = exported.file.read_bytes()
    for wrong, right in changes:
        assert wrong.encode() in text
        text = text.replace(wrong.encode(), right.encode())
    exported.file.write_bytes(text)
    return exported.file


def assert_balanced(wh: Warehouse) -> None:
    """rows_in = loaded + merged + accepted by replays + still open, for every load with its replays."""
    loads = wh.rows(
        "select load_id, rows_in, rows_loaded, rows_merged, rows_quarantined from ops.loads "
        "where status = 'loaded'"
    )
    told = wh.rows(
        "select load_id, record_number, replay_load_id, replay_record_number, outcome from "
        "ops.quarantine_resolutions anti join ops.withdrawals on ops.withdrawals.load_id = replay_load_id"
    )
    still_open = quarantined(wh).groupby("load_id").size().to_dict()

    def ends(load_id: int) -> tuple[int, int]:
        """Records accepted by replays of a load, and records still open, there or in its replays."""
        accepted, waiting = 0, int(still_open.get(load_id, 0))
        for replay_id in {one[2] for one in told if one[0] == load_id}:
            mine = [one for one in told if one[0] == load_id and one[2] == replay_id]
            accepted += sum(one[4] == "accepted" for one in mine)
            further = ends(replay_id)
            accepted, waiting = accepted + further[0], waiting + further[1]
        return accepted, waiting

    for load_id, rows_in, loaded, merged, aside in loads:
        assert rows_in == loaded + merged + aside
        accepted, waiting = ends(load_id)
        assert rows_in == loaded + merged + accepted + waiting, f"load {load_id}"


def test_a_corrected_file_is_as_if_it_had_been_right_at_once(tmp_path: Path) -> None:
    right = (GOOD, BAD_DAY.replace("04.01.24", "2024-01-04"), BAD_COUNT.replace("one", "1"))
    with Warehouse.open() as wh, Warehouse.open() as once:
        deliver(once, tmp_path, *right)
        first = deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT)
        assert first.reasons == {"bad_date": 1, "bad_number": 1}
        account = replay(wh, correct(wh, tmp_path, ("04.01.24", "2024-01-04"), (",one,", ",1,")))
        assert (account.rows_in, account.rows_loaded, account.rows_quarantined) == (2, 2, 0)
        same = "select * exclude (load_id, record_number, is_revision) from entities.order_lines order by all"
        assert wh.rows(same) == once.rows(same)
        assert quarantined(wh).empty
        assert quarantined(wh, only_open=False)["status"].tolist() == ["replayed", "replayed"]
        assert_balanced(wh)


def test_the_export_holds_the_very_bytes_and_says_where_they_stood(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY.replace("Mug", "Tasse grün"), BAD_COUNT, encoding="cp1252")
        [exported] = export_quarantine(wh, tmp_path / "mend")
        assert (exported.file.name, exported.count) == ("sales.load1.csv", 2)
        told = exported.file.read_bytes().splitlines()
        delivered = (tmp_path / "sales.csv").read_bytes().splitlines()
        assert told == [b"quarantine_id," + delivered[0], b"Q1-2," + delivered[2], b"Q1-3," + delivered[3]]
        assert exported.file.stat().st_mode & 0o077 == 0
        with exported.places.open() as places:
            rows = list(csv.DictReader(places))
        assert [(r["quarantine_id"], r["line_number"], r["column_name"], r["reason"]) for r in rows] == [
            ("Q1-2", "3", "order_date", "bad_date"),
            ("Q1-3", "4", "quantity", "bad_number"),
        ]
        start = int(rows[1]["byte_offset"])
        assert (tmp_path / "sales.csv").read_bytes()[start:].startswith(b"C3,O3")
        with pytest.raises(UsageError, match="there already, and may hold corrections"):
            export_quarantine(wh, tmp_path / "mend")


def test_values_are_masked_until_they_are_asked_for(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, BAD_COUNT)
        record = set_aside_record(wh, "Q1-1")
        assert record.text() == 'x9,x9,9999-99-99,x9,"xxx, xxxx",xxx,99,xxx'
        assert record.text(show_values=True) == BAD_COUNT.rstrip()
        assert (record.line_number, record.column_name, record.status) == (2, "quantity", "open")
        with pytest.raises(UsageError, match="Write it as Q7-42"):
            set_aside_record(wh, "record 1")
        with pytest.raises(UsageError, match="no record Q1-9"):
            set_aside_record(wh, "1-9")


def test_what_is_not_corrected_stays_and_what_is_wrong_again_is_set_aside_again(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT, BAD_DAY.replace("C2", "C4"))
        file = correct(wh, tmp_path, ("Q1-2,C2,O2,04.01.24", "Q1-2,C2,O2,soon"), (",one,", ",3,"))
        account = replay(wh, file)
        assert (account.rows_in, account.rows_loaded, account.rows_quarantined) == (2, 1, 1)
        listed = quarantined(wh)
        assert listed[["load_id", "record_number", "line_number"]].values.tolist() == [[1, 4, 5], [2, 1, 2]]
        assert_balanced(wh)
        again = correct(wh, tmp_path, ("soon", "2024-01-04"), load_id=2)
        assert replay(wh, again).rows_loaded == 1
        last = correct(wh, tmp_path, ("04.01.24", "2024-01-05"), load_id=1)
        assert replay(wh, last).rows_loaded == 1
        assert quarantined(wh).empty
        assert [row[0] for row in wh.rows(LINES)] == ["C1", "C2", "C3", "C4"]
        assert_balanced(wh)


def test_replaying_twice_changes_nothing(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT)
        file = correct(wh, tmp_path, (",one,", ",3,"))
        assert replay(wh, file).rows_in == 1
        tables = (
            "ops.loads",
            "ops.quarantine",
            "ops.quarantine_resolutions",
            "entities.order_lines_versions",
        )
        before = {name: wh.rows(f"select * from {name} order by all") for name in tables}
        second = replay(wh, file)
        assert (second.status, second.rows_in, second.load_id) == ("unchanged", 0, None)
        assert {name: wh.rows(f"select * from {name} order by all") for name in tables} == before
        file.write_text(file.read_text().replace("04.01.24", "2024-01-04"))
        assert replay(wh, file).rows_in == 1, "the record that was replayed before is passed over"
        assert_balanced(wh)


def edit(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def test_a_second_correction_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT, BAD_COUNT.replace("3", "4").replace("one", "two"))
        # Corrected with a wrong order id: its row must not stay beside the right one.
        file = correct(wh, tmp_path, ("C2,O2,04.01.24", "C2,O9,2024-01-04"), (",one,", ",1,"))
        first = replay(wh, file)
        assert (first.rows_in, [one.issue for one in first.issues]) == (2, ["not_corrected"])
        assert "passed over: Q1-4" in first.issues[0].detail
        edit(file, ("C2,O9", "C2,O2"))
        second = replay(wh, file)
        assert (second.status, second.rows_in, second.rows_loaded) == ("loaded", 2, 2)
        assert [(one.issue, one.row_count) for one in second.issues] == [
            ("replay_withdrawn", 2),
            ("not_corrected", 1),
        ]
        orders = "select order_source_id from entities.order_lines order by 1"
        assert [row[0] for row in wh.rows(orders)] == ["O1", "O2", "O3"]
        noticed = "select issue, row_count from ops.load_issues where load_id = 3 order by 1"
        assert wh.rows(noticed) == [("not_corrected", 1), ("replay_withdrawn", 2)]
        assert quarantined(wh)["record_number"].tolist() == [4]
        assert_balanced(wh)
        third = replay(wh, file)
        assert (third.status, [one.issue for one in third.issues]) == (
            "unchanged",
            ["nothing_new", "not_corrected", "replayed_before"],
        )
        edit(file, ("C2,O2", "C2,O9"))
        older = replay(wh, file)
        assert next((one.issue, one.row_count) for one in older.issues) == ("replay_withdrawn", 2)
        assert [row[0] for row in wh.rows(orders)] == ["O1", "O3", "O9"], "the copy replayed last counts"


def test_what_was_corrected_wrongly_can_be_corrected_in_the_same_file(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT)
        file = correct(wh, tmp_path, ("04.01.24", "soon"), (",one,", ",1,"))
        assert replay(wh, file).rows_quarantined == 1
        assert replay(wh, file).status == "unchanged", "as wrong as before"
        edit(file, ("soon", "2024-01-04"))
        again = replay(wh, file)
        assert (again.rows_in, again.rows_loaded) == (1, 1)
        assert quarantined(wh).empty
        assert_balanced(wh)
        edit(file, ("C2,O2", "C7,O2"))
        assert replay(wh, file).rows_loaded == 1
        assert [row[0] for row in wh.rows(LINES)] == ["C1", "C3", "C7"]
        assert_balanced(wh)


def test_a_second_correction_that_would_lose_records_says_which(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT)
        file = correct(wh, tmp_path, ("04.01.24", "2024-01-04"), (",one,", ",1,"))
        whole = file.read_text()
        replay(wh, file)
        file.write_text("".join(whole.splitlines(keepends=True)[:2]).replace("C2,O2", "C2,O7"))
        with pytest.raises(UsageError, match=r"Q1-2 came in with load 2.* lacks what it brought of Q1-3"):
            replay(wh, file)
        assert wh.value("select count(*) from ops.loads") == 2
        unload(wh, 2)
        assert replay(wh, file).rows_loaded == 1
        assert quarantined(wh)["record_number"].tolist() == [3]
        assert_balanced(wh)


def test_an_older_copy_of_the_corrections_takes_nothing_back(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT)
        file = correct(wh, tmp_path)
        untouched = file.read_text()
        edit(file, ("04.01.24", "2024-01-04"))
        replay(wh, file)
        file.write_text(untouched.replace(",one,", ",1,"))
        account = replay(wh, file)
        assert (account.rows_in, [one.issue for one in account.issues]) == (1, ["replayed_before"])
        assert [row[0] for row in wh.rows(LINES)] == ["C1", "C2", "C3"]
        assert_balanced(wh)


def test_a_correction_does_not_take_back_what_a_newer_file_says(tmp_path: Path) -> None:
    header = "customer_id,name,created_at\n"
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text(header + "C1 \u200b,Ada,2020-01-01\n")
    new.write_text(header + "C1,Ada Lovelace,2020-01-01\n")
    with Warehouse.open() as wh:
        assert load(wh, old, received_at="2024-01-01")[0].rows_quarantined == 1
        load(wh, new, received_at="2024-02-01")
        file = correct(wh, tmp_path, ("C1 \u200b", "C1"))
        account = replay(wh, file)
        assert (account.rows_loaded, account.rows_merged) == (0, 1)
        assert wh.rows("select name from entities.customers") == [("Ada Lovelace",)]
        assert wh.value("select cast(received_at as date) from ops.loads where load_id = 3") == date(
            2024, 1, 1
        )


def test_records_can_be_tried_again_with_another_option(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY)
        [exported] = export_quarantine(wh, tmp_path)
        nothing = replay(wh, exported.file)
        assert nothing.status == "unchanged"
        assert [(one.issue, one.row_count) for one in nothing.issues] == [
            ("nothing_new", 0),
            ("not_corrected", 1),
        ]
        assert "Q1-2 read as when they were set aside" in nothing.issues[1].detail
        assert replay(wh, exported.file, date_format="%d.%m.%y").rows_loaded == 1
        assert quarantined(wh).empty


@pytest.mark.parametrize("saved_as", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_an_editor_may_save_the_file_in_another_encoding(tmp_path: Path, saved_as: str) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, BAD_DAY.replace("EUR", "EUR").replace("C2", "Cé"), GOOD, encoding="cp1252")
        file = correct(wh, tmp_path)
        text = file.read_bytes().decode("cp1252").replace("04.01.24", "2024-01-04")
        file.write_bytes(text.encode(saved_as))
        assert replay(wh, file).rows_loaded == 1
        assert [row[0] for row in wh.rows(LINES)] == ["C1", "Cé"]


def test_a_spreadsheet_may_save_the_file_with_another_delimiter(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_COUNT)
        file = correct(wh, tmp_path)
        with file.open(newline="") as opened:
            rows = list(csv.reader(opened))
        rows[1][6] = "2"
        with file.open("w", newline="") as opened:
            csv.writer(opened, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
        assert replay(wh, file).rows_loaded == 1
        assert ("C3", 2, 20, "EUR") in wh.rows(LINES)


def test_utf_16_is_exported_as_utf_8_and_comes_back(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY.replace("C2", "Ćé"), encoding="utf-16")
        file = correct(wh, tmp_path, ("04.01.24", "2024-01-04"))
        assert replay(wh, file).rows_loaded == 1
        assert [row[0] for row in wh.rows(LINES)] == ["C1", "Ćé"]


def test_unreadable_records_of_text_can_be_mended_too(tmp_path: Path) -> None:
    broken = 'C5,O5,2024-01-04,P1,Mug "big",extra,1,10,EUR\n'
    with Warehouse.open() as wh:
        account = deliver(wh, tmp_path, GOOD, broken, "C6,O6,2024-01-04,P1\n")
        assert account.rows_quarantined == 2
        file = correct(
            wh,
            tmp_path,
            (',Mug "big",extra,', ",Mug,"),
            ("O6,2024-01-04,P1", "O6,2024-01-04,P1,Mug,2,10,EUR"),
        )
        assert replay(wh, file).rows_loaded == 2
        assert_balanced(wh)


def test_a_file_without_header_line_is_replayed_by_the_names_of_its_profile(tmp_path: Path) -> None:
    file = tmp_path / "cdnow.txt"
    file.write_text(" 00004    1 19970101  2   29.33\n 00004    1 19970118  x   29.73\n")
    with Warehouse.open() as wh:
        assert load(wh, file, profile="cdnow")[0].rows_quarantined == 1
        mended = correct(wh, tmp_path, ("  x ", "  2 "))
        assert replay(wh, mended).rows_loaded == 1
        assert wh.value("select count(*) from entities.order_lines") == 2


@pytest.mark.parametrize("kind", ["json", "ndjson", "parquet", "xlsx"])
def test_records_of_other_formats_are_corrected_as_json_lines(tmp_path: Path, kind: str) -> None:
    rows: list[dict[str, Any]] = [
        {"customer_id": "C1", "name": "Ada", "created_at": "2024-01-01"},
        {"customer_id": None, "name": "Bob", "created_at": "2024-01-01"},
    ]
    file = tmp_path / f"customers.{kind}"
    if kind == "parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), file)
    elif kind == "xlsx":
        sheet = [list(rows[0]), *([*row.values()] for row in rows)]
        file.write_bytes(workbook({"Customers": sheet}))
    elif kind == "json":
        file.write_text(json.dumps(rows))
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Warehouse.open() as wh:
        assert load(wh, file)[0].rows_quarantined == 1
        nothing = '""' if kind == "xlsx" else "null"
        mended = correct(wh, tmp_path, (f'"customer_id": {nothing}', '"customer_id": "C2"'))
        assert mended.suffix == ".ndjson"
        assert replay(wh, mended).rows_loaded == 1
        assert wh.rows("select source_id, name from entities.customers order by 1") == [
            ("C1", "Ada"),
            ("C2", "Bob"),
        ]
        assert replay(wh, mended).status == "unchanged"


def test_withdrawing_a_replay_opens_its_records_again_and_withdrawing_the_load_takes_all(
    tmp_path: Path,
) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY)
        file = correct(wh, tmp_path, ("04.01.24", "2024-01-04"))
        replay(wh, file)
        assert unload(wh, 2).load_ids == (2,)
        assert quarantined(wh)["load_id"].tolist() == [1]
        assert replay(wh, file).rows_loaded == 1
        assert unload(wh, 1).load_ids == (1, 3)
        assert wh.rows(LINES) == []
        assert quarantined(wh).empty
        with pytest.raises(UsageError, match="load 1 was withdrawn"):
            replay(wh, file)


def test_a_file_that_cannot_be_tied_is_refused_whole(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY, BAD_COUNT)
        file = correct(wh, tmp_path, ("04.01.24", "2024-01-04"), (",one,", ",1,"))
        text = file.read_text()
        wrong = {
            "first column is not 'quarantine_id'": text.replace("quarantine_id,", ""),
            "line 2: the record has no quarantine_id": text.replace("Q1-2,", ""),
            "1 records have a quarantine_id, but 2 were read": text.replace("Q1-3,", ""),
            "1 ids are not in quarantine: Q1-9": text.replace("Q1-2,", "Q1-9,"),
            "records of several loads": text.replace("Q1-2,", "Q2-2,"),
            "Q1-3 come twice": text.replace("Q1-2,", "Q1-3,"),
            "no record with a quarantine_id": text.splitlines()[0] + "\n",
        }
        for message, told in wrong.items():
            file.write_text(told)
            with pytest.raises((UsageError, FileRefused), match=message):
                replay(wh, file)
        assert wh.value("select count(*) from ops.loads") == 1
        assert len(quarantined(wh)) == 2


def test_an_export_in_a_folder_that_is_loaded_is_refused_by_name(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, GOOD, BAD_DAY)
        export_quarantine(wh, tmp_path)
        accounts = load(wh, tmp_path)
        assert {one.file: (one.status, next(iter(one.reasons), None)) for one in accounts} == {
            "sales.csv": ("unchanged", None),
            "sales.load1.csv": ("refused", "quarantine_export"),
            "sales.load1.places.csv": ("refused", "quarantine_export"),
        }
        with pytest.raises(FileRefused, match="Use replay"):
            load(wh, tmp_path / "sales.load1.csv")
