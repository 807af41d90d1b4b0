"""Does every reader say the same of the same table?  One contract, parametrised over the registry."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_analytics.errors import FileRefused, InputError
from crm_analytics.ingest import load
from crm_analytics.ingest.kinds import ENDINGS
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.readers import READERS, headers, read
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.source import open_source
from crm_analytics.warehouse import Warehouse
from tests.ingest.export_files import ErrorCell, archive, workbook, written

RECEIVED = date(2025, 6, 30)
HEADER = (
    "customer_id",
    "order_id",
    "order_date",
    "product_id",
    "product",
    "quantity",
    "unit_price",
    "currency",
)
# Record 3 has no number, 4 no customer, 6 a date that is none.
RECORDS: tuple[tuple[Any, ...], ...] = (
    ("C1", "O1", date(2024, 2, 6), "007", ' Mug 12" ', 2, Decimal("11.25"), "EUR"),
    ("C1", "O1", date(2024, 2, 6), "P2", "Kanne, blau", 1, Decimal("0.05"), "EUR"),
    ("C2", "O2", date(2024, 2, 29), "P2", "علی", "many", Decimal("1.50"), "EUR"),
    (None, "O3", date(2024, 3, 1), "P2", "Pot", 1, Decimal("1.50"), "EUR"),
    ("C3", "O4", date(2024, 3, 1), "P2", None, -1, Decimal("1.50"), "usd"),
    ("C4", "O5", "soon", "P2", "Pot", 1, Decimal("1.50"), "EUR"),
)


def plain(value: Any) -> Any:
    return (
        value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value
    )


def as_csv(records: tuple[tuple[Any, ...], ...]) -> bytes:
    made = io.StringIO()
    csv.writer(made).writerows([HEADER, *([plain(value) for value in record] for record in records)])
    return made.getvalue().encode()


def as_objects(records: tuple[tuple[Any, ...], ...]) -> list[str]:
    return [
        "{"
        + ", ".join(
            f"{json.dumps(name)}: {value if isinstance(value, Decimal) else json.dumps(plain(value))}"
            for name, value in zip(HEADER, record, strict=True)
        )
        + "}"
        for record in records
    ]


def as_parquet(records: tuple[tuple[Any, ...], ...]) -> bytes:
    columns = dict(zip(HEADER, zip(*records, strict=True), strict=True))
    made = io.BytesIO()
    texts = ("order_date", "quantity")
    pq.write_table(
        pa.table(
            {
                name: pa.array([None if one is None else str(one) for one in values])
                if name in texts
                else pa.array(values)
                for name, values in columns.items()
            }
        ),
        made,
    )
    return made.getvalue()


def as_workbook(records: tuple[tuple[Any, ...], ...]) -> bytes:
    rows = [[float(value) if isinstance(value, Decimal) else value for value in one] for one in records]
    return workbook({"Orders": [HEADER, *rows]})


# One writer for every kind of the registry: (name of the file, its bytes).
WRITERS: Mapping[str, Callable[[tuple[tuple[Any, ...], ...]], tuple[str, bytes]]] = {
    "text": lambda records: ("a.csv", as_csv(records)),
    "json": lambda records: ("a.json", ("[" + ",\n".join(as_objects(records)) + "]").encode()),
    "ndjson": lambda records: ("a.ndjson", "\n".join(as_objects(records)).encode()),
    "parquet": lambda records: ("a.parquet", as_parquet(records)),
    "workbook": lambda records: ("a.xlsx", as_workbook(records)),
}


def rows(wh: Warehouse) -> list[tuple[Any, ...]]:
    return wh.rows("select * exclude (load_id, recorded_at) from entities.order_lines_versions order by all")


def test_every_reader_of_the_registry_is_tried_and_has_an_ending() -> None:
    assert set(WRITERS) == set(READERS)
    assert set(READERS) <= set(ENDINGS)


@pytest.mark.parametrize("is_zipped", [False, True], ids=["file", "in an archive"])
@pytest.mark.parametrize("kind", READERS)
def test_the_same_table_gives_the_same_accounts_and_entities(
    tmp_path: Path, kind: str, is_zipped: bool
) -> None:
    name, content = WRITERS[kind](RECORDS)
    told = "a.xlsx/Orders" if kind == "workbook" else name
    if is_zipped:
        name, content, told = "export.zip", archive({name: content}), f"export.zip/{told}"
    with Warehouse.open() as wh, Warehouse.open() as other:
        [account] = load(wh, written(tmp_path, name, content), received_at=RECEIVED)
        load(other, written(tmp_path, "other.csv", as_csv(RECORDS)), received_at=RECEIVED)
        assert rows(wh) == rows(other)
        aside = wh.rows("select record_number, column_name, reason from ops.quarantine order by all")
        again = load(wh, tmp_path / name, received_at=RECEIVED)
    assert account.file == told
    assert (account.rows_in, account.rows_loaded, account.rows_quarantined, account.rows_merged) == (
        6,
        3,
        3,
        0,
    )
    assert aside == [
        (3, "quantity", "bad_number"),
        (4, "customer_id", "missing_value"),
        (6, "order_date", "bad_date"),
    ]
    assert [one.status for one in again] == ["unchanged"]


@pytest.mark.parametrize("kind", READERS)
def test_records_are_numbered_once_in_blocks_that_can_be_had_again(tmp_path: Path, kind: str) -> None:
    [part] = open_source(written(tmp_path, *WRITERS[kind](RECORDS)))
    assert isinstance(part, Part)
    assert part.kind == kind
    assert (",", HEADER) in headers(part, Dialect()) or headers(part, Dialect()) == [("", HEADER)]
    delivery = read(part, Dialect(delimiter="," if kind == "text" else None))
    for _ in range(2):
        numbers, last = [], 0
        for block in delivery.blocks():
            found = block.cells["record_number"].to_pylist()
            assert block.record_count == len(found) + len(block.broken)
            assert last <= block.read_bytes <= part.size
            numbers += found + [one.number for one in block.broken]
            last = block.read_bytes
        assert sorted(numbers) == [*range(1, len(RECORDS) + 1)]
    line, offset, raw = block.place(0)
    assert line >= 1
    assert offset >= 0
    assert b"O1" in raw


@pytest.mark.parametrize("kind", READERS)
def test_a_file_under_a_wrong_name_is_read_as_what_it_is_and_that_is_told(tmp_path: Path, kind: str) -> None:
    name = "a.parquet" if kind == "text" else "a.csv"
    with Warehouse.open() as wh:
        [account] = load(wh, written(tmp_path, name, WRITERS[kind](RECORDS)[1]), received_at=RECEIVED)
    assert account.rows_loaded == 3
    assert [one.issue for one in account.issues if one.issue == "ending_differs"] == ["ending_differs"]


@pytest.mark.parametrize("kind", READERS)
def test_a_file_cut_anywhere_is_refused_or_accounted_for(tmp_path: Path, kind: str) -> None:
    name, content = WRITERS[kind](RECORDS)
    with Warehouse.open() as wh:
        for cut in range(1, len(content), max(1, len(content) // 12)):
            try:
                accounts = load(wh, written(tmp_path, name, content[:cut]), received_at=RECEIVED)
            except InputError:
                continue
            for one in accounts:
                assert one.rows_in == one.rows_loaded + one.rows_quarantined + one.rows_merged
                assert one.rows_in <= len(RECORDS)


def test_in_a_folder_one_refused_member_stops_nothing(tmp_path: Path) -> None:
    content = archive({"form.csv": b"%PDF-1.7", "a.csv": as_csv(RECORDS), "cut.json": b'[{"id": '})
    written(tmp_path, "export.zip", content)
    with Warehouse.open() as wh:
        accounts = load(wh, tmp_path, received_at=RECEIVED)
        told = wh.rows("select file, status, reason from ops.loads order by load_id")
    assert [(one.file, one.status) for one in accounts] == [
        ("export.zip/form.csv", "refused"),
        ("export.zip/a.csv", "loaded"),
        ("export.zip/cut.json", "refused"),
    ]
    assert told == [
        ("export.zip/form.csv", "refused", "not_a_table"),
        ("export.zip/a.csv", "loaded", None),
        ("export.zip/cut.json", "refused", "truncated"),
    ]


def test_a_lone_member_that_cannot_be_read_is_raised(tmp_path: Path) -> None:
    path = written(tmp_path, "export.zip", archive({"form.csv": b"%PDF-1.7"}))
    with Warehouse.open() as wh, pytest.raises(FileRefused, match=r"export\.zip/form\.csv: this is a PDF"):
        load(wh, path)


def test_errors_of_a_spreadsheet_are_no_values(tmp_path: Path) -> None:
    header = ("customer_id", "name", "country")
    records = [
        ("C1", ErrorCell("#REF!"), "GB"),
        (ErrorCell("#N/A"), "Bob", "GB"),
        ("C3", "#1 in town", "GB"),
    ]
    path = written(tmp_path, "a.xlsx", workbook({"People": [header, *records]}))
    with Warehouse.open() as wh:
        [account] = load(wh, path, received_at=RECEIVED)
        names = wh.rows("select source_id, name from entities.customers_versions order by all")
        [(message, raw)] = wh.rows("select message, raw from ops.quarantine")
    assert names == [("C1", None), ("C3", "#1 in town")]
    assert account.reasons == {"error_cell": 1}
    assert any(one.issue == "error_cell" and one.column_name == "name" for one in account.issues)
    assert "an error of a spreadsheet" in message
    assert bytes(raw) == b'{"customer_id": "#N/A", "name": "Bob", "country": "GB"}'


def test_typed_cells_do_not_follow_the_formats_of_texts(tmp_path: Path) -> None:
    record = ("C1", "O1", date(2024, 2, 6), "P1", "Mug", 1, 11.25, "EUR")
    text = ("C1", "O2", "06/02/2024", "P1", "Mug", 1, "11,25", "EUR")
    path = written(tmp_path, "a.xlsx", workbook({"Orders": [HEADER, record, text]}))
    with Warehouse.open() as wh:
        load(wh, path, received_at=RECEIVED, date_format="%d/%m/%Y", decimal=",", delimiter=";")
        found = wh.rows("select cast(occurred_at as date), unit_price from entities.order_lines_versions")
    assert found == [(date(2024, 2, 6), Decimal("11.2500"))] * 2


def test_ids_that_a_workbook_or_parquet_has_cut_are_set_aside(tmp_path: Path) -> None:
    cut = 12_345_678_901_234_567
    book = workbook({"People": [("customer_id", "name", "country"), (cut, "Ada", "GB"), (7, "Bob", "GB")]})
    made = io.BytesIO()
    pq.write_table(
        pa.table({"customer_id": [float(cut), 7.0], "name": ["Ada", "Bob"], "country": ["GB", "GB"]}), made
    )
    for name, content in (("a.xlsx", book), ("a.parquet", made.getvalue())):
        with Warehouse.open() as wh:
            [account] = load(wh, written(tmp_path, name, content), received_at=RECEIVED)
            ids = wh.rows("select source_id from entities.customers_versions")
        assert account.reasons == {"lossy_id": 1}
        assert ids == [("7",)]


def test_line_of_excel_that_names_the_delimiter_is_no_header(tmp_path: Path) -> None:
    text = b"sep=;\r\ncustomer_id;name;email\r\nC1;Ada, Example;ada@example.com\r\n;Ben;ben@example.com\r\n"
    with Warehouse.open() as wh:
        [account] = load(wh, written(tmp_path, "people.csv", text), received_at="2025-01-01")
        names = wh.rows("select source_id, name from entities.customers_versions")
        lines = wh.rows("select line_number from ops.quarantine")
    assert (account.rows_loaded, names, lines) == (1, [("C1", "Ada, Example")], [(4,)])


def test_text_of_two_bytes_a_character_that_ends_within_one_is_told_as_cut(tmp_path: Path) -> None:
    text = "customer_id,name\nC1,Ada\n".encode("utf-16")[:-1]
    with Warehouse.open() as wh, pytest.raises(FileRefused, match="Was it cut off") as refusal:
        load(wh, written(tmp_path, "people.csv", text), received_at="2025-01-01")
    assert refusal.value.reason == "truncated"


def test_header_that_is_not_utf8_is_told_with_its_remedy(tmp_path: Path) -> None:
    text = "Nummer;W\u00e4hrung;Gr\u00f6\u00dfe\n1;EUR;2\n".encode("cp1252")
    with Warehouse.open() as wh, pytest.raises(InputError, match=r"not UTF-8: say encoding="):
        load(wh, written(tmp_path, "export.csv", text), received_at="2025-01-01")


def test_name_of_the_file_decides_between_plain_layouts_that_fit_equally(tmp_path: Path) -> None:
    text = b"source_id,occurred_at,amount,currency\nR1,2024-05-02,4,EUR\n"
    with Warehouse.open() as wh:
        profiles = [
            load(wh, written(tmp_path, name, text), received_at="2025-01-01")[0].profile
            for name in ("returns.csv", "payments_2024.csv")
        ]
    assert profiles == ["plain_returns", "plain_payments"]
