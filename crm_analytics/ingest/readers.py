"""Which reader reads which kind of file?  Each returns every record exactly once, as text or as broken.

A reader is two functions: `headers` (the header as each possible delimiter splits it, for recognising the
layout) and `read` (the delivery). Nothing is converted here. A new kind of file is one more line in
``READERS``, its magic bytes and endings in `kinds`, and a writer in the contract test of the readers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from crm_analytics.ingest.json_reader import json_headers, read_json
from crm_analytics.ingest.parquet_reader import parquet_headers, read_parquet
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.records import Delivery, Part
from crm_analytics.ingest.text_reader import read_text, text_headers
from crm_analytics.ingest.workbook_reader import read_sheet, sheet_headers

# The header as each delimiter would split it: (delimiter, names); a kind without delimiters says "".
Headers = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Reader:
    """How one kind of file is read."""

    headers: Callable[[Part, Dialect], Headers]
    read: Callable[[Part, Dialect], Delivery]


def headers(part: Part, dialect: Dialect) -> Headers:
    """Return the header of a part as each possible delimiter splits it."""
    return READERS[part.kind].headers(part, dialect)


def read(part: Part, dialect: Dialect) -> Delivery:
    """Return the delivery of a part, read with the reader of its kind."""
    return READERS[part.kind].read(part, dialect)


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "text": Reader(text_headers, read_text),
        "json": Reader(json_headers, read_json),
        "ndjson": Reader(json_headers, read_json),
        "parquet": Reader(parquet_headers, read_parquet),
        "workbook": Reader(sheet_headers, read_sheet),
    }
)
