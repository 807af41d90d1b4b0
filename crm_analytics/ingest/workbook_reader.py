"""What do the rows of an Excel sheet say, as exact text?  Each sheet that holds something is a table.

The header is the first row with a value (after `skip_rows`), as in CSV; columns left of the first value do
not count. Whole numbers have no ".0", dates are ISO (with a time only where the cell has one), booleans are
true and false, formulas give the value that was saved (where none was, it is told), an error stays its own
text (#REF!) for the mapping to refuse. A merged area speaks in its first cell only, and is told. A number
of 16 digits and more is written in scientific notation, since a spreadsheet has cut it: as an id it is
refused. A record that is set aside is kept as one line of JSON. Numbers as they are displayed (currency
signs, leading zeros of a format) are not in the values. Format: ECMA-376, read by python-calamine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.archive import Limit, label, opener
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.records import Delivery, Part
from crm_analytics.ingest.row_blocks import Row, blocks_of, check_width, number_text, record_line
from crm_analytics.ingest.workbook_check import SheetFacts, checked_sheets
from crm_analytics.normalise.cell_errors import UNCALCULATED

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

# Spreadsheets keep 15 digits of a number.
_CUT = 10**15


class Workbook:
    """A workbook that was checked; holds one sheet at a time."""

    def __init__(self, file: str, opened: Callable[[], IO[bytes]], limit: Limit) -> None:
        self.file = file
        self.facts = checked_sheets(file, opened, limit)
        self._opened = opened
        self._held: tuple[str, CalamineSheet] | None = None

    def sheet(self, name: str) -> CalamineSheet:
        """Return a sheet, which takes the place of the one that was held."""
        if self._held is None or self._held[0] != name:
            from python_calamine import CalamineWorkbook

            self._held = None
            with _library(self.file), self._opened() as handle:
                self._held = name, CalamineWorkbook.from_filelike(handle).get_sheet_by_name(name)
        return self._held[1]


@dataclass(frozen=True, kw_only=True)
class SheetPart(Part):
    """One sheet of a workbook; the bytes of the part are those of the workbook."""

    book: Workbook


def sheet_parts(whole: Part, limit: Limit) -> list[Part]:
    """Return the sheets of a workbook that hold something.

    Parameters
    ----------
    whole : Part
        The workbook as a file or as a member of an archive.
    limit : callable
        Compressed bytes -> how many uncompressed ones they may become.

    Raises
    ------
    FileRefused
        ``empty_file`` when no sheet holds anything; what `checked_sheets` refuses.
    """
    book = Workbook(whole.name, opener(whole), limit)
    empty = tuple(
        ("empty_sheet", f"sheet {label(name)!r} is empty and was passed over")
        for name, facts in book.facts.items()
        if not facts.has_values
    )
    parts: list[Part] = []
    for name, facts in book.facts.items():
        if not facts.has_values:
            continue
        parts.append(
            SheetPart(
                name=f"{whole.name}/{label(name)}",
                path=whole.path,
                sha256=hashlib.sha256(f"{whole.sha256}/{name}".encode()).hexdigest(),
                kind="workbook",
                size=whole.size,
                chunks=whole.chunks,
                member=name,
                notes=(whole.notes + empty if not parts else ())
                + _merged(facts)
                + _uncalculated(facts)
                + _hidden(name, facts),
                book=book,
            )
        )
    if not parts:
        raise FileRefused(
            f"{whole.name}: no sheet of the workbook holds anything. Export it again.",
            file=whole.name,
            reason="empty_file",
        )
    return parts


def sheet_headers(part: Part, dialect: Dialect) -> list[tuple[str, tuple[str, ...]]]:
    """Return the header of a sheet."""
    return [("", _header(part, dialect)[0])]


def read_sheet(part: Part, dialect: Dialect) -> Delivery:
    """Return the delivery of a sheet."""
    header, first = _header(part, dialect)
    check_width(part.name, len(header))
    return Delivery(part.name, header, lambda: blocks_of(_records(part, dialect, header, first), len(header)))


def _header(part: Part, dialect: Dialect) -> tuple[tuple[str, ...], int]:
    """Return the names, and the number of the row after them."""
    if dialect.header is not None:
        return dialect.header, dialect.skip_rows + 1
    for number, cells in _rows(part, dialect):
        if number > dialect.skip_rows and any(cell.strip() for cell in cells):
            names = [cell.strip("\ufeff \t\xa0") for cell in cells]
            while not names[-1]:
                names.pop()
            return tuple(names), number + 1
    return (), 1


def _records(part: Part, dialect: Dialect, header: tuple[str, ...], first: int) -> Iterator[tuple[Row, int]]:
    height = max(_book(part).facts[part.member].rows, 1)
    width = len(header)
    for number, cells in _rows(part, dialect):
        if number < first or not any(cell and not cell.isspace() for cell in cells):
            continue
        told, beyond = cells[:width], cells[width:]
        told += [""] * (width - len(told))
        read = min(part.size, part.size * number // height)
        if any(cell and not cell.isspace() for cell in beyond):
            raw = partial(record_line, (*header, *[""] * len(beyond)), told + beyond)
            yield Row(number, 0, raw, (), "too_many_fields"), read
        else:
            yield Row(number, 0, partial(record_line, header, told), told), read


def _rows(part: Part, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield every row of the sheet with its number, blank ones too."""
    book = _book(part)
    sheet = book.sheet(part.member)
    errors: dict[int, dict[int, str]] = {}
    left = sheet.start[1] if sheet.start is not None else 0
    for (row, column), text in book.facts[part.member].errors.items():
        errors.setdefault(row, {})[column - left] = text
    with _library(part.name):
        for index, row_cells in enumerate(sheet.iter_rows()):
            cells = [cell if type(cell) is str else _text(cell, dialect.decimal) for cell in row_cells]
            for column, text in errors.get(index, {}).items():
                # cells without a value may lie beyond those that hold one
                cells += [""] * (column + 1 - len(cells))
                if column >= 0:
                    cells[column] = text
            yield index + 1, cells


def _text(cell: Any, decimal: str) -> str:
    """Return the exact text of a cell that holds no text."""
    kind = type(cell)
    if kind is float or kind is int:
        if abs(cell) >= _CUT:
            return f"{cell:.15g}" if kind is float else f"{cell:.14e}"
        return str(int(cell)) if cell == int(cell) else number_text(repr(cell), decimal)
    if kind is bool:
        return "true" if cell else "false"
    if kind is datetime:
        return str(cell.isoformat(" "))
    if kind is date or kind is time:
        return str(cell.isoformat())
    if kind is timedelta:
        seconds = cell.days * 86_400 + cell.seconds
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return str(cell)


def _book(part: Part) -> Workbook:
    if not isinstance(part, SheetPart):
        raise FileRefused(f"{part.name}: no sheet of a workbook.", file=part.name, reason="not_a_table")
    return part.book


def _merged(facts: SheetFacts) -> tuple[tuple[str, str], ...]:
    if not facts.merged:
        return ()
    text = f"{facts.merged:,} merged areas: each speaks in its first cell, its other cells are empty"
    return (("merged_cells", text),)


def _hidden(name: str, facts: SheetFacts) -> tuple[tuple[str, str], ...]:
    """Tell what a person who opens the workbook does not see; it is read like all else."""
    told = []
    if facts.is_hidden:
        text = f"sheet {label(name)!r} is hidden in the workbook, and is read like any other"
        told.append(("hidden_sheet", text))
    if facts.hidden_rows:
        text = f"{facts.hidden_rows:,} rows are hidden in the sheet, and are read like any other"
        told.append(("hidden_rows", text))
    return tuple(told)


def _uncalculated(facts: SheetFacts) -> tuple[tuple[str, str], ...]:
    places = [place for place, text in facts.errors.items() if text == UNCALCULATED]
    if not places:
        return ()
    row, column = min(places)
    letters, rest = "", column + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(65 + letter) + letters
    text = (
        f"{len(places):,} formulas were never calculated, first {letters}{row + 1}: the file holds no value "
        "of them. Open it in a spreadsheet program and save it"
    )
    return (("uncalculated_formula", text),)


@contextmanager
def _library(file: str) -> Iterator[None]:
    """Turn what the library raises into ours; a panic of its native code is no ordinary exception."""
    from python_calamine import CalamineError

    try:
        yield
    except (CalamineError, OSError, ValueError, OverflowError) as error:
        raise _damaged(file) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(file) from None


def _damaged(file: str) -> FileRefused:
    return FileRefused(
        f"{file}: the workbook is damaged, or of a kind that cannot be read. Save it again as .xlsx.",
        file=file,
        reason="corrupt",
    )
