"""A list that states its own totals: what its columns add up to stands beside them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import FileRefused
from crm_analytics.ingest.load import Load
from crm_analytics.ingest.total_rows import is_number
from crm_analytics.normalise.total_words import total_kind, total_words
from tests.ingest.delivered import deliver
from tests.ingest.export_files import workbook, written

PERSIAN = "شماره فاکتور,کد مشتری,تاریخ,کد کالا,تعداد,مبلغ کل (تومان)\n"
LINES = "F1,C1,1403/02/05,P1,۲,۱۰۰۰\nF2,C2,1403/02/06,P1,۱,۵۰۰\nF3,C1,1403/02/07,P2,۳,۹۰۰\n"
PLAIN = "customer_id,order_id,order_date,product_id,quantity,unit_price,currency\n"
ORDERS = "C1,O1,2024-01-04,P1,2,10.25,EUR\nC2,O2,2024-01-04,P1,1,4,EUR\n"

GROUPED = """
profile = "grouped"
source_system = "shop"
[rows]
fill_down = { columns = ["Region", "Customer"] }
ignore = ["Subtotal", "Total", "Count"]
[[entity]]
name = "order_lines"
[entity.columns]
order_source_id = { from = "Order", required = true }
customer_source_id = { from = "Customer", required = true }
occurred_at = { from = "Date", required = true }
product_source_id = { from = "Product" }
quantity = { from = "Qty", required = true }
amount = { from = "Amount" }
currency = { constant = "EUR" }
"""


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as one:
        yield one


def told(account: Load) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Theirs and ours, by control, scope and row."""
    return {
        (one.control, one.scope, one.source_id): (float(one.theirs), float(one.ours))
        for one in account.controls
    }


def passed_over(account: Load) -> list[tuple[str, str]]:
    found = [one for one in account.issues if one.issue == "total_not_compared"]
    return [(one.column_name, one.detail.partition(";")[0]) for one in found]


def test_row_of_totals_in_persian_is_compared_in_rial(wh: Warehouse, tmp_path: Path) -> None:
    account = deliver(wh, tmp_path, PERSIAN + LINES + "جمع كل,,,,۶,۲٬۴۰۰\n")
    assert (account.rows_in, account.rows_loaded, account.reasons) == (3, 3, {})
    assert told(account) == {
        ("total", "order_lines.quantity", "record 4"): (6, 6),
        ("total", "order_lines.amount", "record 4"): (24000, 24000),
    }


def test_wrong_total_is_shown_and_nothing_is_refused(wh: Warehouse, tmp_path: Path) -> None:
    account = deliver(wh, tmp_path, PERSIAN + LINES + "جمع,,,,۶,۲۵۰۰\n")
    assert (account.status, account.rows_loaded) == ("loaded", 3)
    [wrong] = [one for one in account.controls if one.difference]
    assert (wrong.scope, wrong.theirs) == ("order_lines.amount", Decimal(25000))
    assert wrong.difference == -1000


def test_records_in_quarantine_are_added_apart(wh: Warehouse, tmp_path: Path) -> None:
    broken = "F4,C1,,P2,۱,۱۰۰\n"
    account = deliver(wh, tmp_path, PERSIAN + LINES + broken + "جمع کل,,,,۷,۲۵۰۰\n")
    assert account.reasons == {"missing_value": 1}
    assert told(account) == {
        ("total", "order_lines.quantity", "record 5"): (7, 6),
        ("total_with_quarantine", "order_lines.quantity", "record 5"): (7, 7),
        ("total", "order_lines.amount", "record 5"): (25000, 24000),
        ("total_with_quarantine", "order_lines.amount", "record 5"): (25000, 25000),
    }


def test_profile_that_says_nothing_of_totals_sets_the_row_aside_and_compares_it(
    wh: Warehouse, tmp_path: Path
) -> None:
    account = deliver(wh, tmp_path, PLAIN + ORDERS + "Grand total (2 records),,,,3,14.25,\n")
    assert (account.rows_loaded, account.reasons) == (2, {"not_a_record": 1})
    assert told(account) == {
        ("records", "file", "record 3"): (2, 2),
        ("total", "order_lines.quantity", "record 3"): (3, 3),
        ("total", "order_lines.unit_price", "record 3"): (14.25, 14.25),
    }


def test_broken_record_that_begins_with_such_a_word_stays_one_where_it_holds_more_than_numbers(
    wh: Warehouse, tmp_path: Path
) -> None:
    account = deliver(wh, tmp_path, PLAIN + ORDERS + "Total,O3,,P1,1,4,EUR\nTotal,,,,,,\n")
    assert (account.reasons, account.controls) == ({"missing_value": 1, "not_a_record": 1}, ())


PEOPLE = "customer_id,name,email,country,created_at\nC1,Ada,ada@example.com,DE,2024-01-02\nC2,Ben,,,\n"
PERSONS = "کد مشتری,نام مشتری,شماره تماس\nم۱,آدا,09120000001\nم۲,بهار,09120000002\n"


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (PEOPLE + "Total,2,,,\n", []),
        (PEOPLE + "Total,,,,\n", []),
        (PEOPLE + "Summe: 2,,,,\n", []),
        (PEOPLE + "Total: 2 records,,,,\n", [0]),
        (PEOPLE + '"  Total: 3 records",,,,\n', [-1]),
        (PEOPLE + "2 rows,,,,\n", [0]),
        (PEOPLE + "(2 rows),,,,\n", [0]),
        (PEOPLE + "End of report,,,,\n", []),
        (PERSONS + "جمع کل,2,\n", []),
        (PERSONS + "تعداد کل: ۲ نفر,,\n", [0]),
    ],
)
def test_row_of_totals_becomes_no_customer(
    wh: Warehouse, tmp_path: Path, text: str, records: list[int]
) -> None:
    account = deliver(wh, tmp_path, text)
    assert (account.rows_in, account.rows_loaded, account.reasons) == (3, 2, {"not_a_record": 1})
    assert [one.difference for one in account.controls if one.control == "records"] == records


def test_customer_whose_id_is_such_a_word_is_one_where_the_row_tells_more(
    wh: Warehouse, tmp_path: Path
) -> None:
    rows = "Total,Total Example,,,\nCount,Count Ltd,,DE,2024-02-03\nSum,,sum@example.com,,\n"
    account = deliver(wh, tmp_path, PEOPLE + rows)
    assert (account.rows_loaded, account.reasons) == (5, {})


def test_computed_amounts_are_not_added_to_those_that_the_file_holds(wh: Warehouse, tmp_path: Path) -> None:
    text = "شماره فاکتور,کد مشتری,تاریخ,کد کالا,تعداد,فی (ریال),مبلغ کل (ریال)\n"
    text += "F1,C1,1403/02/05,P1,2,10,20\nF2,C2,1403/02/06,P1,1,5,\nجمع,,,,,,20\n"
    account = deliver(wh, tmp_path, text)
    assert told(account) == {("total", "order_lines.amount", "record 3"): (20, 20)}


def test_subtotals_of_pages_are_not_taken_for_totals(wh: Warehouse, tmp_path: Path) -> None:
    first, second, third = LINES.splitlines(keepends=True)
    text = (
        PERSIAN
        + first
        + second
        + "جمع,,,,۳,۱۵۰۰\n"
        + third
        + "جمع,,,,۳,۹۰۰\nجمع صفحه,,,,۳,۹۰۰\nجمع کل,,,,۶,۲۴۰۰\n"
    )
    account = deliver(wh, tmp_path, text)
    assert [(one.control, one.source_id, float(one.difference)) for one in account.controls] == [
        ("total", "record 7", 0),
        ("total", "record 7", 0),
    ]
    [(column, why)] = passed_over(account)
    assert (column, why.partition(":")[0]) == ("", "of a page or a group, or followed by records")
    [issue] = [one for one in account.issues if one.issue == "total_not_compared"]
    assert issue.row_count == 3


def test_subtotals_of_groups_are_compared_with_their_groups(wh: Warehouse, tmp_path: Path) -> None:
    profile = tmp_path / "grouped.toml"
    profile.write_text(GROUPED)
    text = """Region,Customer,Order,Date,Product,Qty,Amount
North,Ada,O1,2024-01-02,P1,1,10
,,O2,2024-01-02,P2,2,20
,Subtotal,,,,3,30
,Count,2,,,,
,Bob,O3,2024-01-03,P1,1,7
,Subtotal,,,,1,8
Subtotal,,,,,4,37
South,Cem,O4,2024-01-04,P1,5,50
,Subtotal,,,,5,50
Subtotal,,,,,5,50
Total,,,,,9,87
"""
    account = deliver(wh, tmp_path, text, profile=str(profile))
    assert (account.rows_in, account.rows_loaded) == (4, 4)
    assert told(account) == {
        ("total", "order_lines.quantity", "record 11"): (9, 9),
        ("total", "order_lines.amount", "record 11"): (87, 87),
        ("groups_agreeing", "order_lines.quantity", ""): (5, 5),
        ("groups_agreeing", "order_lines.amount", ""): (5, 4),
        ("groups_agreeing", "records", ""): (1, 1),
        ("group_total", "order_lines.amount", "record 6"): (8, 7),
    }


def test_counts_are_compared_unless_they_may_be_a_sum(wh: Warehouse, tmp_path: Path) -> None:
    account = deliver(wh, tmp_path, PERSIAN + LINES + "تعداد,,۴,,,\n")
    assert told(account) == {("records", "file", "record 4"): (4, 3)}
    doubtful = deliver(wh, tmp_path, PERSIAN + LINES + "تعداد,,,,۶,\n")
    assert doubtful.controls == ()
    assert passed_over(doubtful) == [("", "it may be the sum of a column, or there are several")]


def test_columns_that_are_no_single_number_and_several_currencies_are_not_added(
    wh: Warehouse, tmp_path: Path
) -> None:
    text = PLAIN + ORDERS + "C3,O3,2024-01-04,P1,1,5,USD\nTotal,,12,,4,19.25,\n"
    account = deliver(wh, tmp_path, text)
    assert told(account) == {("total", "order_lines.quantity", "record 4"): (4, 4)}
    assert passed_over(account) == [
        ("order_date", "the column is not read as one number"),
        ("unit_price", "the amounts are in several currencies"),
    ]


def test_total_that_is_no_number_of_its_column_is_said_not_to_be_compared(
    wh: Warehouse, tmp_path: Path
) -> None:
    account = deliver(wh, tmp_path, PLAIN + ORDERS + 'Total,,,,3,"14,25",\n')
    assert told(account) == {("total", "order_lines.quantity", "record 3"): (3, 3)}
    assert passed_over(account) == [("unit_price", "this is no number in the form of the column")]


def test_profile_may_refuse_a_file_that_does_not_add_up(wh: Warehouse, tmp_path: Path) -> None:
    profile = tmp_path / "strict.toml"
    lines = GROUPED.replace('fill_down = { columns = ["Region", "Customer"] }', 'wrong_total = "refuse"')
    profile.write_text(lines)
    header, record = "Customer,Order,Date,Product,Qty,Amount\n", "Ada,O1,2024-01-02,P1,1,10\n"
    aside = "Ada,O2,,P1,1,5\n"
    account = deliver(wh, tmp_path, header + record + aside + "Total,,,,2,15\n", profile=str(profile))
    assert account.rows_loaded == 1, "with what is in quarantine it adds up"
    known = wh.value("select count(*) from entities.order_lines_versions")
    with pytest.raises(
        FileRefused, match=r"record 2: the total of order_lines\.amount is 12\.0000, .* 10\.0000"
    ):
        deliver(wh, tmp_path, header + record + "Total,,,,1,12\n", profile=str(profile))
    assert wh.value("select count(*) from entities.order_lines_versions") == known


def test_workbook_has_its_totals_compared(wh: Warehouse, tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["customer_id", "order_id", "order_date", "product_id", "quantity", "unit_price", "currency"],
        ["C1", "O1", "2024-01-04", "P1", 2, 10.25, "EUR"],
        ["C2", "O2", "2024-01-04", "P1", 1, 4, "EUR"],
        ["Summe", None, None, None, 3, 14.5, None],
    ]
    written(tmp_path, "list.xlsx", workbook({"Sheet1": rows}))
    [account] = load(wh, tmp_path / "list.xlsx", received_at="2025-02-01", source_system="book")
    assert [one.difference for one in account.controls] == [0, Decimal("-0.25")]


def test_a_word_of_totals_stands_once_and_is_found_however_it_is_written() -> None:
    words = [word for kind in total_words().values() for word in kind]
    assert len(words) == len({total_kind(word) for word in words} and set(words))
    assert {kind: {total_kind(word) for word in words} for kind, words in total_words().items()} == {
        kind: {kind} for kind in ("grand", "total", "group", "count", "end")
    }
    assert [total_kind(text) for text in ("GRAND-TOTAL:", "جمع‌كل", "Total (12 rows)")] == [
        "grand",
        "grand",
        "total",
    ]
    assert [total_kind(text) for text in ("Total Energies", "جمعیت", "", "(3)", "x" * 200)] == [None] * 5


@pytest.mark.parametrize("text", ["3", "۱٬۲۰۰", "1 200,50", "$ 12.00", "12 ریال", "(5.00)", "12%", "EUR 5"])
def test_numbers_in_totals_are_told_from_other_cells(text: str) -> None:
    assert is_number(text)
    assert not is_number(text + "-P")


def test_records_that_repeat_a_row_of_the_file_are_added_apart(wh: Warehouse, tmp_path: Path) -> None:
    line = "C1,O1,2024-01-04,P1,1,8,EUR\n"
    given = {"amount": 16, "quantity": 2}
    account = deliver(wh, tmp_path, PLAIN + line + line + "Total,,,,2,,\n", control_totals=given)
    assert (account.rows_loaded, account.rows_merged, account.rows_quarantined) == (1, 1, 1)
    assert told(account) == {
        ("total", "order_lines.quantity", "record 3"): (2, 1),
        ("total_with_repeats", "order_lines.quantity", "record 3"): (2, 2),
        ("amount", "given", ""): (16, 8),
        ("amount_with_repeats", "given", ""): (16, 16),
        ("quantity", "given", ""): (2, 1),
        ("quantity_with_repeats", "given", ""): (2, 2),
    }
    again = deliver(wh, tmp_path, PLAIN + line + ORDERS, control_totals={"amount": 32.5})
    assert told(again) == {("amount", "given", ""): (32.5, 32.5)}, "what another file brought is in the store"


def test_quarantine_and_repeats_are_added_each_and_together(wh: Warehouse, tmp_path: Path) -> None:
    line, broken = "C1,O1,2024-01-04,P1,1,8,EUR\n", "C1,O1,,P1,3,8,EUR\n"
    account = deliver(wh, tmp_path, PLAIN + line + line + broken + "Total,,,,5,,\n")
    assert {control: ours for (control, _, _), (_, ours) in told(account).items()} == {
        "total": 1,
        "total_with_quarantine": 4,
        "total_with_repeats": 2,
        "total_with_quarantine_and_repeats": 5,
    }


def test_equal_lines_that_are_kept_are_no_repeats(wh: Warehouse, tmp_path: Path) -> None:
    line = "C1,O1,2024-01-04,P1,1,8,EUR\n"
    account = deliver(wh, tmp_path, PLAIN + line + line, duplicates="keep", control_totals={"amount": 16})
    assert told(account) == {("amount", "given", ""): (16, 16)}


def test_a_row_with_all_that_an_order_needs_is_one_whatever_the_customer_is_called(
    wh: Warehouse, tmp_path: Path
) -> None:
    text = PLAIN + "Total,1002,04.01.2024,55,3,10,EUR\n" + "C1,1001,04.01.2024,5,2,10,EUR\nTotal,,,,5,,\n"
    account = deliver(wh, tmp_path, text, date_format="%d.%m.%Y")
    assert (account.rows_in, account.rows_loaded, dict(account.reasons)) == (3, 2, {"not_a_record": 1})
    assert (5.0, 5.0) in told(account).values(), (account.controls, account.issues)


def test_many_rows_of_subtotals_are_no_broken_file(wh: Warehouse, tmp_path: Path) -> None:
    group = "C1,O{0},2024-01-04,P1,1,8,EUR\nC2,P{0},2024-01-04,P1,1,8,EUR\nSubtotal,,,,2,,\n"
    account = deliver(wh, tmp_path, PLAIN + "".join(group.format(number) for number in range(60)))
    assert (account.status, account.rows_loaded, account.rows_quarantined) == ("loaded", 120, 60)


def test_a_row_of_totals_holds_no_snapshot_back(wh: Warehouse, tmp_path: Path) -> None:
    head = "customer_id,name,email,country,created_at\n"
    names = [f"C{number},Ada{number},,,\n" for number in range(10)]
    deliver(wh, tmp_path, head + "".join(names) + "Total,10,,,\n")
    file = tmp_path / "later.csv"
    file.write_text(head + "".join(names[:9]) + "Total,9,,,\n", encoding="utf-8")
    [later] = load(wh, file, received_at="2025-02-02", source_system=tmp_path.name, snapshot=True)
    assert {issue.issue: issue.row_count for issue in later.issues}["removed"] == 1
