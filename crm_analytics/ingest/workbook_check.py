"""Is a workbook safe to hand to the library that reads it, and what would that library not tell?

The library holds a sheet in memory as a full rectangle, with a copy of every text. So before it sees the
bytes, every member is read through here, bounded: XML without document types, so many cells at most, so
many bytes of text at most. Cells that hold an error (#REF!), or a formula that was never calculated,
come out of it as empty: their places are found here. The patterns read XML from which blanks were taken:
``<cr="B2"t="s"><v>7</v></c>``.
Format: ECMA-376, part 1, section 18 (SpreadsheetML).
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.archive import ENCRYPTED, Limit, check_claims, listed, member_chunks
from crm_analytics.normalise.cell_errors import UNCALCULATED

MAX_XML_BYTES = 1024 * 1024 * 1024
MAX_CELLS = 10_000_000
MAX_TEXT_BYTES = 256 * 1024 * 1024
MAX_ERRORS = 100_000
_SMALL_XML_BYTES = 16 * 1024 * 1024
_LONGEST_ELEMENT = 64 * 1024 * 1024
_MAIN, _RELATIONS, _STRINGS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/sharedstrings.xml"

_DOUBLE_QUOTES = bytes.maketrans(b"'", b'"')
_P = rb"(?:[\w.-]{1,40}:)?"
_PLACE = re.compile(rb'r="([A-Za-z]{1,8})(\d{1,10})"')
_ATTRIBUTES = rb'(?:[\w:.-]{1,40}="[^"<]{0,100}")*'
_HIDDEN_ROW = re.compile(rb"<" + _P + rb"row" + _ATTRIBUTES + rb'hidden="(?:1|true)"')
_ERROR = re.compile(rb"<" + _P + rb"c(" + _ATTRIBUTES + rb't="e"' + _ATTRIBUTES + rb")/?>")
_VALUE = rb"(?:<" + _P + rb"f[^<>]*(?:/>|>[^<]*</" + _P + rb"f>))?<" + _P + rb"v[^<>]*>"
_ERROR_TEXT = re.compile(_VALUE + rb"([^<]{1,20})<")
_UNCALCULATED = re.compile(
    rb"<" + _P + rb"c(" + _ATTRIBUTES + rb")><" + _P + rb"f[^<>]*(?:/>|>[^<]*</" + _P + rb"f>)"
    rb"(?:<" + _P + rb"v/>|<" + _P + rb"v></" + _P + rb"v>)?</" + _P + rb"c>"
)
# What stands for a formula whose value was never saved; an empty text that was computed is one.
_TEXT_INDEX = re.compile(rb't="s"[^<>]*>' + _VALUE + rb"(\d{1,9})<")
_TEXT_END = re.compile(rb"</" + _P + rb"si>|<" + _P + rb"si/>")


@dataclass
class SheetFacts:
    """What one member of a workbook holds, as far as the library would not say.

    Attributes
    ----------
    errors : dict of (int, int) to str
        Row and column (from 0) of each cell that holds an error -> its text (`UNCALCULATED`: a formula
        without a value).
    merged : int
        Number of merged areas.
    rows, columns, cells : int
        Extent of the cells, and how many there are.
    text_bytes : int
        Bytes of all texts of the cells, at most.
    has_values : bool
        Does any cell hold something?
    is_hidden : bool
        Is the sheet not shown to who opens the workbook?
    hidden_rows : int
        Rows of it that are not shown.
    """

    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    merged: int = 0
    rows: int = 0
    columns: int = 0
    cells: int = 0
    text_bytes: int = 0
    has_values: bool = False
    is_hidden: bool = False
    hidden_rows: int = 0


def checked_sheets(file: str, opened: Callable[[], IO[bytes]], limit: Limit) -> dict[str, SheetFacts]:
    """Return the sheets of a workbook (.xlsx, .xlsm) by name, after reading all of it through.

    Parameters
    ----------
    file : str
        Name of the workbook, for messages.
    opened : callable
        Opens it anew.
    limit : callable
        Compressed bytes -> how many uncompressed ones they may become.

    Raises
    ------
    FileRefused
        ``truncated``, ``corrupt``, ``encrypted``, ``expansion_limit``, ``unsafe_xml`` or ``file_too_large``.
    """
    infos = listed(file, opened)
    check_claims(file, infos, limit)
    if sum(info.file_size for info in infos) > MAX_XML_BYTES:
        raise _too_large(file, f"{MAX_XML_BYTES:,} bytes of XML")
    if any(info.flag_bits & ENCRYPTED for info in infos):
        raise _refused(file, "encrypted", "the workbook is encrypted. Take the password off.")
    strings, lengths = [info for info in infos if info.filename.casefold() == _STRINGS], np.zeros(0, np.int64)
    for info in strings:
        lengths = _text_lengths(b"".join(_flat(file, opened, info)))
    paths, hidden = _sheet_paths(file, opened, infos)
    facts = {}
    for info in infos:
        if info.filename in paths.values():
            facts[info.filename] = _facts(file, _flat(file, opened, info), lengths)
        elif info not in strings:
            is_xml = info.filename.endswith((".xml", ".rels"))
            for _ in _flat(file, opened, info) if is_xml else member_chunks(file, opened, info):
                pass
    return {name: replace(facts[path], is_hidden=name in hidden) for name, path in paths.items()}


def _flat(file: str, opened: Callable[[], IO[bytes]], info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the XML of a member without blanks, with double quotes only; refuse what may hide something."""
    is_first, before = True, b""
    for chunk, _ in member_chunks(file, opened, info):
        if is_first and (chunk[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in chunk[:4]):
            raise _refused(
                file, "unsafe_xml", "its XML is not UTF-8. Save it again with a spreadsheet program."
            )
        is_first = False
        flat = chunk.translate(_DOUBLE_QUOTES, b" \t\r\n")
        if b"<!DOCTYPE" in before + flat or b"<!ENTITY" in before + flat:
            raise _refused(file, "unsafe_xml", "its XML declares a document type. Save it again.")
        before = flat[-10:]
        yield flat


def _facts(file: str, chunks: Iterator[bytes], lengths: npt.NDArray[np.int64]) -> SheetFacts:
    found, held = SheetFacts(), b""
    for chunk in chunks:
        held += chunk
        stop = max(held.rfind(b"c>") + 2, held.rfind(b"row>") + 4)
        if stop > 3:
            _add(file, found, held[:stop], lengths)
            held = held[stop:]
        if len(held) > _LONGEST_ELEMENT:
            raise _refused(file, "corrupt", "its XML has no end in sight. Save it again.")
    _add(file, found, held, lengths)
    return found


def _add(file: str, found: SheetFacts, xml: bytes, lengths: npt.NDArray[np.int64]) -> None:
    """Count what a stretch of XML holds, and refuse what would fill the memory."""
    places = _PLACE.findall(xml)
    if places:
        letters, rows = zip(*places, strict=True)
        found.columns = max(found.columns, *(_column(one) + 1 for one in set(letters)))
        found.rows = max(found.rows, *map(int, rows), 1)
    found.cells += xml.count(b"<c") + xml.count(b":c")
    found.merged += xml.count(b"mergeCellref=")
    found.hidden_rows += len(_HIDDEN_ROW.findall(xml))
    found.has_values = found.has_values or b"v>" in xml or b"is>" in xml
    if max(found.cells, found.rows * found.columns) > MAX_CELLS:
        raise _too_large(file, f"{MAX_CELLS:,} cells in a sheet")
    texts = _TEXT_INDEX.findall(xml)
    index = np.array(texts, dtype=np.int64) if texts else np.zeros(0, np.int64)
    index = index[index < lengths.size]
    unknown = xml.count(b't="s"') - len(texts)
    found.text_bytes += int(lengths[index].sum()) + unknown * int(lengths.max(initial=0))
    if found.text_bytes > MAX_TEXT_BYTES:
        raise _too_large(file, f"{MAX_TEXT_BYTES:,} bytes of text in a sheet")
    if b't="e"' in xml:
        _add_errors(file, found, xml)
    if b"<f" in xml or b":f" in xml:
        for cell in _UNCALCULATED.finditer(xml):
            place = _PLACE.search(cell[1])
            if place is not None and b't="str"' not in cell[1] and len(found.errors) < MAX_ERRORS:
                found.errors[int(place[2]) - 1, _column(place[1])] = UNCALCULATED


def _add_errors(file: str, found: SheetFacts, xml: bytes) -> None:
    for cell in _ERROR.finditer(xml):
        place = _PLACE.search(cell[1])
        if place is None or len(found.errors) >= MAX_ERRORS:
            raise _refused(file, "too_many_broken", f"more than {MAX_ERRORS:,} cells hold errors. Mend it.")
        told = _ERROR_TEXT.match(xml, cell.end())
        text = told[1].decode("utf-8", "replace") if told else "#ERROR!"
        found.errors[int(place[2]) - 1, _column(place[1])] = text


def _column(letters: bytes) -> int:
    """Return the column of its letters, from 0."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number - 1


def _text_lengths(xml: bytes) -> npt.NDArray[np.int64]:
    """Return the bytes that each shared text has at most."""
    ends = [one.end() for one in _TEXT_END.finditer(xml)]
    lengths: npt.NDArray[np.int64] = np.diff(np.array([0, *ends], dtype=np.int64)).astype(np.int64)
    return lengths


def _sheet_paths(
    file: str, opened: Callable[[], IO[bytes]], infos: list[zipfile.ZipInfo]
) -> tuple[Mapping[str, str], set[str]]:
    """Return the member that holds each sheet, by the sheet's name; and the sheets that are not shown."""
    parts = {info.filename: info for info in infos if info.file_size <= _SMALL_XML_BYTES}
    try:
        for name in (_MAIN, _RELATIONS):
            for _ in _flat(file, opened, parts[name]):
                pass
        main, relations = (
            ElementTree.fromstring(b"".join(piece for piece, _ in member_chunks(file, opened, parts[name])))
            for name in (_MAIN, _RELATIONS)
        )
    except (LookupError, ValueError, ElementTree.ParseError) as error:
        raise _refused(
            file, "corrupt", "the workbook does not say which sheets it has. Save it again as .xlsx."
        ) from error
    known = {info.filename.casefold(): info.filename for info in infos}
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    paths, hidden = {}, set()
    for sheet in main.iter():
        if sheet.tag.endswith("}sheet"):
            told = next((value for key, value in sheet.items() if key.endswith("}id")), None)
            target = targets.get(told, "").replace("\\", "/")
            path = target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            name = sheet.get("name", "")
            if path.casefold() not in known:
                raise _refused(
                    file, "corrupt", f"its sheet {name[:40]!r} is missing. Save it again as .xlsx."
                )
            paths[name] = known[path.casefold()]
            if sheet.get("state") in ("hidden", "veryHidden"):
                hidden.add(name)
    return paths, hidden


def _too_large(file: str, what: str) -> FileRefused:
    return _refused(file, "file_too_large", f"more than {what}. Export it as CSV, which has no such limit.")


def _refused(file: str, reason: str, text: str) -> FileRefused:
    return FileRefused(f"{file}: {text}", file=file, reason=reason)
