"""What passes from a reader to the mapping?  `Part` (a table in a file), `Delivery` and its `Block`s.

A file has one part, or several: the members of a zip archive, the sheets of a workbook. A reader turns a
part into a delivery: its header, and blocks of records that are read anew whenever they are asked for.
Nothing holds a whole file: a block is about 8 to 16 MB of it.

Units: records, lines are counted from 1; blank lines are lines but not records; offsets are bytes of the
part (uncompressed, as delivered: before any change of encoding).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

# What no export needs more of.
MAX_COLUMNS = 4096
MAX_FIELD_CHARACTERS = 1_000_000
MAX_RECORD_BYTES = 64 * 1024 * 1024

# Line, byte offset, and the bytes as delivered of one record.
Place = tuple[int, int, bytes]


@dataclass(frozen=True)
class Part:
    """One table of a file, checked for what it is but not yet read.

    Attributes
    ----------
    name : str
        Name of the file, with its subfolder in the folder that is loaded ("shop/orders.csv"), and with its
        member or sheet where it has several ("export.zip/Account.csv", "book.xlsx/Sheet1").
    path : pathlib.Path
        Where the file lies.
    sha256 : str
        Digest of the bytes as delivered (of the file, or of a member).
    kind : str
        What the bytes are: a key of `crm_analytics.ingest.readers.READERS`.
    size : int
        Bytes that are read from the file: what `Block.read_bytes` counts up to.
    chunks : callable
        Returns an iterator over the uncompressed bytes, each piece of about a megabyte with the number of
        bytes of the file that were read so far. Each call begins at the beginning.
    member : str
        Name of the member or sheet inside the file; empty where the file is the table.
    notes : tuple of (str, str)
        What was noticed without losing a record: issue code and sentence.
    """

    name: str
    path: Path
    sha256: str
    kind: str
    size: int
    chunks: Callable[[], Iterator[tuple[bytes, int]]]
    member: str = ""
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class BrokenRecord:
    """One record that cannot be read: where it is, its bytes as delivered, and why.

    `reason` is a key of `crm_analytics.ingest.ledger.MESSAGES`; `field` is the place of the offending
    column (from 0), None where the record as a whole is wrong.
    """

    number: int
    line: int
    offset: int
    raw: bytes
    reason: str
    field: int | None = None


@dataclass(frozen=True)
class Block:
    """The records of one stretch of a part.

    Attributes
    ----------
    cells : pyarrow.Table
        ``record_number`` (BIGINT, ascending, from 1 over the whole part) and text columns c0, c1 ... in the
        order of the header; NULL or '' = empty.
    broken : tuple of BrokenRecord
        Records of this stretch that cannot be read; they are not in `cells`.
    record_count : int
        All records of the stretch: rows of `cells` and `broken`.
    place : callable
        Row of `cells` -> line, byte offset and bytes as delivered. A format without lines gives the
        record number, no offset (0) and the cells as CSV.
    read_bytes : int
        Bytes of the file that were read up to here (`Part.size` = all), for progress.
    """

    cells: pa.Table
    broken: tuple[BrokenRecord, ...]
    record_count: int
    place: Callable[[int], Place]
    read_bytes: int = 0


@dataclass(frozen=True)
class Delivery:
    """The records of one part.

    Attributes
    ----------
    file : str
        Name of the part, for messages.
    header : tuple of str
        Column names as the file has them.
    blocks : callable
        Returns an iterator over the blocks; each call reads the part from its beginning.
    controls : callable
        After all blocks were read: what the file itself says of its records (a footer "(3 records)"), as
        name -> number.
    """

    file: str
    header: tuple[str, ...]
    blocks: Callable[[], Iterator[Block]]
    controls: Callable[[], dict[str, int]] = dict
