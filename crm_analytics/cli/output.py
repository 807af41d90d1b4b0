"""How does a result look on a terminal, and how does a machine get it?  Tables, JSON, error blocks.

Values come from outside: markup is off, and control characters (terminal escapes, line breaks, signs
that reverse the direction of text) are shown as ``\\x1b`` and the like, never sent to the terminal.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

_SILENT_SECONDS = 1.0
_FILE_WIDTH = 160  # when nobody is watching, a table need not fit a window


class OnStep(Protocol):
    """Called with the name of each step as it begins."""

    def __call__(self, name: str, /) -> None: ...


def safe(value: object) -> str:
    r"""Return `value` as text that cannot act on a terminal.

    Examples
    --------
    >>> print(safe("a\x1b[2Jb\nc"), safe(None), safe(0.25))
    a\x1b[2Jb\nc  0.25
    """
    if value is None:
        return ""
    return "".join(char.encode("unicode_escape").decode() if _acts(char) else char for char in str(value))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, note: str = ""
) -> None:
    """Print rows under their column names; what looks like a number is set to the right."""
    table = Table(title=Text(safe(title)), title_justify="left", header_style="bold", title_style="bold")
    console, names = _console(), [safe(name) for name in columns]
    cells = [[safe(value) for value in row] for row in rows]
    widths = (max(map(len, column)) for column in zip(names, *cells, strict=True))
    if sum(width + 3 for width in widths) >= console.width:  # long names break at their underscores first
        names = [name.replace("_", "_\n") for name in names]
    for number, name in enumerate(names):
        right = any(_looks_like_number(row[number]) for row in rows)
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for line in cells:
        table.add_row(*map(Text, line))
    console.print(table)
    if note:
        console.print(Text(safe(note)))


def print_frame(
    title: str, frame: pd.DataFrame, *, as_json: bool, limit: int, columns: Sequence[str] | None = None
) -> None:
    """Print a result: all of it as JSON, or the first `limit` rows (of those `columns`) as a table."""
    if as_json:
        print_json(_records(frame))
        return
    shown = frame[list(columns or frame.columns)].head(limit)
    rows = [[cell(value) for value in row] for row in shown.itertuples(index=False)]
    left_out = len(frame) - len(shown)
    note = f"{left_out:,} more rows; --limit shows more, --json all" if left_out else ""
    print_table(f"{title}: {len(frame):,} rows", list(shown.columns), rows, note=note)


def print_json(value: Any) -> None:
    """Write one JSON document to standard output; missing and not finite numbers are null."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=True, allow_nan=False, indent=1) + "\n")


def print_lines(*lines: str) -> None:
    """Print plain lines to standard output."""
    for line in lines:
        _console().print(Text(safe(line)), soft_wrap=True)


def print_text(text: str) -> None:
    """Write a text as it is to standard output, for a file."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def print_error(title: str, message: str) -> None:
    """Print one readable block to standard error."""
    Console(stderr=True, markup=False, highlight=False, emoji=False).print(
        Panel(Text(_listed(message)), title=Text(safe(title)), title_align="left", border_style="red")
    )


def _listed(message: str) -> str:
    """Make a message safe, and leave the line breaks of a list of problems in it."""
    return "\n  - ".join(safe(part) for part in message.split("\n  - "))


@contextmanager
def progress(total: int, title: str) -> Iterator[OnStep]:
    """Show a progress bar on standard error while the block runs; yields what each step calls."""
    bar = _bar(MofNCompleteColumn())
    with bar:
        task = bar.add_task(title, total=total)
        started = 0

        def on_step(name: str, /) -> None:
            nonlocal started
            bar.update(task, completed=started, description=f"{title}: {safe(name)}")
            started += 1

        yield on_step


@contextmanager
def byte_progress(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how much of each file is read, on standard error, once the work takes more than a second.

    Yields what `crm_analytics.load` calls: name of the file, bytes read so far, bytes in all.
    """
    bar = _bar(DownloadColumn())
    task = bar.add_task(title)
    began = monotonic()

    def on_bytes(file: str, done: int, total: int) -> None:
        stage = "storing" if done >= total else title
        bar.update(task, completed=done, total=total, description=f"{stage}: {safe(file)}")
        if not bar.live.is_started and monotonic() - began > _SILENT_SECONDS:
            bar.start()

    try:
        yield on_bytes
    finally:
        bar.stop()


def _bar(measure: ProgressColumn) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        measure,
        TimeElapsedColumn(),
        console=Console(stderr=True, markup=False, highlight=False, emoji=False),
        transient=True,
    )


def number(value: object, digits: int = 0) -> str:
    """Format a number with thousands separators; missing becomes an en dash.

    Examples
    --------
    >>> number(12345.678, 1), number(float("nan"))
    ('12,345.7', '–')
    """
    return "–" if not _is_known(value) else f"{float(str(value)):,.{digits}f}"


def exact(value: Decimal) -> str:
    """Format an exact number without the zeros that follow it.

    Examples
    --------
    >>> exact(Decimal("1234.5000")), exact(Decimal("-120.0000"))
    ('1,234.5', '-120')
    """
    whole, _, rest = f"{value:,f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}.{rest}" if rest else whole


def percent(value: object, digits: int = 1) -> str:
    """Format a fraction as per cent; missing becomes an en dash."""
    return "–" if not _is_known(value) else f"{float(str(value)):.{digits}%}"


def _acts(char: str) -> bool:
    """Tell whether a character does something; the joiners that Persian and emoji are written with stay."""
    return unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in "\u200c\u200d"


def _is_known(value: object) -> bool:
    if value is None:
        return False
    if isinstance(value, Decimal):
        return value.is_finite()
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False


def _console() -> Console:
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_FILE_WIDTH)
    return console


def _looks_like_number(value: object) -> bool:
    text = str(value).strip()
    return (
        bool(text)
        and text[0] in "-0123456789"
        and text.replace(",", "").rstrip("%").lstrip("-")[:1].isdigit()
    )


def cell(value: object) -> str:
    """Return a value as a table shows it: four decimals, and an en dash for what is missing."""
    if isinstance(value, float):
        return number(value, 4)
    if isinstance(value, Decimal):
        return exact(value)
    if isinstance(value, datetime) and value.tzinfo is None and value == datetime.combine(value, time()):
        return value.date().isoformat()  # a day, which pandas holds as its midnight
    return "–" if not isinstance(value, str) and str(value) in ("<NA>", "NaT", "None", "nan") else str(value)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    names = list(frame.columns)
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def plain(value: Any) -> Any:
    """Turn what a result holds into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, date):
        return value.isoformat() if str(value) != "NaT" else None
    if isinstance(value, Decimal | Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy
        return plain(value.tolist())
    return value if isinstance(value, float) and math.isfinite(value) else None
