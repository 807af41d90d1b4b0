"""Which members has a zip archive, and are they sound?  Names are labels, never paths; nothing is unpacked.

Every member is read through once, with its CRC, before any of it is used. The sizes that an archive claims
are an upper bound: claims beyond the limit refuse it, and no more than what is claimed is ever read.
Format: APPNOTE.TXT - .ZIP File Format Specification (PKWARE).
"""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.inbox import shown_name
from crm_analytics.ingest.kinds import START_BYTES
from crm_analytics.ingest.options import option
from crm_analytics.ingest.records import Part

MAX_MEMBERS = 10_000
# A workbook inside an archive is held in memory.
MAX_HELD_BYTES = 256 * 1024 * 1024
_CHUNK = 1024 * 1024
_LABEL_CHARACTERS = 200
ENCRYPTED, _METHODS = 0x1, (0, 8, 12, 14)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    NotImplementedError,
)

# How many uncompressed bytes so many compressed ones may become.
Limit = Callable[[int], int]


@dataclass(frozen=True)
class Member:
    """One file inside an archive.

    Attributes
    ----------
    name : str
        Its name, for people: control characters made visible, cut to 200 characters.
    sha256 : str
        Digest of its uncompressed bytes.
    size : int
        Its bytes in the archive (compressed).
    start : bytes
        Its first bytes, uncompressed.
    chunks : callable
        Returns an iterator over its uncompressed bytes, each piece with the compressed bytes read so far.
    """

    name: str
    sha256: str
    size: int
    start: bytes
    chunks: Callable[[], Iterator[tuple[bytes, int]]]


def members(
    file: str, opened: Callable[[], IO[bytes]], limit: Limit, *, is_taken: Callable[[str], bool]
) -> tuple[list[Member | FileRefused], list[str]]:
    """Return the members of an archive in its order, and the names of those that are passed over.

    Parameters
    ----------
    file : str
        Name of the archive, for messages.
    opened : callable
        Opens it anew.
    limit : callable
        Compressed bytes -> how many uncompressed ones they may become: holds for every member and for all.
    is_taken : callable
        Member's name -> is it an export, by its ending? Folders and hidden files are passed over untold.

    Raises
    ------
    FileRefused
        ``truncated``, ``corrupt`` or ``expansion_limit``: the archive as a whole. What is wrong with one
        member (encrypted, damaged, an archive itself) stands in its place in the list.
    """
    infos = listed(file, opened)
    taken = [info for info in infos if is_taken(info.filename)]
    over = [label(info.filename) for info in infos if not is_taken(info.filename)]
    check_claims(file, taken, limit)
    count = Counter(info.filename for info in taken)
    found: list[Member | FileRefused] = []
    for info in taken:
        where = f"{file}/{label(info.filename)}"
        try:
            if count[info.filename] > 1:
                raise _refused(where, "corrupt", "several members have this name. Make the archive anew.")
            found.append(_checked(where, opened, info))
        except FileRefused as refusal:
            found.append(refusal)
    return found, over


def opener(whole: Part) -> Callable[[], IO[bytes]]:
    """Return what opens a file anew: from the disk, or from memory where it lies in an archive.

    Raises
    ------
    FileRefused
        ``file_too_large``: more than 256 MB inside an archive.
    """
    if not whole.member:
        return lambda: whole.path.open("rb")
    pieces, size = [], 0
    for piece, _ in whole.chunks():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_HELD_BYTES:
            raise FileRefused(
                f"{whole.name}: more than {MAX_HELD_BYTES:,} bytes. Export it as CSV.",
                file=whole.name,
                reason="file_too_large",
            )
    data = b"".join(pieces)
    return lambda: io.BytesIO(data)


def check_claims(file: str, infos: Sequence[zipfile.ZipInfo], limit: Limit) -> None:
    """Refuse members that claim to expand beyond the limit, each or all together.

    Raises
    ------
    FileRefused
        ``expansion_limit``.
    """
    for some in [infos, *([info] for info in infos)]:
        packed, claimed = sum(one.compress_size for one in some), sum(one.file_size for one in some)
        if claimed > limit(packed):
            raise _refused(
                file,
                "expansion_limit",
                f"{packed:,} bytes expand to {claimed:,}, more than {limit(packed):,}. If that is right, say "
                f"{option('max_expanded_bytes')}.",
            )


def label(name: str) -> str:
    """Return the name of a member as it may be shown.

    Examples
    --------
    >>> label("a\\x1b[2J/b.csv")
    'a\\\\x1b[2J/b.csv'
    """
    return shown_name(name)[-_LABEL_CHARACTERS:]


def listed(file: str, opened: Callable[[], IO[bytes]]) -> list[zipfile.ZipInfo]:
    """Return the members that hold something, without folders and hidden files.

    Raises
    ------
    FileRefused
        ``truncated``, ``corrupt``, or ``expansion_limit`` for too many members.
    """
    try:
        with opened() as handle, zipfile.ZipFile(handle) as archive:
            infos = archive.infolist()
    except zipfile.BadZipFile as error:
        raise _refused(file, "truncated", "the zip archive is not whole. Transfer the file again.") from error
    except _DAMAGE as error:
        raise _refused(file, "corrupt", "the zip archive is damaged. Transfer the file again.") from error
    if len(infos) > MAX_MEMBERS:
        raise _refused(
            file, "expansion_limit", f"{len(infos):,} members; at most {MAX_MEMBERS:,} are read. Split it."
        )
    return [info for info in infos if not info.filename.endswith("/") and not _is_hidden(info.filename)]


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(part.startswith(".") and part not in (".", "..") for part in parts) or "__MACOSX" in parts


def _checked(where: str, opened: Callable[[], IO[bytes]], info: zipfile.ZipInfo) -> Member:
    """Read a member through: its digest, its CRC, its true size."""
    if info.flag_bits & ENCRYPTED:
        raise _refused(where, "encrypted", "it is encrypted. Unpack the archive and load what is inside.")
    if info.compress_type not in _METHODS:
        raise _refused(
            where,
            "not_a_table",
            f"it is packed by a method that is not read ({info.compress_type}). Make an ordinary zip.",
        )
    digest, start = hashlib.sha256(), b""
    for piece, _ in member_chunks(where, opened, info):
        digest.update(piece)
        start += piece[: START_BYTES - len(start)]
    return Member(
        label(info.filename),
        digest.hexdigest(),
        info.compress_size,
        start,
        lambda: member_chunks(where, opened, info),
    )


def member_chunks(
    where: str, opened: Callable[[], IO[bytes]], info: zipfile.ZipInfo
) -> Iterator[tuple[bytes, int]]:
    """Yield the uncompressed bytes of a member, with the compressed bytes read so far.

    Raises
    ------
    FileRefused
        ``corrupt`` (a wrong CRC too, at the end) or ``truncated``.
    """
    read = 0
    try:
        with opened() as handle, zipfile.ZipFile(handle) as archive, archive.open(info) as stream:
            while piece := stream.read(_CHUNK):
                read += len(piece)
                yield piece, min(info.compress_size, info.compress_size * read // max(info.file_size, 1))
    except _DAMAGE as error:
        raise _refused(
            where, "corrupt", "its packed bytes are damaged. Transfer the archive again."
        ) from error
    if read != info.file_size:
        raise _refused(where, "truncated", "its packed bytes end too early. Transfer the archive again.")


def _refused(where: str, reason: str, text: str) -> FileRefused:
    return FileRefused(f"{where}: {text}", file=where, reason=reason)
