"""What do the records of a file say, as text and with their places?  One reader per kind of file.

A reader returns every record exactly once: as a row of text cells, or as broken, with line, offset and
reason. Nothing is converted here. A new kind of file is one more function in ``READERS``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from glob import escape
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.profile import DELIMITERS, WHITESPACE, Dialect
from crm_analytics.ingest.source import Source, decoded
from crm_analytics.ingest.text_records import BrokenRecord, split_records, walk_record
from crm_analytics.warehouse import Sandbox, quote_ident

MAX_COLUMNS = 4096
_LOSSLESS_INTEGER = 2**53


@dataclass(frozen=True)
class Delivery:
    """The records of one file.

    Attributes
    ----------
    header : tuple of str
        Column names as the file has them.
    cells : pyarrow.Table
        Text columns c0, c1 ... in the order of the header, and ``record_number``.
    broken : tuple of BrokenRecord
        Records that could not be read.
    record_count : int
        All records: rows of `cells` and `broken`.
    lines, starts, ends : arrays of int64, or None
        First line and bytes of every row of `cells`; None where the format has no lines.
    source : Source
        The bytes.
    """

    header: tuple[str, ...]
    cells: pa.Table
    broken: tuple[BrokenRecord, ...]
    record_count: int
    source: Source
    lines: npt.NDArray[np.int64] | None = None
    starts: npt.NDArray[np.int64] | None = None
    ends: npt.NDArray[np.int64] | None = None

    def place(self, row: int) -> tuple[int, int, bytes]:
        """Return line, byte offset and the bytes of one row of `cells`.

        A format without lines gives the record number, no offset (0) and the cells as CSV.
        """
        if self.lines is None or self.starts is None or self.ends is None:
            record = self.cells.slice(row, 1).drop_columns(["record_number"]).to_pylist()[0]
            text = io.StringIO()
            csv.writer(text, lineterminator="").writerow(record.values())
            return int(self.cells["record_number"][row].as_py()), 0, text.getvalue().encode()
        start, end = int(self.starts[row]), int(self.ends[row])
        return int(self.lines[row]), self.source.delivered_at(start), self.source.delivered(start, end)


def headers(source: Source, dialect: Dialect) -> list[tuple[str, tuple[str, ...]]]:
    """Return the header as each possible delimiter splits it: (delimiter, names)."""
    if source.kind == "parquet":
        return [("", _parquet_header(source))]
    data = decoded(source, dialect.encoding).data
    candidates = (dialect.delimiter,) if dialect.delimiter else (*DELIMITERS, WHITESPACE)
    found = [(one, _header(data, one, dialect.skip_rows, source.name)[0]) for one in candidates]
    several = [one for one in found if len(one[1]) > 1]
    if all(delimiter == WHITESPACE for delimiter, _ in several):
        return [found[0], *several] if found[0] not in several else several
    return several


def read(source: Source, dialect: Dialect) -> Delivery:
    """Read one checked file with the reader of its kind."""
    return READERS[source.kind](source, dialect)


def _read_text(source: Source, dialect: Dialect) -> Delivery:
    source = decoded(source, dialect.encoding)
    delimiter = dialect.delimiter or ","
    text = source.data
    if delimiter == WHITESPACE:
        text = _with_single_blanks(text)
    names, start, line = _header(text, delimiter, dialect.skip_rows, source.name)
    if dialect.header is not None:
        names, start, line = dialect.header, *_after_lines(text, dialect.skip_rows)
    byte = b"\t" if delimiter == WHITESPACE else delimiter.encode()
    tables, broken = [], []
    places: list[tuple[npt.NDArray[np.int64], ...]] = []
    count = 0
    for block in split_records(text, start, line=line, columns=len(names), delimiter=byte, file=source.name):
        tables.append(_cells(block.sound, block.numbers, len(names), block.longest, byte, source.name))
        places.append((block.lines, block.starts, block.ends))
        broken += block.broken
        count += block.record_count
    empty = np.zeros(0, dtype=np.int64)
    lines, starts, ends = (np.concatenate([one[part] for one in places] or [empty]) for part in range(3))
    if delimiter == WHITESPACE:
        starts, ends = _original_places(source.data, lines)
        broken = [_original_place(source.data, one) for one in broken]
    return Delivery(
        header=names,
        cells=pa.concat_tables(tables) if tables else _cells(b"", empty, len(names), 0, byte, source.name),
        broken=tuple(broken),
        record_count=count,
        source=source,
        lines=lines,
        starts=starts,
        ends=ends,
    )


def _cells(
    sound: bytes, numbers: npt.NDArray[np.int64], columns: int, longest: int, delimiter: bytes, file: str
) -> pa.Table:
    """Split sound records into text cells; a trailing empty field of every record falls away."""
    names = [f"c{place}" for place in range(columns)]
    if not sound:
        table = pa.table({name: pa.array([], pa.string()) for name in names})
    else:
        first = walk_record(sound, 0, delimiter, file=file, line=0).fields
        all_names = [f"c{place}" for place in range(len(first))]
        table = pyarrow.csv.read_csv(
            pa.BufferReader(sound),
            read_options=pyarrow.csv.ReadOptions(
                column_names=all_names, block_size=max(1 << 20, 2 * longest + 2)
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter.decode(), newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in all_names},
                include_columns=names,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    if table.num_rows != numbers.size:
        raise FileRefused(
            f"{file}: {numbers.size:,} records were counted and {table.num_rows:,} read. Please report it.",
            file=file,
            reason="count_differs",
        )
    return table.append_column("record_number", pa.array(numbers))


def _header(data: bytes, delimiter: str, skip_rows: int, file: str) -> tuple[tuple[str, ...], int, int]:
    """Return the names, where the records begin, and on which line."""
    start, line = _after_lines(data, skip_rows)
    while start < len(data):
        if delimiter == WHITESPACE:
            start_of_next, next_line = _after_lines(data, line)
            names = data[start:start_of_next].split()
        else:
            walked = walk_record(data, start, delimiter.encode(), file=file, line=line)
            start_of_next, next_line, names = walked.end, line + walked.lines, walked.fields
        if any(name.strip() for name in names):
            if len(names) > MAX_COLUMNS:
                raise FileRefused(
                    f"{file}: {len(names):,} columns; at most {MAX_COLUMNS:,} are read.",
                    file=file,
                    reason="too_many_columns",
                )
            text = tuple(name.decode("utf-8", "backslashreplace").strip("\ufeff \t\xa0") for name in names)
            return text, start_of_next, next_line
        start, line = start_of_next, next_line
    return (), len(data), line


def _after_lines(data: bytes, count: int) -> tuple[int, int]:
    """Return the offset after `count` lines, and the number of the line there."""
    position = 0
    pattern = re.compile(b"\r\n|\r|\n")
    for _ in range(count):
        found = pattern.search(data, position)
        if found is None:
            return len(data), count + 1
        position = found.end()
    return position, count + 1


def _with_single_blanks(data: bytes) -> bytes:
    """Return the lines with one tab between fields; the number of lines stays."""
    return b"".join(b"\t".join(line.split()) + b"\n" for line in data.splitlines())


def _original_places(
    data: bytes, lines: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    ends = np.cumsum([len(line) for line in data.splitlines(keepends=True)], dtype=np.int64)
    starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1]))
    return starts[lines - 1], ends[lines - 1]


def _original_place(data: bytes, broken: BrokenRecord) -> BrokenRecord:
    starts, ends = _original_places(data, np.array([broken.line]))
    return BrokenRecord(broken.number, broken.line, int(starts[0]), int(ends[0]), broken.reason, broken.field)


def _parquet_header(source: Source) -> tuple[str, ...]:
    try:
        schema = pyarrow.parquet.read_schema(source.path)
    except (OSError, pa.ArrowException) as error:
        raise _corrupt(source.name, error) from error
    return tuple(schema.names)


def _read_parquet(source: Source, dialect: Dialect) -> Delivery:
    """Read Parquet in the sandbox; every value becomes the text that a CSV would hold."""
    names = _parquet_header(source)
    path = source.path.resolve()
    with Sandbox(readable=path) as sandbox:
        try:
            described = sandbox.rows("describe select * from read_parquet($path)", path=escape(str(path)))
            texts = ", ".join(
                f"{_as_text(column, sql_type)} as c{place}"
                for place, (column, sql_type, *_) in enumerate(described)
            )
            cells = sandbox.arrow(
                f"select {texts}, file_row_number + 1 as record_number "
                "from read_parquet($path, file_row_number = true) order by record_number",
                path=escape(str(path)),
            )
        except Exception as error:
            raise _corrupt(source.name, error) from error
    return Delivery(names, cells, (), cells.num_rows, source)


def _as_text(column: str, sql_type: str) -> str:
    name = quote_ident(column)
    if sql_type in ("FLOAT", "DOUBLE"):
        # Tables made by pandas hold whole numbers and ids as floats, and what is missing as NaN.
        return (
            f"case when isnan({name}) then null "
            f"when abs({name}) < {_LOSSLESS_INTEGER} and {name} = trunc({name}) "
            f"then cast(cast({name} as bigint) as varchar) else cast({name} as varchar) end"
        )
    return f"cast({name} as varchar)"


def _corrupt(name: str, error: Exception) -> FileRefused:
    return FileRefused(
        f"{name}: the Parquet file is damaged ({str(error)[:200]}). Export it again.",
        file=name,
        reason="corrupt",
    )


READERS: Mapping[str, Callable[[Source, Dialect], Delivery]] = MappingProxyType(
    {"text": _read_text, "parquet": _read_parquet}
)
