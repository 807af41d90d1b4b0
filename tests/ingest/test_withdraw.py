"""A load is taken back as a fact; what it changed is as before, and its file may come again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import RecordStore, Warehouse, load, sync, unload
from crm_analytics.errors import UsageError
from crm_analytics.ingest.load import Load

HEADER = "source_id,name,unit_price,currency\n"
PRICE = "select source_id, cast(unit_price as integer) from entities.products order by 1"


def deliver(wh: Warehouse, folder: Path, name: str, *rows: str, day: str = "2024-01-01", **how: Any) -> Load:
    file = folder / name
    file.write_text(HEADER + "".join(f"{row},EUR\n" for row in rows))
    [account] = load(wh, file, received_at=day, **how)
    return account


def number(account: Load) -> int:
    assert account.load_id is not None
    return account.load_id


def test_what_a_load_replaced_is_current_again_and_known_before_as_it_was(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", "P1,Mug,10", "P2,Cup,5")
        wrong = deliver(wh, tmp_path, "b.csv", "P1,Mug,1000", "P3,Jug,700", day="2024-02-01")
        assert wh.rows(PRICE) == [("P1", 1000), ("P2", 5), ("P3", 700)]
        back = unload(wh, number(wrong), reason="cents", withdrawn_at=datetime(2024, 3, 1, tzinfo=UTC))
        assert (back.load_ids, back.file, back.versions) == ((2,), "b.csv", {"products": 2})
        assert wh.rows(PRICE) == [("P1", 10), ("P2", 5)]
        assert wh.value("select count(*) from entities.products_versions") == 4, "nothing is deleted"
        known = "select source_id from entities.products_at(date '2024-06-01', _known_at := $at) order by 1"
        assert wh.rows(known, at=datetime(2024, 2, 15, tzinfo=UTC)) == [("P1",), ("P2",), ("P3",)]
        assert wh.rows(known, at=datetime(2024, 3, 1, tzinfo=UTC)) == [("P1",), ("P2",)]
        assert wh.rows("select load_id, reason from ops.withdrawals") == [(2, "cents")]


def test_the_file_is_loaded_again_the_right_way_and_counts_anew(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("source_id;name;unit_price;currency\nP1;Mug;1.234;EUR\n")
    with Warehouse.open() as wh:
        [wrong] = load(wh, file, delimiter=";")
        unload(wh, number(wrong))
        [right] = load(wh, file, delimiter=";", decimal=",", thousands=".")
        assert (right.status, right.rows_loaded) == ("loaded", 1)
        assert wh.rows(PRICE) == [("P1", 1234)]
        unload(wh, number(right))
        [again] = load(wh, file, delimiter=";")
        assert (again.status, again.rows_loaded) == ("loaded", 1)


def test_a_folder_does_not_bring_back_what_was_withdrawn_but_says_so(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        wrong = deliver(wh, tmp_path, "a.csv", "P1,Mug,10")
        unload(wh, number(wrong))
        [lying] = load(wh, tmp_path, received_at="2024-01-02")
        assert (lying.status, lying.rows_in, lying.rows_merged) == ("withdrawn", 0, 0)
        [told] = lying.issues
        assert (told.issue, told.row_count) == ("still_withdrawn", 1)
        assert lying.trouble == (
            "a.csv: all 1 records were withdrawn as load 1; load the file by its name to bring it back, or "
            "take it out of the folder"
        )
        assert wh.value("select status from ops.loads where load_id = 2") == "withdrawn"
        assert wh.rows(PRICE) == []
        [named] = load(wh, tmp_path / "a.csv", received_at="2024-01-02")
        assert named.rows_loaded == 1
        assert load(wh, tmp_path, received_at="2024-01-02")[0].issues == ()


def test_what_another_file_said_too_stays_with_that_file(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        wrong = deliver(wh, tmp_path, "a.csv", "P1,Mug,10", "P2,Cup,5")
        deliver(wh, tmp_path, "b.csv", "P2,Cup,5", "P3,Jug,7", day="2024-02-01")
        assert unload(wh, number(wrong)).repeated_in == ("b.csv",)
        assert wh.rows(PRICE) == [("P2", 5), ("P3", 7)], "b.csv tells P2, though it said nothing new then"
        assert [one.status for one in load(wh, tmp_path)] == ["withdrawn", "unchanged"]


def test_a_late_file_is_taken_back_and_the_earlier_loaded_one_keeps_its_rows(tmp_path: Path) -> None:
    header = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"
    line = "C1,O{0},2024-01-0{0},P1,Cup,1,5,EUR\n"
    told = "select order_source_id, load_id from entities.order_lines order by 1"
    (tmp_path / "feb.csv").write_text(header + line.format(2) + line.format(3))
    (tmp_path / "jan.csv").write_text(header + line.format(2))
    with Warehouse.open() as wh:
        load(wh, tmp_path / "feb.csv", received_at="2024-02-01")
        [late] = load(wh, tmp_path / "jan.csv", received_at="2024-01-31")
        assert wh.rows(told) == [("O2", 2), ("O3", 1)]
        assert unload(wh, number(late)).repeated_in == ("feb.csv",)
        assert wh.rows(told) == [("O2", 1), ("O3", 1)]
        [again] = load(wh, tmp_path / "feb.csv", received_at="2024-02-01")
        assert (again.status, again.rows_merged) == ("unchanged", 2), "and both of them are there"


def test_a_row_said_again_by_a_record_that_told_something_else_stays_and_names_its_file(
    tmp_path: Path,
) -> None:
    header = "شماره فاکتور,کد مشتری,نام مشتری,تاریخ,نام کالا,تعداد,قیمت واحد (تومان)\n"
    lines = "select load_id from entities.order_lines"
    with Warehouse.open() as wh:
        for name, person, day in (("u1.csv", "علی", "2025-01-01"), ("u2.csv", "علی رضایی", "2025-02-01")):
            (tmp_path / name).write_text(f"{header}1,م۱,{person},1403/05/12,کاغذ,2,1500\n", encoding="utf-8")
            [account] = load(wh, tmp_path / name, received_at=day)
            assert (account.rows_loaded, account.rows_merged) == (1, 0)
        assert unload(wh, 1).repeated_in == ("u2.csv",)
        assert wh.rows(lines) == [(2,)]


def test_a_file_that_said_nothing_of_it_is_not_named(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", "P1,Mug,10")
        wrong = deliver(wh, tmp_path, "b.csv", "P2,Cup,5", day="2024-02-01")
        deliver(wh, tmp_path, "c.csv", "P1,Mug,10", "P3,Jug,7", day="2024-03-01")
        assert unload(wh, number(wrong)).repeated_in == ()


def test_what_cannot_be_withdrawn_says_why(tmp_path: Path) -> None:
    with Warehouse.open() as wh, RecordStore.open(":memory:") as records:
        with pytest.raises(UsageError, match="There is no load 1; the last one is 0"):
            unload(wh, 1)
        first = deliver(wh, tmp_path, "a.csv", "P1,Mug,10")
        again = deliver(wh, tmp_path, "a.csv", "P1,Mug,10")
        with pytest.raises(UsageError, match=r"brought nothing \(unchanged\)"):
            unload(wh, number(again))
        unload(wh, number(first))
        with pytest.raises(UsageError, match=r"a\.csv\) was withdrawn on .* already"):
            unload(wh, number(first))
        records.tasks.add({"customer_source_id": "C1", "status": "open"})
        with pytest.raises(UsageError, match="changes of the record store"):
            unload(wh, number(sync(wh, records)))
        with pytest.raises(UsageError, match="no time zone"):
            unload(wh, 1, withdrawn_at=datetime(2024, 1, 1))  # noqa: DTZ001
