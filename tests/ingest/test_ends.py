"""What is no record at an end of a list is none, though no word tells it; what may be one is not lost."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from crm_analytics import Warehouse, load, replay
from crm_analytics.ingest.ends import Ends
from crm_analytics.ingest.quarantine import export_quarantine
from tests.ingest.delivered import deliver
from tests.ingest.export_files import workbook, written

HEAD = "customer_id,name,email,country,created_at\n"
PEOPLE = HEAD + "C1,Ada,ada@example.com,DE,2024-01-02\nC2,Ben,,,\n"
NUMBERED = HEAD + "1001,Ada,ada@example.com,DE,2024-01-02\n1002,Ben,,,\n"
MAILED = HEAD + "ada@example.com,Ada,ada@example.com,DE,\nben@example.com,Ben,,,\n"


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as one:
        yield one


def ends_of(rows: list[str]) -> list[int]:
    """Numbers of the doubtful rows of a list of which nothing but the first cell is required."""
    columns = zip(*(one.split(",") for one in rows), strict=True)
    cells = {f"c{place}": list(column) for place, column in enumerate(columns)}
    return Ends([[0]]).take(pa.table({"record_number": range(1, len(rows) + 1), **cells}), is_last=True)


@pytest.mark.parametrize(
    "last",
    [
        "Total customers: 2",
        "Insgesamt",
        "EOF",
        "*** End of file ***",
        "Seite 1 von 1",
        "Page 1 of 3",
        "صفحه ۱ از ۱",
        "Gesamtzahl",
        "تعداد مشتری: ۲",
        "Totale clienti: 2",
        "Total de clientes: 2",
        "Total de registros: 2",
        "Totaal klanten: 2",
        "Toplam müşteri: 2",
        "Всего клиентов: 2",
        "إجمالي العملاء: 2",
        "Razem klientów: 2",
    ],
)
def test_words_of_totals_and_of_pages_are_known_in_many_languages(
    wh: Warehouse, tmp_path: Path, last: str
) -> None:
    account = deliver(wh, tmp_path, PEOPLE + f"{last},,,,\n")
    assert (account.rows_loaded, account.reasons) == (2, {"not_a_record": 1})
    assert all(one.difference == 0 for one in account.controls), "what is stated beside the word agrees"


@pytest.mark.parametrize("records", [PEOPLE, NUMBERED, MAILED], ids=["C1", "1001", "mail"])
@pytest.mark.parametrize(
    "last",
    [
        "Report generated 2024-05-01 10:00,,,,",
        "Exported by: Ada Example,,,,",
        "Vertraulich,,,,",
        "Antal poster: 2,,,,",
        "Samtals,2,,,",
        "-- konec --,,,,",
    ],
)
def test_last_row_that_fills_little_and_is_no_id_is_set_aside(
    wh: Warehouse, tmp_path: Path, records: str, last: str
) -> None:
    account = deliver(wh, tmp_path, records + last + "\n")
    assert (account.rows_loaded, account.reasons) == (2, {"doubtful_end": 1})


FIVE = "customer_id,name,email,phone,country,created_at\n" + "".join(
    f"C{number},Name {number},c{number}@example.com,,DE,2024-01-0{number}\n" for number in range(1, 6)
)


@pytest.mark.parametrize(
    "last",
    [
        "導出時間：2024-05-01,,,,,",
        "出力日時：2024/05/01,,,,,",
        "Summe,5,,,,2024-05-01",
        "Total,,,,,2024-02-01",
        "Total,5,,,DE,",
        "Total,,,,FR,",
        "Exported by,Ada,on,2024-05-01,,",
    ],
)
def test_end_in_full_width_or_with_a_date_or_country_beside_a_word_of_totals_is_doubtful(last: str) -> None:
    assert ends_of([*FIVE.splitlines()[1:], last]) == [6]


def test_ends_in_full_width_become_no_customers(wh: Warehouse, tmp_path: Path) -> None:
    account = deliver(wh, tmp_path, FIVE + "共5条,,,,,\n合计：5,,,,,\nTotal,,,,,2024-02-01\n")
    assert (account.rows_loaded, account.reasons) == (5, {"not_a_record": 2, "doubtful_end": 1})


@pytest.mark.parametrize(
    ("ids", "last"),
    [
        (["a0@e.com", "a1@e.com", "a2@e.com", "a3@e.com"], "Export vom 5. Mai"),
        (["KD 0", "KD 1", "KD 2", "KD 3"], "Exported by Ada"),
    ],
)
def test_words_below_a_list_of_nothing_but_ids_are_set_aside(ids: list[str], last: str) -> None:
    assert ends_of([f"{one},,,," for one in [*ids, last]]) == [len(ids) + 1]


@pytest.mark.parametrize(
    ("ids", "last"),
    [
        (["1", "2", "39"], ["WEB-7,,,,", "WEB-8,,,,2024-01-02"]),
        (["a@example.com", "b@example.com", "c@example.com"], ["guest1,,,,", "guest2,,,,"]),
        (["6f1c1b3e", "b1bbbbbb", "7f8c9d0e"], ["abcdefab,,,,", "12345678,,,,"]),
        (["Клиент1", "Клиент2", "Клиент3"], ["Клиент,,,,"]),
        (["1001", "1002", "1003"], ["客户六,,,,", "顧客-十二,,,,2024-01-02"]),
    ],
)
def test_id_of_another_form_is_a_customer_at_the_end_too(ids: list[str], last: list[str]) -> None:
    assert ends_of([*(f"{one},Ada,ada@example.com,DE,2024-01-02" for one in ids), *last]) == []


@pytest.mark.parametrize(
    "last", ["Vertraulich,,,,", "57,,,,", "2024-05-01,,,,", "Exported by,Ada,on,,2024-05-01"]
)
def test_what_is_written_as_no_id_stands_out_among_them(last: str) -> None:
    ids = ["C1", "C2", "6f1c1b3e"]
    assert ends_of([*(f"{one},Ada,ada@example.com,DE,2024-01-02" for one in ids), last]) == [4]


def test_two_words_below_records_that_fill_more_are_set_aside(wh: Warehouse, tmp_path: Path) -> None:
    records = PEOPLE.replace("Ben,", "Ben,ben@example.com")
    account = deliver(wh, tmp_path, records + "Exported by,Ada Example,,,\n")
    assert (account.rows_loaded, account.reasons) == (2, {"doubtful_end": 1})


def test_several_last_rows_and_the_first_ones_are_set_aside(wh: Warehouse, tmp_path: Path) -> None:
    first = "Customer list: all\nExported by: Ada\n".replace("\n", ",,,,\n")
    last = "Generated at: 2024-05-01\nConfidential: yes\nTotal: 2\n".replace("\n", ",,,,\n")
    account = deliver(wh, tmp_path, HEAD + first + PEOPLE.removeprefix(HEAD) + last)
    assert (account.rows_loaded, account.reasons) == (2, {"doubtful_end": 4, "not_a_record": 1})


def test_total_above_the_records_is_no_customer(wh: Warehouse, tmp_path: Path) -> None:
    account = deliver(wh, tmp_path, HEAD + "Total,2,,,\n" + PEOPLE.removeprefix(HEAD))
    assert (account.rows_loaded, account.reasons) == (2, {"not_a_record": 1})
    assert "total_not_compared" in {one.issue for one in account.issues}


@pytest.mark.parametrize(
    "text",
    [
        PEOPLE + "C3,,,,\n",
        PEOPLE + "Zoe,Zoe Example,,,\n",
        PEOPLE + "Total,Total Example,t@example.com,,\n",
        PEOPLE + "C4,,,,\nZoe,,,,\n",
        HEAD + "Acme,A,a@example.com,,\nBeta,B,b@example.com,,\nGamma,,,,\n",
        HEAD + "Acme Ltd,A,a@example.com,,\nBeta Ltd,B,,,\nGamma Ltd,,,,\n",
        HEAD + "C1,,,,\nC2,,,,\nC3,,,,\n",
        "source_id\nC1\nC2\nC3\n",
        "source_id\nAda\nBen\nAda Example\n",
        "source_id\nAda Example\n",
        "source_id\n1001\n1002\nA-3\n",
    ],
)
def test_what_is_written_as_the_other_ids_is_a_customer(wh: Warehouse, tmp_path: Path, text: str) -> None:
    account = deliver(wh, tmp_path, text, profile="plain_customers" if text.startswith("source_id") else None)
    assert (account.rows_loaded, account.reasons) == (account.rows_in, {})


def test_an_end_is_judged_by_the_first_block_too(tmp_path: Path) -> None:
    first = pa.table({"record_number": [1, 2], "c0": ["C1", "C2"], "c1": ["Ada", "Ben"]})
    last = pa.table({"record_number": [3], "c0": ["Vertraulich"], "c1": [""]})
    ends = Ends([[0]])
    assert (ends.take(first, is_last=False), ends.take(last, is_last=True)) == ([], [3])
    assert Ends([[0]]).take(last, is_last=True) == [], "nothing to judge it by"


def test_doubtful_end_comes_in_where_a_person_says_so(wh: Warehouse, tmp_path: Path) -> None:
    account = deliver(wh, tmp_path, PEOPLE + "Zoe Example,,,,\n")
    [exported] = export_quarantine(wh, tmp_path, load_id=account.load_id)
    waits = replay(wh, exported.file)
    assert (waits.status, waits.rows_in) == ("unchanged", 0), "as it was"
    said = replay(wh, exported.file, bare_ends="keep")
    assert (said.rows_in, said.rows_loaded) == (1, 1)
    again = deliver(wh, tmp_path, PEOPLE + "Yan Example,,,,\n")
    [exported] = export_quarantine(wh, tmp_path, load_id=again.load_id)
    text = exported.file.read_text(encoding="utf-8-sig")
    exported.file.write_text(text.replace("Yan Example", "Yan Sample"), encoding="utf-8")
    assert replay(wh, exported.file).rows_loaded == 1, "who corrects a record says that it is one"
    kept = deliver(wh, tmp_path, PEOPLE + "Vertraulich,,,,\n", bare_ends="keep")
    assert kept.reasons == {}


def test_snapshot_removes_nothing_while_a_doubtful_row_waits(wh: Warehouse, tmp_path: Path) -> None:
    names = [f"C{number},Ada{number},a@example.com,,\n" for number in range(10)]
    deliver(wh, tmp_path, HEAD + "".join(names))
    file = tmp_path / "later.csv"
    file.write_text(HEAD + "".join(names[:9]) + "Exported by: Ada,,,,\n", encoding="utf-8")
    [later] = load(wh, file, received_at="2025-02-02", source_system=tmp_path.name, snapshot=True)
    assert "snapshot_held_back" in {one.issue for one in later.issues}


def test_rows_of_totals_are_no_records_of_a_control_total(wh: Warehouse, tmp_path: Path) -> None:
    text = PEOPLE + "Exported by: Ada,,,,\nTotal,2,,,\n"
    account = deliver(wh, tmp_path, text, control_totals={"records": 2})
    assert account.rows_in == 4
    assert [(one.control, one.ours) for one in account.controls if one.scope == "given"] == [
        ("records", Decimal(2))
    ]


def test_total_that_is_a_formula_without_a_value_is_one(wh: Warehouse, tmp_path: Path) -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cell = '<c r="{0}" t="inlineStr"><is><t>{1}</t></is></c>'
    rows = [("customer_id", "name"), ("C1", "Ada"), ("C2", "Ben")]
    body = "".join(
        f'<row r="{row}">{cell.format(f"A{row}", one)}{cell.format(f"B{row}", other)}</row>'
        for row, (one, other) in enumerate(rows, start=1)
    )
    body += f'<row r="4">{cell.format("A4", "Total")}<c r="B4"><f>COUNTA(A2:A3)</f></c></row>'
    sheet = f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
    content = workbook({"S": [["customer_id"]]}, replaced={"xl/worksheets/sheet1.xml": sheet})
    [account] = load(
        wh, written(tmp_path, "book.xlsx", content), received_at="2025-01-01", source_system="book"
    )
    assert (account.rows_loaded, account.reasons) == (2, {"not_a_record": 1})


def test_a_formula_without_a_value_is_no_bad_number(wh: Warehouse, tmp_path: Path) -> None:
    head = "customer_id,order_id,order_date,product_id,quantity,unit_price,currency\n"
    rows = [
        "C1,O1,2024-01-04,P1,#UNCALCULATED!,4,EUR\n",
        "C1,O2,#N/A,P1,1,4,EUR\n",
    ]
    account = deliver(wh, tmp_path, head + "".join(rows))
    assert account.reasons == {"bad_date": 1, "formula_without_value": 1}
    [(message,)] = wh.rows(
        "select message from ops.quarantine where load_id = $id and reason = 'formula_without_value'",
        id=account.load_id,
    )
    assert "holds no value" in message
    assert "Excel" in message
