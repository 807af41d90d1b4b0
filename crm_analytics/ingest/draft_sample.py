"""What stands in a file of unknown layout: how it is written, its column names and its first records?

Nothing is judged but what must be known to read it: the part, the encoding, the delimiter, and whether the
first line is one of names. Counts are of records; texts are as in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.kinds import BYTE_ORDER_MARKS
from crm_analytics.ingest.look import look_at
from crm_analytics.ingest.options import option
from crm_analytics.ingest.profile import WHITESPACE, Dialect
from crm_analytics.ingest.readers import Headers, headers, read
from crm_analytics.ingest.recognise import is_header
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.source import open_source

SAMPLE = 2_000
_ENCODING_BYTES = 1 << 16
# Kinds of values that a line of names does not have, and how many columns of them tell that it is one.
_TYPED, _MANY_TYPED = ("date", "number", "email", "phone"), 2


@dataclass(frozen=True)
class Sample:
    """The beginning of a file.

    Attributes
    ----------
    part : Part
        The table of the file.
    dialect : Dialect
        How it is written, where a profile has to say so; its header where the file has none.
    split_by : str
        The delimiter that was found; empty where the kind of file has none.
    headers : list of (str, tuple of str)
        The first line by each delimiter that splits it.
    names : tuple of str
        The names of the columns; by their place (``column_1``) where the file has none.
    columns : tuple of sequence of str
        The texts of each column, of the first records.
    record_count : int
        How many records those are, `SAMPLE` at the most.
    """

    part: Part
    dialect: Dialect
    split_by: str
    headers: Headers
    names: tuple[str, ...]
    columns: tuple[Sequence[str], ...]
    record_count: int


def sample_of(
    path: Path,
    *,
    part: str | None,
    encoding: str | None,
    delimiter: str | None,
    skip_rows: int | None,
    has_header: bool | None,
) -> Sample:
    """Read the beginning of a file; the parameters and errors are those of `draft_profile`."""
    chosen = _part(path, part)
    dialect = Dialect(
        encoding=encoding or _encoding_of(chosen), delimiter=delimiter, skip_rows=skip_rows or 0
    )
    found = [one for one in headers(chosen, dialect) if one[0] != WHITESPACE or delimiter == WHITESPACE]
    split_by, names = max(found, key=lambda one: len(one[1]), default=("", ()))
    if not any(names):
        raise ProfileError(
            f"{chosen.name}: no header was found. Say {option('skip_rows')} or {option('delimiter')}."
        )
    read_as = replace(dialect, delimiter=split_by or None)
    columns, count = _first_records(chosen, read_as, len(names))
    if not _has_names(chosen, names, columns, has_header):
        if chosen.kind != "text":
            raise ProfileError(
                f"{chosen.name}: the first row seems to hold values, no column names. Put a row of names "
                "above it, or say has_header=True (--header) if it is one."
            )
        names = tuple(f"column_{place}" for place in range(1, len(names) + 1))
        dialect, read_as = replace(dialect, header=names), replace(read_as, header=names)
        columns, count = _first_records(chosen, read_as, len(names))
    return Sample(chosen, dialect, split_by, found, names, columns, count)


def _has_names(
    part: Part, names: Sequence[str], columns: Sequence[Sequence[str]], has_header: bool | None
) -> bool:
    """Is the first line one of names?  What the caller says holds; else what it says, or stands below it."""
    if has_header is not None:
        return has_header
    return part.kind not in ("text", "workbook") or is_header(names) or _differs_below(names, columns)


def _differs_below(header: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Is a first line of unknown words one of names?  Then what stands below it is of other kinds.

    All its cells are different words without digits, and below two of them at least there are none.
    """
    names = [name.strip() for name in header]
    if len(set(names)) < len(names) or any(not name or any(map(str.isdigit, name)) for name in names):
        return False
    if any(look_at([name]).kind != "text" for name in names):
        return False
    return sum(look_at(column).kind in _TYPED for column in columns) >= _MANY_TYPED


def _part(path: Path, name: str | None) -> Part:
    parts = open_source(path)
    for one in parts:
        if isinstance(one, Part) and name in (None, one.name, one.member):
            return one
    for one in parts:
        if isinstance(one, FileRefused) and name is None:
            raise one
    names = ", ".join(one.member or one.name for one in parts if isinstance(one, Part))
    raise ProfileError(f"{path.name}: it has no part {name!r}. Parts: {names}.")


def _encoding_of(part: Part) -> str | None:
    """Return a guess at the encoding of a text that is not UTF-8; None where nothing speaks against it."""
    if part.kind != "text":
        return None
    data = b""
    for piece, _ in part.chunks():
        data += piece
        if len(data) > _ENCODING_BYTES:
            break
    data = data[:_ENCODING_BYTES]
    if data.startswith(tuple(BYTE_ORDER_MARKS)):
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > len(data) - 4:
            return None
    else:
        return None
    foreign = [one for one in data.decode("cp1256", "replace") if ord(one) > 127]
    arabic = sum("\u0600" <= one <= "\u06ff" for one in foreign)
    # Latin texts have one foreign letter here and there, Arabic and Persian words are made of them.
    return "cp1256" if arabic > 0.6 * len(foreign) and arabic > 0.1 * len(data) else "cp1252"


def _first_records(part: Part, dialect: Dialect, width: int) -> tuple[tuple[Sequence[str], ...], int]:
    """Return the texts of the first records, by column, and how many records there were."""
    texts: tuple[list[str], ...] = tuple([] for _ in range(width))
    count = 0
    for block in read(part, dialect).blocks():
        some = block.cells.slice(0, SAMPLE - count)
        for place, column in enumerate(texts):
            column += [text or "" for text in some[f"c{place}"].to_pylist()]
        count += some.num_rows
        if count >= SAMPLE:
            break
    return texts, count
