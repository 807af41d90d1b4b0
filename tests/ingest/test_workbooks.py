"""Do the cells of a workbook come out as exact text, and is a hostile workbook harmless?"""

from __future__ import annotations

import json
import struct
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import FileRefused
from crm_analytics.ingest import workbook_check
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.readers import headers, read
from crm_analytics.ingest.records import Block, Part
from crm_analytics.ingest.source import open_source
from tests.ingest.export_files import DECLARATION, MAIN, ErrorCell, FormulaCell, archive, workbook, written


def parts(folder: Path, content: bytes, name: str = "book.xlsx") -> list[Part]:
    found = open_source(written(folder, name, content))
    assert all(isinstance(part, Part) for part in found)
    return [part for part in found if isinstance(part, Part)]


def blocks(part: Part, **dialect: Any) -> list[Block]:
    return list(read(part, Dialect(**dialect)).blocks())


def cells(part: Part, **dialect: Any) -> list[tuple[str | None, ...]]:
    return [
        tuple(value for name, value in row.items() if name != "record_number")
        for block in blocks(part, **dialect)
        for row in block.cells.to_pylist()
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('  Mug, 12" ', '  Mug, 12" '),
        ("00123", "00123"),
        ("2024-02-06", "2024-02-06"),
        (7, "7"),
        (7.0, "7"),
        (-0.5, "-0.5"),
        (12.3, "12.3"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-7, "0.0000001"),
        (123456789012345, "123456789012345"),
        (12345678901234567, "1.23456789012346e+16"),
        (date(2024, 2, 6), "2024-02-06"),
        (date(1900, 2, 28), "1900-02-28"),
        (datetime(2024, 2, 6, 10, 5, 7), "2024-02-06 10:05:07"),  # noqa: DTZ001
        (True, "true"),
        (False, "false"),
        (FormulaCell("1+2", 3), "3"),
        (ErrorCell("#REF!"), "#REF!"),
        (ErrorCell("#N/A"), "#N/A"),
        ("علی کریمی", "علی کریمی"),
    ],
)
def test_cells_are_exact_text(tmp_path: Path, value: object, text: str) -> None:
    [part] = parts(tmp_path, workbook({"Sheet1": [["id", "value"], ["C1", value]]}))
    assert part.name == "book.xlsx/Sheet1"
    assert headers(part, Dialect()) == [("", ("id", "value"))]
    assert cells(part) == [("C1", text)]


def test_numbers_have_the_decimal_mark_of_the_dialect(tmp_path: Path) -> None:
    [part] = parts(tmp_path, workbook({"S": [["typed", "text"], [12.5, "12,5"]]}))
    assert cells(part, decimal=",") == [("12,5", "12,5")]


def test_each_sheet_that_holds_something_is_a_part_and_empty_ones_are_told(tmp_path: Path) -> None:
    content = workbook(
        {"Cover": [], "People": [["id"], ["C1"]], "Orders": [["id"], ["O1"]], "Notes": [[None]]}
    )
    people, orders = parts(tmp_path, content)
    assert (people.name, orders.name) == ("book.xlsx/People", "book.xlsx/Orders")
    assert people.sha256 != orders.sha256
    assert people.notes == (
        ("empty_sheet", "sheet 'Cover' is empty and was passed over"),
        ("empty_sheet", "sheet 'Notes' is empty and was passed over"),
    )
    assert (cells(orders), cells(people), cells(orders)) == ([("O1",)], [("C1",)], [("O1",)])


def test_a_workbook_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="no sheet of the workbook holds anything") as refusal:
        parts(tmp_path, workbook({"Sheet1": []}))
    assert refusal.value.reason == "empty_file"


def test_a_table_may_stand_anywhere_and_blank_rows_are_no_records(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["id", "name"],
        ["C1", "Ada"],
        [None, None],
        [" ", None],
        ["C2", ErrorCell("#NAME?")],
    ]
    [part] = parts(tmp_path, workbook({"S": rows}, first_row=5, first_column=3))
    [block] = blocks(part)
    assert cells(part) == [("C1", "Ada"), ("C2", "#NAME?")]
    assert block.place(1) == (9, 0, b'{"id": "C2", "name": "#NAME?"}')


def test_the_header_is_found_as_in_csv(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Sales report"],
        ["as of", date(2024, 2, 6)],
        [None],
        ["id ", " name", None],
        ["C1", "Ada", None],
    ]
    [part] = parts(tmp_path, workbook({"S": rows}))
    assert headers(part, Dialect(skip_rows=2)) == [("", ("id", "name"))]
    assert cells(part, skip_rows=2) == [("C1", "Ada")]
    assert cells(part, skip_rows=4, header=("id", "name")) == [("C1", "Ada")]


def test_a_row_wider_than_the_header_is_set_aside_with_all_its_cells(tmp_path: Path) -> None:
    [part] = parts(tmp_path, workbook({"S": [["id", "name"], ["C1", "Ada", None, "note"], ["C2", "Bob"]]}))
    [block] = blocks(part)
    [broken] = block.broken
    assert (broken.number, broken.line, broken.reason) == (1, 2, "too_many_fields")
    assert list(json.loads(broken.raw).values()) == ["C1", "Ada", "", "note"]
    assert block.cells["record_number"].to_pylist() == [2]


def test_merged_areas_are_told_and_speak_once(tmp_path: Path) -> None:
    content = workbook(
        {"S": [["id", "name"], ["C1", "Ada"], [None, "Bob"]]},
        in_sheets='<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>',
    )
    [part] = parts(tmp_path, content)
    assert part.notes == (
        ("merged_cells", "1 merged areas: each speaks in its first cell, its other cells are empty"),
    )
    assert cells(part) == [("C1", "Ada"), ("", "Bob")]


def test_hidden_sheets_and_rows_are_read_and_told(tmp_path: Path) -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row>'
    rows += '<row r="2" spans="1:1" hidden="1"><c r="A2"><v>2</v></c></row>'
    hidden = (
        f'{DECLARATION}<workbook xmlns="{MAIN}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships"><sheets><sheet name="S" sheetId="1" state="hidden" r:id="rId1"/></sheets></workbook>'
    )
    sheet_told = f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    content = workbook({"S": [["id"], ["C1"]]}, replaced={"xl/workbook.xml": hidden, SHEET: sheet_told})
    [part] = parts(tmp_path, content)
    assert [note for note, _ in part.notes] == ["hidden_sheet", "hidden_rows"]
    assert part.notes[1][1].startswith("1 rows are hidden")
    assert cells(part) == [("2",)]


def test_a_workbook_under_another_name_is_read_and_told(tmp_path: Path) -> None:
    [part] = parts(tmp_path, workbook({"S": [["id"], ["C1"]]}), "orders.csv")
    [(issue, sentence)] = part.notes
    assert issue == "ending_differs"
    assert "'.csv' and the bytes are an Excel workbook" in sentence


def test_blocks_are_of_bounded_size_and_can_be_had_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_analytics.ingest.row_blocks.BLOCK_ROWS", 2)
    [part] = parts(tmp_path, workbook({"S": [["id"], *([f"C{number}"] for number in range(5))]}))
    delivery = read(part, Dialect())
    for _ in range(2):
        found = list(delivery.blocks())
        assert [block.record_count for block in found] == [2, 2, 1]
        assert [block.cells["record_number"].to_pylist() for block in found] == [[1, 2], [3, 4], [5]]
    assert found[-1].read_bytes == part.size


SHEET = "xl/worksheets/sheet1.xml"


def sheet(cell: str) -> str:
    return (
        f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData><row r="1">{cell}</row></sheetData></worksheet>'
    )


def shared(text: str) -> str:
    return f'{DECLARATION}<sst xmlns="{MAIN}"><si><t>{text}</t></si></sst>'


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({SHEET: sheet('<c r="A1"><v>1</v></c><c r="XFD1048576"><v>1</v></c>')}, "file_too_large"),
        ({SHEET: sheet("<c r = 'A1'><v>1</v></c><c\n r = 'XFD1048576'><v>1</v></c>")}, "file_too_large"),
        (
            {
                SHEET: sheet('<c r="A1"><v>1</v></c>' + '<c t="s"><v>0</v></c>' * 3000),
                "xl/sharedStrings.xml": shared("x" * 100_000),
            },
            "file_too_large",
        ),
        (
            {
                SHEET: sheet('<c r="A1" t="s"><!-- --><v>0</v></c>' * 3000),
                "xl/sharedStrings.xml": shared("x" * 100_000),
            },
            "file_too_large",
        ),
        ({SHEET: '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + sheet('<c r="A1"><v>1</v></c>')}, "unsafe_xml"),
        ({"xl/sharedStrings.xml": '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + shared("&a;")}, "unsafe_xml"),
        ({"xl/workbook.xml": '<!DOCTYPE x [<!ENTITY a "aaaa">]><workbook/>'}, "unsafe_xml"),
        ({SHEET: sheet('<c r="A1"><v>1</v></c>').encode("utf-16")}, "unsafe_xml"),
        ({SHEET: b" " * (60 * 1024 * 1024)}, "expansion_limit"),
        ({SHEET: b"<worksheet><sheetData><row><c r='A1'><v>1"}, "corrupt"),
        ({"xl/workbook.xml": "<workbook"}, "corrupt"),
        ({"xl/_rels/workbook.xml.rels": "<Relationships/>"}, "corrupt"),
        ({"xl/workbook.xml": '<?xml version="1.0" encoding="UTF-9"?><workbook/>'}, "corrupt"),
        ({"xl/_rels/workbook.xml.rels": b"\x00\x01"}, "unsafe_xml"),
        ({"xl/sharedStrings.xml": "<sst><si>"}, "corrupt"),
    ],
    ids=[
        "two cells far apart",
        "other spelling",
        "one text many times",
        "hidden by comments",
        "document type",
        "entities in texts",
        "entities in the workbook",
        "utf-16",
        "blanks",
        "cut sheet",
        "cut workbook",
        "no sheet where one is told",
        "unknown encoding",
        "noise",
        "cut texts",
    ],
)
def test_a_hostile_workbook_is_refused(tmp_path: Path, replaced: dict[str, str | bytes], reason: str) -> None:
    with pytest.raises(FileRefused) as refusal:
        for part in parts(tmp_path, workbook({"S": [["id"], ["C1"]]}, replaced=replaced)):
            blocks(part)
    assert refusal.value.reason == reason


def test_errors_beyond_counting_refuse_the_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_check, "MAX_ERRORS", 2)
    with pytest.raises(FileRefused, match="more than 2 cells hold errors"):
        parts(tmp_path, workbook({"S": [["id"], *[[ErrorCell("#REF!")]] * 3]}))


def test_the_patterns_find_cells_across_pieces_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[list[Any]] = [["id", "a", "b"], *([f"C{row}", ErrorCell("#REF!"), "x"] for row in range(40))]
    for size in (64, 97, 1000):
        monkeypatch.setattr("crm_analytics.ingest.archive._CHUNK", size)
        [part] = parts(tmp_path, workbook({"S": rows}))
        assert {row[1] for row in cells(part)} == {"#REF!"}
        facts = part.book.facts["S"]  # type: ignore[attr-defined]
        assert (facts.rows, facts.columns, len(facts.errors)) == (41, 3, 40)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"word/document.xml": "<x/>", "[Content_Types].xml": "<x/>"}, "this is a Word document"),
        ({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}, r"\.ods"),
        ({"xl/workbook.bin": b"\x83\x01", "[Content_Types].xml": "<x/>"}, r"\.xlsb.* Save it as \.xlsx"),
        ({"readme.md": "x"}, "no member of the archive is an export"),
    ],
)
def test_a_zip_of_something_else_is_named(
    tmp_path: Path, members: dict[str, str | bytes], words: str
) -> None:
    with pytest.raises(FileRefused, match=words) as refusal:
        parts(tmp_path, archive(members))
    assert refusal.value.reason == "not_a_table"


@pytest.mark.parametrize(
    ("directory", "words"),
    [
        ("Workbook", "an old Excel or Word file. Open it and save it as .xlsx"),
        ("EncryptedPackage", "protected by a password. Take the password off"),
    ],
)
def test_old_and_locked_workbooks_are_named(tmp_path: Path, directory: str, words: str) -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + directory.encode("utf-16-le") + bytes(500)
    with pytest.raises(FileRefused, match=words):
        parts(tmp_path, content)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
def test_a_truncated_workbook_is_refused(tmp_path: Path, kept: float) -> None:
    content = workbook({"S": [["id"], *([f"C{number}"] for number in range(200))]})
    with pytest.raises(FileRefused, match=r"not whole|damaged"):
        parts(tmp_path, content[: int(len(content) * kept)])


def test_a_workbook_packed_in_a_way_that_is_not_read_is_refused(tmp_path: Path) -> None:
    content = bytearray(workbook({"S": [["id"], ["C1"]]}))
    struct.pack_into("<H", content, content.index(b"PK\x01\x02") + 10, 93)
    with pytest.raises(FileRefused, match="packed bytes are damaged"):
        parts(tmp_path, bytes(content))


def test_formula_that_was_never_calculated_is_told_and_breaks_a_required_cell(tmp_path: Path) -> None:
    def text(place: str, told: str) -> str:
        return f'<c r="{place}" t="inlineStr"><is><t>{told}</t></is></c>'

    rows = [
        text("A1", "customer_id") + text("B1", "name") + text("C1", "country"),
        text("A2", "C1") + '<c r="B2"><f>A2&amp;"x"</f><v /></c><c r="C2" t="str"><f>""</f><v></v></c>',
        '<c r="A3"><f>A2+1</f><v></v></c>' + text("B3", "Ada Example"),
        text("A4", "C3") + '<c r="B4" t="str"><f>A4</f><v>Ben Example</v></c><c r="C4"><f>A9</f></c>',
    ]
    body = "".join(f'<row r="{number}">{row}</row>' for number, row in enumerate(rows, start=1))
    sheet = f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
    content = workbook({"S": [["customer_id"]]}, replaced={"xl/worksheets/sheet1.xml": sheet})
    with Warehouse.open() as wh:
        [account] = load(wh, written(tmp_path, "book.xlsx", content), received_at="2025-01-01")
        names = wh.rows("select source_id, name from entities.customers_versions order by source_id")
        [(advice,)] = wh.rows("select message from ops.quarantine")
    told = {one.issue: one.detail for one in account.issues}
    assert told["uncalculated_formula"].startswith("3 formulas were never calculated, first B2")
    assert account.reasons == {"formula_without_value": 1}
    assert "a formula that was never calculated" in advice
    assert "save it there" in advice
    assert names == [("C1", None), ("C3", "Ben Example")]
