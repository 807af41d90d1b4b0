"""Which bytes does a file really hold?  Magic bytes, gzip with its CRC, expansion limits, encoding.

The beginning of a file is checked here before any parser sees a byte; the rest is checked as it streams by,
a megabyte at a time. Text leaves as UTF-8 without byte order mark; the bytes as they were delivered can be
had back for every record (quarantine).
Formats: RFC 1952 (gzip); the magic numbers are those of each format's own specification.
"""

from __future__ import annotations

import codecs
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.encodings import encoding_advice
from crm_analytics.ingest.inbox import shown_name
from crm_analytics.ingest.kinds import BYTE_ORDER_MARKS
from crm_analytics.ingest.options import option
from crm_analytics.ingest.parts import parts_of
from crm_analytics.ingest.records import Part

EXPANSION_RATIO = 100
EXPANSION_FREE_BYTES = 50 * 1024 * 1024
EXPANSION_TOTAL_BYTES = 16 * 1024**3
CHUNK_BYTES = 1024 * 1024
_BLANK = b" \t\r\n\xef\xbb\xbf\xff\xfe\x00"

# Encodings that would add a byte order mark when bytes are had back; without one a file is little-endian.
_WITHOUT_MARK = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8", "utf-32": "utf-32-le"}

Chunks = Iterator[tuple[bytes, int]]


@dataclass(frozen=True)
class Text:
    """A part that is text, read as UTF-8.

    Attributes
    ----------
    part : Part
        What is read.
    encoding : str
        Encoding as delivered (Python's name).
    mark : int
        Bytes of the byte order mark.
    """

    part: Part
    encoding: str = "utf-8"
    mark: int = 0

    def pieces(self) -> Chunks:
        """Yield the text as UTF-8, without byte order mark, with the bytes of the file read so far.

        Bytes that are not UTF-8 in an undeclared file are left in place: the records that hold them are
        quarantined one by one.

        Raises
        ------
        FileRefused
            ``invalid_encoding``: bytes that the declared encoding cannot have; whatever the stream finds.
        """
        skip = self.mark
        decoder = None if self.encoding == "utf-8" else codecs.getincrementaldecoder(self.encoding)()
        line, offset, read = 1, skip, 0
        for chunk, read in self.part.chunks():
            piece, skip = chunk[skip:], max(skip - len(chunk), 0)
            if decoder is not None:
                held = len(decoder.getstate()[0])
                piece, offset = self._decoded(decoder, piece, line, offset - held), offset + len(piece)
                line += piece.count(b"\n")
            if piece:
                yield piece, read
        if decoder is not None:
            offset -= len(decoder.getstate()[0])
            self._decoded(decoder, b"", line, offset, is_last=True)

    def _decoded(
        self,
        decoder: codecs.IncrementalDecoder,
        piece: bytes,
        line: int,
        offset: int,
        *,
        is_last: bool = False,
    ) -> bytes:
        try:
            return decoder.decode(piece, is_last).encode("utf-8")
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            line += piece.count(b"\n", 0, start)
            if is_last and self.mark:
                raise FileRefused(
                    f"{self.part.name}, line {line}: the file ends within a character of {self.encoding}. "
                    "Was it cut off? Copy or export it again.",
                    file=self.part.name,
                    reason="truncated",
                    line=line,
                ) from error
            lines = piece if offset <= self.mark else piece[piece.find(b"\n") + 1 :]
            raise FileRefused(
                f"{self.part.name}, line {line}: byte {offset + start} cannot be {self.encoding}. "
                f"{encoding_advice(lines, excluded=self.encoding)}",
                file=self.part.name,
                reason="invalid_encoding",
                line=line,
            ) from error

    def delivered(self, piece: bytes) -> bytes:
        """Return a piece of the UTF-8 text as it stood in the file."""
        return piece if self.encoding == "utf-8" else piece.decode("utf-8").encode(self.encoding)


def open_source(
    path: Path, *, name: str | None = None, max_expanded_bytes: int | None = None
) -> list[Part | FileRefused]:
    """Look at one file and return its parts; the file is hashed, but not yet read.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.
    name : str, optional
        By what it is called in accounts and messages. Default: its name without the folder.
    max_expanded_bytes : int, optional
        How large a compressed file may become. Default: 50 MB, or 100 times its size if that is more.

    Returns
    -------
    list of Part or FileRefused
        One for an ordinary file. Of a file with several parts, those that cannot be read are refusals.

    Raises
    ------
    FileRefused
        ``unreadable``, ``empty_file``, ``truncated``, ``corrupt``, ``expansion_limit``, ``not_a_table``, or
        what `parts_of` refuses.
    """
    name = shown_name(name or path.name)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(512)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(name, error) from error
    is_gzip = start.startswith(b"\x1f\x8b")

    def limit(packed: int) -> int:
        if max_expanded_bytes is not None:
            return max_expanded_bytes
        return min(max(EXPANSION_FREE_BYTES, EXPANSION_RATIO * packed), EXPANSION_TOTAL_BYTES)

    def chunks() -> Chunks:
        return _gunzipped(path, size, limit(size)) if is_gzip else _read(path)

    _beginning(name, chunks())
    return parts_of(Part(name, path, digest, "", size, chunks), limit, is_gzip=is_gzip)


def decoded(part: Part, encoding: str | None) -> Text:
    """Return how the text of a part is read: by its byte order mark or the declared encoding, else UTF-8.

    Raises
    ------
    FileRefused
        ``invalid_encoding``: a name Python does not know, or what looks like undeclared UTF-16.
    """
    start = _beginning(part.name, part.chunks())
    for mark, marked in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return Text(part, marked, len(mark))
    if encoding is None:
        if start.count(0) > len(start) // 8:
            raise _refused(
                part.name,
                "invalid_encoding",
                "many NUL bytes, no byte order mark: is this UTF-16 or UTF-32? "
                f"Say {option('encoding', _by_nul_bytes(start))}.",
            )
        return Text(part)
    try:
        known = codecs.lookup(encoding).name
        codecs.getincrementaldecoder(known)().decode(b"").encode("utf-8")
        "".encode(known)
    except (LookupError, AttributeError, TypeError) as error:
        raise _refused(
            part.name,
            "invalid_encoding",
            f"encoding={encoding!r} is unknown. Say {option('encoding', 'cp1252', 'cp1256')}.",
        ) from error
    return Text(part, _WITHOUT_MARK.get(known, known))


def _by_nul_bytes(start: bytes) -> str:
    """Return the encoding whose NULs stand where these do: most letters of a header are ASCII.

    Examples
    --------
    >>> [_by_nul_bytes("id,name".encode(one)) for one in ("utf-16-le", "utf-16-be", "utf-32-be")]
    ['utf-16-le', 'utf-16-be', 'utf-32-be']
    """
    nuls = [start[place::4].count(0) for place in range(4)]
    if min(nuls[1], nuls[2]) * 4 > len(start) // 2:
        return "utf-32-le" if nuls[3] > nuls[0] else "utf-32-be"
    return "utf-16-le" if nuls[1] + nuls[3] > nuls[0] + nuls[2] else "utf-16-be"


def _beginning(name: str, chunks: Chunks) -> bytes:
    """Return up to 4,096 first bytes; refuse a file that holds nothing but blanks."""
    start = b""
    has_content = False
    for chunk, _ in chunks:
        start += chunk[: 4096 - len(start)]
        has_content = has_content or bool(chunk.strip(_BLANK))
        if has_content and len(start) == 4096:
            break
    if not has_content:
        raise FileRefused(
            f"{name}: the file is empty. Export it again; data loaded earlier are unchanged.",
            file=name,
            reason="empty_file",
        )
    return start


def _read(path: Path) -> Chunks:
    read = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                read += len(chunk)
                yield chunk, read
    except OSError as error:
        raise _unreadable(shown_name(path.name), error) from error


def _gunzipped(path: Path, size: int, limit: int) -> Chunks:
    """Yield what a gzip file expands to, member after member; NULs between members are padding."""
    member, expanded, larger = None, 0, option("max_expanded_bytes")
    for chunk, read in _read(path):
        rest = chunk
        while rest or (member is not None and read == size):
            if member is None:
                rest = rest.lstrip(b"\x00")
                if not rest:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                piece = member.decompress(rest, CHUNK_BYTES)
            except zlib.error as error:
                text = "the gzip data are damaged. Transfer the file again."
                raise _refused(shown_name(path.name), "corrupt", text) from error
            rest = member.unconsumed_tail
            expanded += len(piece)
            if expanded > limit:
                text = f"{size:,} bytes expand to more than {limit:,}. If right, say {larger}."
                raise _refused(shown_name(path.name), "expansion_limit", text)
            if piece:
                yield piece, read
            if member.eof:
                rest, member = member.unused_data, None
            elif not piece and not rest:
                break
    if member is not None:
        raise _refused(
            shown_name(path.name), "truncated", "the gzip data end too early. Transfer the file again."
        )


def _unreadable(name: str, error: OSError) -> FileRefused:
    return _refused(
        name,
        "unreadable",
        f"the file cannot be read ({error.strerror or type(error).__name__}). "
        "Look at its permissions, then load it again.",
    )


def _refused(name: str, reason: str, text: str) -> FileRefused:
    return FileRefused(f"{name}: {text}", file=name, reason=reason)
