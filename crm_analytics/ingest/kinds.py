"""What kind of file do these bytes begin?  Magic bytes and first characters decide, never the ending.

The magic numbers are those of each format's own specification; text that begins as JSON does is JSON
(RFC 8259) or, when its lines are objects of their own, NDJSON; all other text is taken for delimited.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from crm_analytics.errors import FileRefused

# How much of the beginning `kind_of` wants to see.
START_BYTES = 64 * 1024
_LOOKED_AT_LINES = 100

ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "text": (".csv", ".tsv", ".txt"),
        "json": (".json",),
        "ndjson": (".ndjson", ".jsonl"),
        "parquet": (".parquet",),
        "workbook": (".xlsx", ".xlsm"),
        "zip": (".zip",),
        "gzip": (".gz",),
        # refused, but with a word: they look like exports
        "old workbook": (".xls", ".xlsb", ".ods"),
    }
)
# Files of a folder, and members of an archive, that are taken for exports.
SUFFIXES = tuple(sorted(ending for endings in ENDINGS.values() for ending in endings))

_MEANINGS = {
    "text": "delimited text",
    "json": "JSON",
    "ndjson": "JSON lines",
    "parquet": "Parquet",
    "workbook": "an Excel workbook",
    "zip": "a zip archive",
}
_NOT_TABLES = {
    b"%PDF": "a PDF document",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"BZh": "a bzip2 archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
_OLE = b"\xd0\xcf\x11\xe0"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_WEB_PAGES = ("<!doctype", "<html", "<head", "<body", "<table")
# In the order they are tried: that of UTF-16-LE is how that of UTF-32-LE begins.
BYTE_ORDER_MARKS: Mapping[bytes, str] = MappingProxyType(
    {
        codecs.BOM_UTF8: "utf-8",
        codecs.BOM_UTF32_LE: "utf-32-le",
        codecs.BOM_UTF32_BE: "utf-32-be",
        codecs.BOM_UTF16_LE: "utf-16-le",
        codecs.BOM_UTF16_BE: "utf-16-be",
    }
)
# A "{" or "[" with what may follow it in JSON, and hardly in the header of a delimited text.
_JSON_START = re.compile(r'\s*(\{\s*["}]|\{\s*$|\[\s*[\[{\]"]|\[\s*$|\[\s*-?\d)')


def kind_of(file: str, start: bytes) -> str:
    """Return the kind of a file by its first bytes.

    Parameters
    ----------
    file : str
        Its name, for messages; where a single JSON object may be a document or a line, the ending
        ``.ndjson`` or ``.jsonl`` decides.
    start : bytes
        The first `START_BYTES`, uncompressed; fewer when the file is shorter.

    Returns
    -------
    str
        "text", "json", "ndjson", "parquet", or "zip", which may be an archive or a workbook.

    Raises
    ------
    FileRefused
        ``not_a_table``: no kind that a reader takes.

    Examples
    --------
    >>> kind_of("a.csv", b"id,name\\n1,Ada\\n"), kind_of("a.csv", b'[{"id": 1}]')
    ('text', 'json')
    """
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(_ZIP):
        return "zip"
    if start.startswith(_OLE):
        is_locked = "EncryptedPackage".encode("utf-16-le") in start
        what = "a workbook protected by a password" if is_locked else "an old Excel or Word file"
        remedy = "Take the password off" if is_locked else "Open it and save it as .xlsx"
        raise _refused(file, f"this is {what}. {remedy}, or export it as CSV.")
    for magic, meaning in _NOT_TABLES.items():
        if start.startswith(magic):
            raise _refused(file, f"this is {meaning}. Export it as CSV, JSON, Parquet or an Excel workbook.")
    text = _text_of(start)
    # What it says is not repeated: a page of an account names its owner.
    begins = text.lstrip()[:20].lower()
    if begins.startswith(_WEB_PAGES):
        raise _refused(
            file,
            "it looks like a web page, not a table. Was the login asked for, or an error shown, in place "
            "of the export? Export it again as CSV, JSON, Parquet or an Excel workbook.",
        )
    if begins.startswith("<?xml"):
        raise _refused(
            file, "it looks like XML, not a table. Export it as CSV, JSON, Parquet or an Excel workbook."
        )
    if not _JSON_START.match(text):
        return "text"
    return "ndjson" if _is_json_lines(file, text, is_whole=len(start) < START_BYTES) else "json"


def ending_differs(file: str, kind: str) -> str | None:
    """Return a sentence when the ending of a name promises another kind than the bytes are, else None.

    Examples
    --------
    >>> ending_differs("orders.csv", "workbook")
    "orders.csv: the name ends in '.csv' and the bytes are an Excel workbook; it is read as such."
    >>> ending_differs("orders.csv.gz", "text") is None
    True
    """
    name = file.lower().removesuffix(".gz")
    promised = next((one for one, endings in ENDINGS.items() if name.endswith(endings)), None)
    is_json = kind in ("json", "ndjson") and promised in ("json", "ndjson")
    if promised in (None, kind, "gzip") or is_json or (kind == "ndjson" and name.endswith(".txt")):
        return None
    ending = name[name.rindex(".") :]
    return f"{file}: the name ends in {ending!r} and the bytes are {_MEANINGS[kind]}; it is read as such."


def _text_of(start: bytes) -> str:
    """Return the beginning as text, as well as it can be read."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return start[len(mark) :].decode(encoding, "replace")
    # RFC 4627, section 3: JSON begins with two ASCII characters, so NULs tell the encoding.
    if start[1:2] == b"\x00" and start[:1] in b"{[":
        return start.decode("utf-16-le", "replace")
    if start[:1] == b"\x00" and start[1:2] in (b"{", b"["):
        return start.decode("utf-16-be", "replace")
    return start.decode("utf-8", "replace")


def _is_json_lines(file: str, text: str, *, is_whole: bool) -> bool:
    """Are the lines objects of their own?  A lone object is a document, unless the name says lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not is_whole and len(lines) > 1:
        lines.pop()
    lines = lines[:_LOOKED_AT_LINES]
    if text.lstrip().startswith("["):
        return False
    if len(lines) == 1:
        return file.lower().removesuffix(".gz").endswith(ENDINGS["ndjson"])
    return 2 * sum(_is_object(line) for line in lines) >= len(lines)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _refused(file: str, text: str) -> FileRefused:
    return FileRefused(f"{file}: {text}", file=file, reason="not_a_table")
