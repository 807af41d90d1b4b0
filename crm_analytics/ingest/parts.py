"""Which tables does a file hold?  Itself, the members of an archive, or the sheets of a workbook.

A file whose name promises another kind than its bytes are is read as what it is, and that is told. What
cannot be read inside an archive is refused by itself; the other members go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.archive import Limit, listed, members, opener
from crm_analytics.ingest.inbox import shown_name
from crm_analytics.ingest.kinds import START_BYTES, SUFFIXES, ending_differs, kind_of
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.workbook_reader import sheet_parts

_LISTED = 10
# Members by which the other files that are zip archives are known.
_OTHERS = {
    "xl/workbook.bin": "a binary Excel workbook (.xlsb). Save it as .xlsx",
    "content.xml": "an OpenDocument file (.ods). Save it as .xlsx",
    "word/document.xml": "a Word document. Export the table as CSV",
    "ppt/presentation.xml": "a presentation. Export the table as CSV",
}


def parts_of(whole: Part, limit: Limit, *, is_gzip: bool = False) -> list[Part | FileRefused]:
    """Return the tables of a file, each with the kind of its bytes.

    Parameters
    ----------
    whole : Part
        The file, its kind not yet known.
    limit : callable
        Compressed bytes -> how many uncompressed ones they may become.
    is_gzip : bool, default False
        Are its bytes packed by gzip? Then they must be text.

    Returns
    -------
    list of Part or FileRefused
        One part for an ordinary file. A member of an archive that cannot be read is a refusal.

    Raises
    ------
    FileRefused
        ``not_a_table``, ``nested_archive``, or what the archive or workbook as a whole is refused for.
    """
    kind = kind_of(whole.name, _start(whole))
    if kind in ("zip", "parquet") and is_gzip:
        raise _refused(whole.name, "nested_archive", "packed twice (gzip around it). Unpack it first.")
    if kind != "zip":
        return [_told(whole, kind)]
    opened = opener(whole)
    names = {info.filename for info in listed(whole.name, opened)}
    if "xl/workbook.xml" in names:
        return list(sheet_parts(_told(whole, "workbook"), limit))
    for member, meaning in _OTHERS.items():
        if member in names:
            raise _refused(whole.name, "not_a_table", f"this is {meaning}.")
    if whole.member:
        raise _refused(
            whole.name, "nested_archive", "an archive inside an archive. Unpack the outer one first."
        )
    return _member_parts(_told(whole, "zip"), opened, limit)


def _member_parts(whole: Part, opened: Callable[[], IO[bytes]], limit: Limit) -> list[Part | FileRefused]:
    found, over = members(whole.name, opened, limit, is_taken=_is_export)
    parts: list[Part | FileRefused] = []
    for member in found:
        if isinstance(member, FileRefused):
            parts.append(member)
            continue
        part = Part(
            name=f"{whole.name}/{shown_name(member.name)}",
            path=whole.path,
            sha256=member.sha256,
            kind="",
            size=member.size,
            chunks=member.chunks,
            member=member.name,
        )
        try:
            if member.start.startswith(b"\x1f\x8b"):
                raise _refused(
                    part.name, "nested_archive", "gzip inside an archive. Unpack the outer one first."
                )
            if not member.start.strip():
                raise _refused(part.name, "empty_file", "it is empty. Export it again.")
            parts += parts_of(part, limit)
        except FileRefused as refusal:
            parts.append(refusal)
    if not parts:
        raise _refused(
            whole.name,
            "not_a_table",
            f"no member of the archive is an export (by its ending: {', '.join(SUFFIXES)}).",
        )
    return _with_notes(parts, whole.notes + _passed_over(over))


def _is_export(name: str) -> bool:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower() in SUFFIXES


def _passed_over(names: list[str]) -> tuple[tuple[str, str], ...]:
    if not names:
        return ()
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    text = f"no exports by their endings, passed over: {', '.join(names[:_LISTED])}{more}"
    return (("passed_over_member", text),)


def _with_notes(
    parts: list[Part | FileRefused], notes: tuple[tuple[str, str], ...]
) -> list[Part | FileRefused]:
    """Return the parts; the first one that can be read tells what was noticed of the whole."""
    first = next((place for place, part in enumerate(parts) if isinstance(part, Part)), None)
    told = list(parts)
    if first is not None and notes:
        part = parts[first]
        told[first] = replace(part, notes=notes + part.notes) if isinstance(part, Part) else part
    return told


def _told(whole: Part, kind: str) -> Part:
    differs = ending_differs(whole.name, kind)
    notes = (*whole.notes, ("ending_differs", differs)) if differs else whole.notes
    return replace(whole, kind=kind, notes=notes)


def _start(whole: Part) -> bytes:
    start = b""
    for piece, _ in whole.chunks():
        start += piece[: START_BYTES - len(start)]
        if len(start) >= START_BYTES:
            break
    return start


def _refused(name: str, reason: str, text: str) -> FileRefused:
    return FileRefused(f"{name}: {text}", file=name, reason=reason)
