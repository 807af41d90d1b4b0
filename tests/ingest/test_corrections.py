"""A corrected delivery replaces what it corrects, and nothing else."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import UsageError
from crm_analytics.ingest.load import Load

HEADER = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"
FIRST = "C1,O1,2024-01-04,P1,Mug,1,10,EUR\n"


def deliver(wh: Warehouse, folder: Path, name: str, text: str, **options: str) -> Load:
    file = folder / name
    file.write_text(HEADER + text)
    return load(wh, file, **options)[0]


def orders(wh: Warehouse) -> list[tuple[str, int]]:
    return wh.rows(
        "select customer_source_id, cast(sum(quantity) as bigint) from entities.order_lines "
        "where order_source_id = 'O1' group by 1 order by 1"
    )


@pytest.mark.parametrize(
    "corrected",
    [
        "C1,O1,2024-01-04,P1,Mug (blue),1,10,EUR\n",
        "C2,O1,2024-01-04,P1,Mug,1,10,EUR\n",
        "C1,O1,2024-01-05,P1,Mug,1,10,EUR\n",
        "C1,O1,2024-01-04,P1,Mug,1,12,EUR\n",
    ],
    ids=["product name", "customer", "day", "price"],
)
def test_a_corrected_line_counts_once(tmp_path: Path, corrected: str) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "first.csv", FIRST)
        account = deliver(wh, tmp_path, "second.csv", corrected)
        assert orders(wh) == [(corrected[:2], 1)]
        assert (account.rows_loaded, account.rows_merged) == (1, 0)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_an_order_number_that_begins_anew_each_year_is_another_order_and_is_told(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    with Warehouse.open() as wh:
        told = []
        for year in (2021 + number for number in order):
            text = FIRST.replace("2024", str(year))
            account = deliver(wh, tmp_path, f"{year}.csv", text, received_at=f"{year}-02-01")
            assert (account.rows_loaded, account.rows_merged) == (1, 0)
            told += [(one.issue, one.row_count) for one in account.issues]
        assert orders(wh) == [("C1", 3)]
        assert sum(count for _, count in told) == (2 if order == (0, 1, 2) else 3)
        assert {issue for issue, _ in told} == {"number_used_again"}


def test_every_edit_is_told_with_those_that_moved_the_day(tmp_path: Path) -> None:
    other = FIRST.replace("O1", "O2")
    edited = FIRST.replace("-04", "-09") + other.replace(",10,", ",12,")
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "first.csv", FIRST + other)
        account = deliver(wh, tmp_path, "second.csv", edited)
        [issue] = account.issues
        assert (issue.issue, issue.row_count) == ("lines_edited", 2)
        assert issue.detail.endswith("; 1 of them moved the day")
        kept = wh.rows("select issue, row_count from ops.load_issues where load_id = $id", id=account.load_id)
        assert kept == [("lines_edited", 2)]


def test_a_late_delivery_tells_what_is_outdated_by_a_later_state(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "b.csv", FIRST.replace(",1,10", ",3,10"), received_at="2024-02-02")
        account = deliver(wh, tmp_path, "a.csv", FIRST, received_at="2024-02-01")
        assert (account.rows_loaded, account.rows_merged, orders(wh)) == (0, 1, [("C1", 3)])
        assert {one.issue: one.row_count for one in account.issues} == {"lines_edited": 1, "outdated": 1}


def test_a_corrected_customer_is_told_and_another_customer_of_a_shared_number_is_no_correction(
    tmp_path: Path,
) -> None:
    other = FIRST.replace("C1", "C2")
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "first.csv", FIRST)
        account = deliver(wh, tmp_path, "second.csv", other)
        assert [(one.issue, one.row_count) for one in account.issues] == [("customer_corrected", 1)]
        both = FIRST.replace("O1", "O2") + other.replace("O1", "O2")
        deliver(wh, tmp_path, "both.csv", both)
        account = deliver(wh, tmp_path, "third.csv", FIRST.replace("O1", "O2").replace("C1", "C3"))
        assert account.rows_loaded == 1
        assert [(one.issue, one.row_count) for one in account.issues] == [("number_of_another_customer", 1)]
        assert wh.value("select count(*) from entities.order_lines where order_source_id = 'O2'") == 3


def test_another_customer_with_another_quantity_is_another_order_and_told(tmp_path: Path) -> None:
    other = FIRST.replace("C1", "C2")
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "branch_a.csv", FIRST)
        account = deliver(wh, tmp_path, "branch_b.csv", other.replace(",1,10", ",5,10"))
        assert [(one.issue, one.row_count) for one in account.issues] == [("number_of_another_customer", 1)]
        assert orders(wh) == [("C1", 1), ("C2", 5)]


def test_a_head_of_another_customer_is_told_with_the_option_for_branches_that_number_alike(
    tmp_path: Path,
) -> None:
    header = "source_id,customer_source_id,occurred_at,status,currency,total_amount\n"
    first = "O1,C1,2024-03-01,confirmed,EUR,100\nO2,C1,2024-03-01,confirmed,EUR,50\n"
    update = first.replace("O2,C1,2024-03-01,confirmed", "O2,C1,2024-03-01,closed")
    files = {"first": first, "update": update, "branch_b": "O1,C9,2024-03-01,confirmed,EUR,40\n"}
    told = {}
    with Warehouse.open() as wh:
        for name, text in files.items():
            file = tmp_path / f"{name}.csv"
            file.write_text(header + text)
            [account] = load(wh, file)
            told[name] = account.issues
        assert told["update"] == (), "an update of the state is no replacement"
        [issue] = told["branch_b"]
        assert (issue.issue, issue.row_count) == ("customer_replaced", 1)
        assert "for example that of record 1" in issue.detail
        assert "--source-system" in issue.detail
        load(wh, file, source_system="branch_b")
        assert wh.value("select count(*) from entities.orders where source_id = 'O1'") == 2


@pytest.mark.parametrize("changed", ["", "2024-05-01"])
def test_records_of_one_file_that_contradict_one_another_are_told(tmp_path: Path, changed: str) -> None:
    plain = "source_id,customer_source_id,occurred_at,currency,total_amount\n"
    states = "source_id,name,modified_at\n"
    with Warehouse.open() as wh:
        file = tmp_path / "orders.csv"
        file.write_text(plain + "O1,C1,2024-03-01,EUR,100\nO2,C1,2024-03-01,EUR,7\nO1,C2,2024-03-02,EUR,8\n")
        [account] = load(wh, file)
        assert (account.rows_loaded, account.rows_merged) == (2, 1)
        [issue] = account.issues
        assert (issue.issue, issue.row_count) == ("told_differently", 1)
        assert "rows of orders" in issue.detail
        assert issue.detail.endswith("for example that of record 3")
        file = tmp_path / "customers.csv"
        file.write_text(f"{states}C1,Ada,{changed}\nC1,Ada B.,2024-06-01\nC1,Ada B.,2024-06-01\n")
        [account] = load(wh, file, profile="plain_customers")
        assert account.issues == (), "versions with times of their own are a history"


def test_files_of_one_folder_never_edit_one_another(tmp_path: Path) -> None:
    for name in ("C1", "C2", "C3"):
        (tmp_path / f"{name}.csv").write_text(HEADER + FIRST.replace("C1", name))
    with Warehouse.open() as wh:
        accounts = load(wh, tmp_path)
        assert [(one.rows_loaded, one.rows_merged) for one in accounts] == [(1, 0)] * 3
        assert orders(wh) == [("C1", 1), ("C2", 1), ("C3", 1)]


def test_the_same_file_received_twice_stands_against_one_that_came_late_and_lay_between(
    tmp_path: Path,
) -> None:
    plain = "source_id,name,unit_price,currency\nP1,Mug,{},EUR\n"
    told = (("10", "2024-01-01"), ("8", "2024-02-01"), ("10", "2024-03-01"))
    prices = []
    for order in itertools.permutations(told):
        with Warehouse.open() as wh:
            for price, day in order:
                file = tmp_path / f"{day}.csv"
                file.write_text(plain.format(price))
                load(wh, file, received_at=day)
            days = ("2024-01-15", "2024-02-15", "2024-03-15")
            at = "select cast(unit_price as integer) from entities.products_at($day) where is_held"
            prices.append([wh.value(at, day=day) for day in days])
    assert prices == [[10, 8, 10]] * 6


def test_a_receipt_number_that_begins_anew_is_another_order(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "first.csv", FIRST)
        deliver(wh, tmp_path, "second.csv", "C2,O1,2025-01-04,P1,Mug,1,10,EUR\n")
        assert orders(wh) == [("C1", 1), ("C2", 1)]


def test_lines_without_a_product_id_are_told_apart_by_their_product(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        deliver(wh, tmp_path, "first.csv", "C1,O1,2024-01-04,,Mug,1,10,EUR\n")
        deliver(wh, tmp_path, "second.csv", "C1,O1,2024-01-04,,Cup,1,10,EUR\n")
        assert orders(wh) == [("C1", 2)]


def test_a_value_that_changes_back_is_not_lost(tmp_path: Path) -> None:
    plain = "source_id,name,unit_price,currency\nP1,Mug,{},EUR\n"
    with Warehouse.open() as wh:
        for number, price in enumerate(("10", "8", "10"), start=1):
            file = tmp_path / f"{number}.csv"
            file.write_text(plain.format(price))
            load(wh, file, received_at=f"2024-0{number}-01")
        assert wh.value("select cast(unit_price as integer) from entities.products") == 10
        again = load(wh, file, received_at="2024-04-01")[0]
        assert (again.status, again.rows_loaded) == ("unchanged", 0)


def test_a_source_system_with_a_colon_is_refused(tmp_path: Path) -> None:
    with Warehouse.open() as wh, pytest.raises(UsageError, match="without ':'"):
        deliver(wh, tmp_path, "first.csv", FIRST, source_system="a:b")


def test_files_that_still_lie_in_the_inbox_do_not_take_back_what_later_ones_changed(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    header = "source_id,name,unit_price,currency\n"
    price = "select cast(unit_price as integer) from entities.products"
    with Warehouse.open() as wh:
        for day, given in (("01", "10"), ("02", "8"), ("03", "10")):
            (inbox / f"products_{day}.csv").write_text(f"{header}P1,Mug,{given},EUR\n")
            load(wh, inbox)
            assert wh.value(price) == int(given)
        again = load(wh, inbox)
        assert [account.status for account in again] == ["unchanged"] * 3
        assert wh.value(price) == 10
        assert wh.value("select count(*) from entities.products_versions") == 3


def test_a_file_that_is_written_over_and_back_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    with Warehouse.open() as wh:
        for given in ("10", "8", "10"):
            file.write_text(f"source_id,name,unit_price,currency\nP1,Mug,{given},EUR\n")
            load(wh, file)
        assert wh.value("select cast(unit_price as integer) from entities.products") == 10
