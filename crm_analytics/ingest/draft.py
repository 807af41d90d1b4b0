"""What would a profile of this file look like?  For home-made systems.

`draft_profile` writes a commented TOML: a guess for every column and the reason, from its name (in nine
languages) and its values. A draft is a beginning: a person reads it, corrects it, and checks it
(`crm_analytics.ingest.check`). What stands in the file: `draft_sample`; what its columns hold:
`draft_columns`; which of our columns they fill: `draft_entities`; the wording: `draft_words`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from crm_analytics.ingest.draft_columns import seen_columns
from crm_analytics.ingest.draft_sample import sample_of
from crm_analytics.ingest.draft_words import draft_text
from crm_analytics.ingest.recognise import asked_profile
from crm_analytics.ingest.total_rows import TotalRow, TotalRows


def draft_profile(
    path: Path,
    *,
    name: str | None = None,
    source_system: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    skip_rows: int | None = None,
    part: str | None = None,
    has_header: bool | None = None,
) -> str:
    """Write a draft of a profile for a file: commented TOML with a guess for every column.

    Parameters
    ----------
    path : pathlib.Path
        The export.
    name, source_system : str, optional
        Names to write; default: the file's name.
    encoding, delimiter, skip_rows : optional
        How it is written, where it does not tell itself.
    part : str, optional
        Which table of a zip or workbook; default: the first that can be read.
    has_header : bool, optional
        Is the first line one of column names? Default: judged by what it holds, and by the kinds of values
        below it. A draft never holds values of the file: without names, columns are called by their place.

    Returns
    -------
    str
        TOML; what a person must decide is marked ``DECIDE``, what is missing ``REQUIRED``.

    Raises
    ------
    FileRefused
        The file cannot be read.
    ProfileError
        It has no such part, or no header.
    UsageError
        An option that cannot be.
    """
    asked_profile(None, encoding=encoding, delimiter=delimiter, skip_rows=skip_rows)
    sample = sample_of(
        path,
        part=part,
        encoding=encoding,
        delimiter=delimiter,
        skip_rows=skip_rows,
        has_header=has_header,
    )
    totals = _total_rows(sample.columns)
    left_out = frozenset(one.number for one in totals)
    seen = seen_columns(sample.names, sample.columns, totals=left_out)
    title = name or re.sub(r"\W+", "_", path.name.partition(".")[0]).strip("_").lower() or "export"
    return draft_text(sample, seen, totals=totals, name=title, source_system=source_system or title)


def _total_rows(columns: Sequence[Sequence[str]]) -> list[TotalRow]:
    """Return the rows that begin with a word of totals and hold nothing but numbers."""
    cells = {f"c{place}": list(column) for place, column in enumerate(columns)}
    found = TotalRows()
    found.take(pa.table({"record_number": range(1, len(columns[0]) + 1), **cells}))
    return found.rows
