"""A file that lies where it lay is not tried again night after night, and says what became of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import Warehouse, load, replay, unload
from crm_analytics.errors import UsageError
from crm_analytics.ingest.quarantine import export_quarantine, quarantined

HEADER = "order_id,customer_id,order_date,quantity,unit_price,currency,product\n"
# Decimal commas: under the default decimal mark every record is set aside.
COMMAS = HEADER.replace(",", ";") + "O1;C1;2024-01-04;1;1,50;EUR;Mug\nO2;C2;2024-01-05;2;2,50;EUR;Jug\n"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text(COMMAS)
    return tmp_path


def test_a_file_set_aside_whole_is_not_set_aside_again_every_night(inbox: Path) -> None:
    with Warehouse.open() as wh:
        [first] = load(wh, inbox, received_at="2024-02-01")
        assert (first.rows_quarantined, len(quarantined(wh))) == (2, 2)
        [second] = load(wh, inbox, received_at="2024-02-02")
        assert (second.status, second.rows_in, second.rows_merged) == ("unchanged", 0, 0)
        assert second.trouble is not None
        assert "all 2 records are in quarantine since load 1" in second.trouble
        assert "load it by name" in second.trouble
        assert len(quarantined(wh)) == 2


def test_read_anew_the_right_way_the_first_try_is_withdrawn(inbox: Path) -> None:
    with Warehouse.open() as wh:
        load(wh, inbox, received_at="2024-02-01")
        [right] = load(wh, inbox / "sales.csv", decimal=",", received_at="2024-02-01")
        assert right.rows_loaded == 2
        assert [(one.issue, one.row_count) for one in right.issues] == [("read_anew", 2)]
        assert quarantined(wh).empty
        assert wh.rows("select load_id, reason from ops.withdrawals") == [(1, "read anew as load 2")]
        [lying] = load(wh, inbox, received_at="2024-02-02")
        assert (lying.status, lying.rows_merged) == ("unchanged", 2), "all of it is in the store"
        assert "withdrawn as load 1 (read anew as load 2); what it says is in" in lying.issues[0].detail
        assert lying.trouble is None


def test_by_its_name_the_file_is_tried_again_and_its_records_wait_once(inbox: Path) -> None:
    with Warehouse.open() as wh:
        for _ in range(3):
            [account] = load(wh, inbox / "sales.csv", received_at="2024-02-01")
            assert account.rows_quarantined == 2
        assert quarantined(wh)["load_id"].tolist() == [3, 3]


def test_what_was_corrected_stays_when_the_file_is_tried_again(inbox: Path) -> None:
    with Warehouse.open() as wh:
        load(wh, inbox, received_at="2024-02-01")
        [exported] = export_quarantine(wh, inbox / "mend")
        exported.file.write_text(exported.file.read_text().replace("1,50", "1.50"))
        assert replay(wh, exported.file).rows_loaded == 1
        load(wh, inbox / "sales.csv", received_at="2024-02-01")
        assert wh.value("select count(*) from ops.withdrawals") == 0
        assert wh.value("select count(*) from entities.order_lines") == 1


@pytest.mark.parametrize("dated", [True, False])
def test_a_file_that_still_lies_there_confirms_nothing(tmp_path: Path, dated: bool) -> None:
    header = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"
    plain = "source_id,name,unit_price,currency\nP1,Mug,{},EUR\n"
    (tmp_path / "a.csv").write_text(f"{header}C1,O1,2024-01-05,P1,Mug,2,10.00,EUR\n")
    (tmp_path / "p2.csv").write_text(plain.format(10))
    days = iter(["2024-02-01", "2024-02-02", "2024-02-03"])
    with Warehouse.open() as wh:
        load(wh, tmp_path, received_at=next(days) if dated else None)
        (tmp_path / "b.csv").write_text(f"{header}C1,O1,2024-01-05,P1,Mug,3,10.00,EUR\n")
        (tmp_path / "p1.csv").write_text(plain.format(12))
        second = load(wh, tmp_path, received_at=next(days) if dated else None)
        assert [one.status for one in second] == ["unchanged", "loaded", "loaded", "unchanged"]
        assert [(one.issue, one.row_count) for one in second[1].issues] == [("lines_edited", 1)]
        third = load(wh, tmp_path, received_at=next(days) if dated else None)
        assert {one.status for one in third} == {"unchanged"}
        assert wh.rows("select cast(quantity as bigint) from entities.order_lines") == [(3,)]
        assert wh.value("select cast(unit_price as bigint) from entities.products") == 12


def test_a_file_asked_for_again_is_told_that_later_loads_said_otherwise(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    plain = "source_id,name,unit_price,currency\nP1,Mug,{},EUR\n"
    first.write_text(plain.format(10))
    second.write_text(plain.format(12))
    price = "select cast(unit_price as bigint) from entities.products"
    with Warehouse.open() as wh:
        load(wh, first, received_at="2024-02-01")
        load(wh, second, received_at="2024-02-02")
        [again] = load(wh, first)
        assert (again.status, [one.issue for one in again.issues]) == ("unchanged", ["told_otherwise_since"])
        assert wh.value(price) == 12
        [delivered] = load(wh, first.rename(tmp_path / "a2.csv"), received_at="2024-02-03")
        assert (delivered.status, wh.value(price)) == ("loaded", 10)


def test_the_same_bytes_received_earlier_are_known_since_then(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("source_id,name,unit_price,currency\nP1,Mug,10,EUR\n")
    known = "select count(*) from entities.products_at(date '2024-01-15', _known_at := $at)"
    with Warehouse.open() as wh:
        load(wh, file, received_at="2024-02-01")
        assert wh.value(known, at=datetime(2024, 1, 20, tzinfo=UTC)) == 0
        load(wh, file, received_at="2024-01-10")
        assert wh.value(known, at=datetime(2024, 1, 20, tzinfo=UTC)) == 1


def test_a_time_of_receipt_in_the_future_is_refused(inbox: Path) -> None:
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    with Warehouse.open() as wh:
        with pytest.raises(UsageError, match=r"received_at=2999-01-01.* lies in the future"):
            load(wh, inbox, received_at="2999-01-01")
        assert wh.value("select count(*) from ops.loads") == 0
        assert load(wh, inbox, decimal=",", received_at=tomorrow)[0].rows_loaded == 2


def test_control_totals_are_compared_with_a_file_that_was_loaded_before(inbox: Path) -> None:
    with Warehouse.open() as wh:
        file = inbox / "sales.csv"
        how: dict[str, Any] = {"decimal": ",", "received_at": "2024-02-01"}
        load(wh, file, **how)
        before = wh.rows("select * from entities.order_lines_versions order by all")
        [again] = load(wh, file, control_totals={"records": 2, "amount": "7.00"}, **how)
        assert again.status == "unchanged"
        assert [(one.control, one.ours, one.difference) for one in again.controls] == [
            ("records", Decimal(2), Decimal(0)),
            ("amount", Decimal("6.5"), Decimal("-0.5")),
        ]
        assert wh.rows("select * from entities.order_lines_versions order by all") == before
        assert wh.value("select count(*) from ops.load_controls where load_id = 2") == 2


def test_a_load_id_that_is_none_is_a_wrong_call() -> None:
    with Warehouse.open() as wh:
        for wrong in ("x", "1", None, 1.5, True):
            with pytest.raises(UsageError, match=r"is no load_id\. It is a whole number"):
                unload(wh, wrong)  # type: ignore[arg-type]
