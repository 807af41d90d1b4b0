"""How do tests write workbooks, archives and other exports?  Small writers, without the libraries under test.

A workbook here is what its format asks for and nothing more (ECMA-376); a test may change any of its XML.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@dataclass(frozen=True)
class ErrorCell:
    """A cell that holds an error, such as #REF!."""

    text: str


@dataclass(frozen=True)
class FormulaCell:
    """A cell with a formula and the number that was saved with it."""

    formula: str
    value: float


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Any]]],
    *,
    first_row: int = 1,
    first_column: int = 1,
    replaced: Mapping[str, str | bytes] | None = None,
    in_sheets: str = "",
) -> bytes:
    """Return a workbook; `replaced` puts other content in place of its members, None beside it stays out."""
    texts: dict[str, int] = {}
    members: dict[str, str | bytes] = {}
    for number, rows in enumerate(sheets.values(), start=1):
        body = "".join(
            f'<row r="{row}">'
            + "".join(
                _cell(_letters(column) + str(row), value, texts)
                for column, value in enumerate(values, start=first_column)
            )
            + "</row>"
            for row, values in enumerate(rows, start=first_row)
        )
        members[f"xl/worksheets/sheet{number}.xml"] = (
            f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{in_sheets}</worksheet>'
        )
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(sheets, start=1)
    )
    targets = [(f"worksheets/sheet{number}.xml", "worksheet") for number in range(1, len(sheets) + 1)]
    targets += [("sharedStrings.xml", "sharedStrings"), ("styles.xml", "styles")]
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{LINKS}/{kind}" Target="{target}"/>'
        for number, (target, kind) in enumerate(targets, start=1)
    )
    shared = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in texts)
    formats = "".join(f'<xf numFmtId="{number}"/>' for number in (0, 14, 22, 21))
    members |= {
        "[Content_Types].xml": f'{DECLARATION}<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{DECLARATION}<workbook xmlns="{MAIN}" xmlns:r="{LINKS}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">'
        f"{links}</Relationships>",
        "xl/sharedStrings.xml": f'{DECLARATION}<sst xmlns="{MAIN}">{shared}</sst>',
        "xl/styles.xml": f'{DECLARATION}<styleSheet xmlns="{MAIN}"><cellXfs>{formats}</cellXfs></styleSheet>',
    }
    return archive(members | dict(replaced or {}))


def archive(members: Mapping[str, str | bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name, (2024, 2, 6, 0, 0, 0)), content, method)
    return packed.getvalue()


def written(folder: Path, name: str, content: bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content)
    return path


def _cell(place: str, value: Any, texts: dict[str, int]) -> str:
    if value is None:
        return ""
    if isinstance(value, ErrorCell):
        return f'<c r="{place}" t="e"><f>A1</f><v>{value.text}</v></c>'
    if isinstance(value, FormulaCell):
        return f'<c r="{place}"><f>{escape(value.formula)}</f><v>{value.value}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        return f'<c r="{place}" s="2"><v>{_serial(value)}</v></c>'
    if isinstance(value, date):
        return f'<c r="{place}" s="1"><v>{int(_serial(datetime.combine(value, datetime.min.time())))}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    return f'<c r="{place}" t="s"><v>{texts.setdefault(str(value), len(texts))}</v></c>'


def _serial(moment: datetime) -> float:
    return (moment - datetime.fromisoformat("1899-12-30")).total_seconds() / 86_400


def _letters(column: int) -> str:
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name
