"""A full snapshot says what is gone; one that says too much is gone is not believed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import Warehouse, load, replay, unload
from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.load import Load
from crm_analytics.ingest.profile_file import parse_profile
from crm_analytics.ingest.quarantine import export_quarantine

HEADER = "source_id,name,email,modified_at\n"
NAMES = "select source_id from entities.customers order by 1"


def customer(number: int, modified: str = "2023-05-01") -> str:
    return f"C{number:02},Name {number},c{number}@example.com,{modified}\n"


def deliver(wh: Warehouse, folder: Path, name: str, rows: list[str], day: str, **how: Any) -> Load:
    file = folder / name
    file.write_text(HEADER + "".join(rows))
    options: dict[str, Any] = {"snapshot": True, "profile": "plain_customers"} | how
    [account] = load(wh, file, received_at=day, **options)
    return account


TEN = [customer(n) for n in range(10)]


def test_rows_missing_from_a_snapshot_are_gone_from_then_on_and_not_before(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        assert deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01").rows_removed == 0
        account = deliver(wh, tmp_path, "b.csv", TEN[2:], "2024-02-01")
        assert (account.rows_in, account.rows_loaded, account.rows_merged, account.rows_removed) == (
            8,
            0,
            8,
            2,
        )
        assert [(one.issue, one.row_count) for one in account.issues] == [("removed", 2)]
        assert wh.rows(NAMES) == [(f"C{n:02}",) for n in range(2, 10)]
        at = "select count(*) from entities.customers_at($day)"
        assert wh.value(at, day="2024-02-01") == 10
        assert wh.value(at, day="2024-02-02") == 8
        known = "select count(*) from entities.customers_at('2025-01-01', _known_at := $at)"
        assert wh.value(known, at=datetime(2024, 1, 15, tzinfo=UTC)) == 10
        assert wh.rows("select rows_removed from ops.load_entities order by load_id") == [(0,), (2,)]
        gone = "select email from entities.customers_versions where is_deleted order by 1"
        assert wh.rows(gone) == [("c0@example.com",), ("c1@example.com",)]


def test_without_the_option_nothing_is_removed(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01", snapshot=False)
        assert deliver(wh, tmp_path, "b.csv", TEN[2:], "2024-02-01", snapshot=None).rows_removed == 0
        assert wh.value("select count(*) from entities.customers") == 10


def test_another_system_and_other_entities_are_not_touched(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01", source_system="other")
        deliver(wh, tmp_path, "b.csv", TEN[:1], "2024-02-01", source_system="shop")
        assert wh.value("select count(*) from entities.customers") == 11


@pytest.mark.parametrize(
    ("rows", "reason", "message"),
    [
        (TEN[3:], "snapshot_shrinks", "3 of 10 customers would be removed"),
        ([], "empty_snapshot", "remove everything"),
    ],
)
def test_a_snapshot_that_says_too_much_is_gone_is_refused_and_changes_nothing(
    tmp_path: Path, rows: list[str], reason: str, message: str
) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        before = wh.rows("select * from entities.customers_versions order by all")
        with pytest.raises(FileRefused, match=message) as refusal:
            deliver(wh, tmp_path, "b.csv", rows, "2024-02-01")
        assert refusal.value.reason == reason
        assert wh.rows("select * from entities.customers_versions order by all") == before
        assert wh.rows("select status, reason from ops.loads order by load_id")[1] == ("refused", reason)


def test_force_removes_however_much_is_missing_but_never_everything(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        assert deliver(wh, tmp_path, "b.csv", TEN[9:], "2024-02-01", force=True).rows_removed == 9
        with pytest.raises(FileRefused, match="without a sound record"):
            deliver(wh, tmp_path, "c.csv", [], "2024-03-01", force=True)


def test_while_records_are_set_aside_nothing_is_removed(tmp_path: Path) -> None:
    rows = [*TEN[1:], ",Nameless,n@example.com,2023-05-01\n"]
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        held = deliver(wh, tmp_path, "b.csv", rows, "2024-02-01")
        assert (held.rows_quarantined, held.rows_removed) == (1, 0)
        assert [one.issue for one in held.issues] == ["snapshot_held_back"]
        [exported] = export_quarantine(wh, tmp_path)
        exported.file.write_text(exported.file.read_text().replace("Q2-10,,", "Q2-10,C11,"))
        assert replay(wh, exported.file).rows_removed == 1, "now the snapshot is whole"
        assert wh.rows(NAMES) == [(f"C{n:02}",) for n in (*range(1, 10), 11)]
        assert deliver(wh, tmp_path, "c.csv", rows, "2024-03-01", force=True).rows_removed == 1


def test_a_snapshot_that_was_held_back_is_applied_by_force_once(tmp_path: Path) -> None:
    rows = [*TEN[5:], ",Nameless,n@example.com,2023-05-01\n"]
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        deliver(wh, tmp_path, "b.csv", rows, "2024-02-01")
        assert deliver(wh, tmp_path, "b.csv", rows, "2024-02-01").status == "unchanged"
        forced = deliver(wh, tmp_path, "b.csv", rows, "2024-02-01", force=True)
        assert (forced.status, forced.rows_removed) == ("loaded", 5)
        assert wh.rows(NAMES) == [(f"C{n:02}",) for n in range(5, 10)]
        assert deliver(wh, tmp_path, "b.csv", rows, "2024-02-01", force=True).status == "unchanged"


def test_a_replay_completes_a_snapshot_only_with_its_last_record_and_within_a_fifth(tmp_path: Path) -> None:
    rows = [*TEN[5:], ",Nameless,n@example.com,2023-05-01\n", ",Second,s@example.com,2023-05-01\n"]
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        deliver(wh, tmp_path, "b.csv", rows, "2024-02-01")
        deliver(wh, tmp_path, "late.csv", [customer(20)], "2024-02-15", snapshot=False)
        [exported] = export_quarantine(wh, tmp_path)
        text = exported.file.read_text().replace("Q2-6,,", "Q2-6,C11,")
        exported.file.write_text(text)
        assert replay(wh, exported.file).rows_removed == 0, "the second record is still open"
        exported.file.write_text(text.replace("Q2-7,,", "Q2-7,C12,"))
        with pytest.raises(FileRefused, match="5 of 13 customers would be removed"):
            replay(wh, exported.file)
        assert replay(wh, exported.file, force=True).rows_removed == 5
        assert wh.rows(NAMES) == [(f"C{n:02}",) for n in (5, 6, 7, 8, 9, 11, 12, 20)]
        at = "select count(*) from entities.customers_at($day)"
        assert (wh.value(at, day="2024-02-01"), wh.value(at, day="2024-02-02")) == (13, 8)


def test_what_comes_back_is_there_again_though_the_source_has_not_changed_it(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        deliver(wh, tmp_path, "b.csv", TEN[1:], "2024-02-01")
        back = deliver(wh, tmp_path, "c.csv", [*TEN, customer(10)], "2024-03-01")
        assert (back.rows_loaded, back.rows_removed) == (2, 0)
        assert wh.value("select count(*) from entities.customers") == 11
        counts = [
            wh.value("select count(*) from entities.customers_at($day)", day=f"2024-0{month}-15")
            for month in (1, 2, 3)
        ]
        assert counts == [11, 10, 11], "the eleventh was there since May"


def test_a_deletion_that_the_source_dates_is_not_undone_by_an_older_file(tmp_path: Path) -> None:
    profile = tmp_path / "crm.toml"
    profile.write_text(
        'profile = "crm"\nsource_system = "crm"\n[[entity]]\nname = "customers"\n[entity.columns]\n'
        'source_id = { from = "Id", required = true }\nmodified_at = { from = "Changed" }\n'
        'is_deleted = { from = "Deleted" }\n'
    )
    old, gone = tmp_path / "old.csv", tmp_path / "gone.csv"
    old.write_text("Id,Changed,Deleted\nC1,2024-01-01,false\n")
    gone.write_text("Id,Changed,Deleted\nC1,2024-02-01,true\n")
    with Warehouse.open() as wh:
        for file, day in ((old, "2024-01-02"), (gone, "2024-02-02"), (old, "2024-03-02")):
            load(wh, file, profile=str(profile), received_at=day)
        assert wh.value("select count(*) from entities.customers") == 0


def test_an_order_that_is_gone_takes_its_lines_along(tmp_path: Path) -> None:
    profile = tmp_path / "shop.toml"
    profile.write_text(
        'profile = "shop"\nsource_system = "shop"\nsnapshot = true\nrepeats = "keep"\n'
        '[[entity]]\nname = "orders"\n[entity.columns]\nsource_id = { from = "Order", required = true }\n'
        'occurred_at = { from = "Day", required = true }\ncurrency = { constant = "EUR" }\n'
        '[[entity]]\nname = "order_lines"\n[entity.columns]\n'
        'order_source_id = { from = "Order", required = true }\n'
        'product_source_id = { from = "Item" }\nquantity = { from = "Pieces", required = true }\n'
        'amount = { from = "Sum" }\n'
    )
    header = "Order,Day,Item,Pieces,Sum\n"
    rows = [f"O{n},2024-01-0{n},P{k},1,5\n" for n in range(1, 7) for k in (1, 1)]
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(header + "".join(rows))
    second.write_text(header + "".join(rows[2:-1]))  # without order 1, and one of the equal lines of order 6
    with Warehouse.open() as wh:
        load(wh, first, profile=str(profile), received_at="2024-02-01")
        assert wh.value("select count(*) from entities.order_lines") == 12
        [account] = load(wh, second, profile=str(profile), received_at="2024-03-01", force=True)
        assert wh.rows("select entity, rows_removed from ops.load_entities where load_id = 2 order by 1") == [
            ("order_lines", 3),
            ("orders", 1),
        ]
        assert account.rows_removed == 4
        left = "select order_source_id, count(*) from entities.order_lines group by 1 order by 1"
        assert wh.rows(left) == [("O2", 2), ("O3", 2), ("O4", 2), ("O5", 2), ("O6", 1)]


def test_a_withdrawn_snapshot_removed_nothing(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        deliver(wh, tmp_path, "b.csv", TEN[1:], "2024-02-01")
        unload(wh, 2)
        assert wh.value("select count(*) from entities.customers") == 10


def test_a_snapshot_that_is_delivered_again_after_other_loads_is_read_again(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        deliver(wh, tmp_path, "more.csv", [customer(20)], "2024-02-01", snapshot=False)
        assert deliver(wh, tmp_path, "a.csv", TEN, "2024-03-01").status == "unchanged", "it still lies there"
        again = deliver(wh, tmp_path, "b.csv", TEN, "2024-03-01")
        assert (again.status, again.rows_removed) == ("loaded", 1)
        assert wh.value("select count(*) from entities.customers") == 10


def test_rows_that_became_known_later_stay_when_an_old_snapshot_comes_late(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-02-01")
        assert deliver(wh, tmp_path, "old.csv", TEN[1:], "2024-01-01").rows_removed == 0


def test_a_profile_says_snapshot_by_true_or_false() -> None:
    text = 'profile = "x"\nsource_system = "x"\nsnapshot = "yes"\n[[entity]]\nname = "customers"\n'
    with pytest.raises(ProfileError, match="snapshot must be true or false"):
        parse_profile(text + '[entity.columns]\nsource_id = { from = "Id" }\n', "x.toml")


def test_a_table_of_relations_is_no_snapshot_of_all_relations(tmp_path: Path) -> None:
    file = tmp_path / "deal_company.csv"
    file.write_text("company_id,deal_id,type_id,category\n7,5,5,HUBSPOT_DEFINED\n")
    with Warehouse.open() as wh:
        with pytest.raises(FileRefused, match="is never a snapshot of all") as refusal:
            load(wh, file, snapshot=True)
        assert refusal.value.reason == "no_snapshot"
        assert load(wh, file)[0].rows_loaded == 1


def test_a_snapshot_of_fewer_records_than_are_told_of_it_removes_nothing(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "a.csv", TEN, "2024-01-01")
        told = {"control_totals": {"records": 10}}
        cut = deliver(wh, tmp_path, "b.csv", TEN[:9], "2024-02-01", **told)
        assert (cut.rows_removed, [one.issue for one in cut.issues]) == (0, ["snapshot_held_back"])
        assert "1 records less than are told of it" in cut.issues[0].detail
        assert deliver(wh, tmp_path, "b.csv", TEN[:9], "2024-02-01", force=True, **told).rows_removed == 1
