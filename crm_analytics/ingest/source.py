"""Which bytes does a file really hold?  Magic bytes, gzip with its CRC, expansion limits, encoding.

Everything is checked here before any parser sees a byte. Text leaves as UTF-8 without byte order mark;
the bytes as they were delivered can be had back for every record (quarantine).
Formats: RFC 1952 (gzip); the magic numbers are those of each format's own
specification.
"""

from __future__ import annotations

import codecs
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crm_analytics.errors import FileRefused

EXPANSION_RATIO = 100
EXPANSION_FREE_BYTES = 50 * 1024 * 1024
EXPANSION_TOTAL_BYTES = 16 * 1024**3
_CHUNK = 1024 * 1024

_NOT_TABLES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"%PDF": "a PDF document",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"BZh": "a bzip2 archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\xfd7zXZ\x00": "an xz archive",
}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Source:
    """The checked content of one file.

    Attributes
    ----------
    name : str
        Name of the file, without its folder.
    path : pathlib.Path
        Where it lies.
    sha256 : str
        Digest of the file's bytes as delivered.
    kind : {"text", "parquet"}
        What the bytes are.
    data : bytes
        Uncompressed content; for text see `decoded`. Empty for Parquet (read from `path`).
    encoding : str
        Encoding of `data` when it was delivered; after `decoded` it is UTF-8.
    prefix : int
        Bytes in front of `data` (byte order mark) in the uncompressed file.
    """

    name: str
    path: Path
    sha256: str
    kind: Literal["text", "parquet"]
    data: bytes
    encoding: str = "utf-8"
    prefix: int = 0

    def delivered(self, start: int, end: int) -> bytes:
        """Return the bytes ``[start, end)`` of `data` as they stood in the file."""
        piece = self.data[start:end]
        return piece if self.encoding == "utf-8" else piece.decode("utf-8").encode(self.encoding)

    def delivered_at(self, start: int) -> int:
        """Return the offset in the uncompressed file of the byte `start` of `data`."""
        if self.encoding == "utf-8":
            return self.prefix + start
        return self.prefix + len(self.data[:start].decode("utf-8").encode(self.encoding))


def open_source(path: Path, *, max_expanded_bytes: int | None = None) -> Source:
    """Read one file and check what it is.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.
    max_expanded_bytes : int, optional
        How large a compressed file may become. Default: 50 MB, or 100 times its size if that is more.

    Raises
    ------
    FileRefused
        ``unreadable``, ``empty_file``, ``truncated``, ``corrupt``, ``expansion_limit`` or ``not_a_table``.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _refused(
            path.name,
            "unreadable",
            f"the file cannot be read ({error.strerror or type(error).__name__}). "
            "Look at its permissions, then load it again.",
        ) from error
    digest = hashlib.sha256(raw).hexdigest()
    data = raw
    if raw.startswith(b"\x1f\x8b"):
        data = _gunzipped(path.name, raw, max_expanded_bytes)
    if not data.strip(b" \t\r\n\xef\xbb\xbf\xff\xfe\x00"):
        raise FileRefused(
            f"{path.name}: the file is empty. Export it again; data loaded earlier are unchanged.",
            file=path.name,
            reason="empty_file",
        )
    if data.startswith(b"PAR1"):
        if data is not raw:
            raise _refused(path.name, "not_a_table", "Parquet inside gzip. Unpack it first.")
        return Source(path.name, path, digest, "parquet", b"")
    _check_is_text(path.name, data)
    return Source(path.name, path, digest, "text", data)


def decoded(source: Source, encoding: str | None) -> Source:
    """Return the text of a source as UTF-8, by its byte order mark or the declared encoding.

    Bytes that are not UTF-8 in an undeclared file are left in place: the records that hold them are
    quarantined one by one.

    Raises
    ------
    FileRefused
        ``invalid_encoding``: a name Python does not know, or bytes that the declared one cannot have.
    """
    data = source.data
    for mark, marked in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return _transcoded(source, data[len(mark) :], marked, len(mark))
    if encoding is None:
        if data[:4096].count(0) > len(data[:4096]) // 8:
            raise _refused(
                source.name,
                "invalid_encoding",
                "many NUL bytes and no byte order mark: is this UTF-16? Say encoding='utf-16-le'.",
            )
        return source
    try:
        return _transcoded(source, data, codecs.lookup(encoding).name, 0)
    except LookupError as error:
        raise _refused(
            source.name, "invalid_encoding", f"encoding={encoding!r} is unknown. Try 'cp1252' or 'cp1256'."
        ) from error


def _transcoded(source: Source, data: bytes, encoding: str, prefix: int) -> Source:
    if encoding != "utf-8":
        try:
            data = data.decode(encoding).encode("utf-8")
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            line = data.count(b"\n", 0, start) + 1
            raise FileRefused(
                f"{source.name}, line {line}: byte {prefix + start} cannot be {encoding}. "
                "Say the right encoding=, for example 'cp1252' or 'cp1256'.",
                file=source.name,
                reason="invalid_encoding",
                line=line,
            ) from error
    return Source(source.name, source.path, source.sha256, "text", data, encoding, prefix)


def _gunzipped(name: str, raw: bytes, max_expanded_bytes: int | None) -> bytes:
    limit = max_expanded_bytes
    if limit is None:
        limit = min(max(EXPANSION_FREE_BYTES, EXPANSION_RATIO * len(raw)), EXPANSION_TOTAL_BYTES)
    pieces: list[bytes] = []
    size = 0
    rest = raw
    while rest.strip(b"\x00"):
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                piece = member.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise _refused(
                    name, "corrupt", f"the gzip data are damaged ({error}). Transfer the file again."
                ) from error
            rest = member.unconsumed_tail
            size += len(piece)
            pieces.append(piece)
            if size > limit:
                raise _refused(
                    name,
                    "expansion_limit",
                    f"{len(raw):,} bytes expand to more than {limit:,}. If that is right, say "
                    "max_expanded_bytes=.",
                )
            if not piece and not rest and not member.eof:
                raise _refused(name, "truncated", "the gzip data end too early. Transfer the file again.")
        rest = member.unused_data
    return b"".join(pieces)


def _check_is_text(name: str, data: bytes) -> None:
    for magic, meaning in _NOT_TABLES.items():
        if data.startswith(magic):
            raise _refused(name, "not_a_table", f"this is {meaning}. Export it as CSV or Parquet.")
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        shown = data[:60].decode("ascii", "backslashreplace")
        raise _refused(
            name, "not_a_table", f"this is a web page or XML, not a table; it begins with {shown!r}."
        )


def _refused(name: str, reason: str, text: str) -> FileRefused:
    return FileRefused(f"{name}: {text}", file=name, reason=reason)
