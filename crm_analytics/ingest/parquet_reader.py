"""What do the rows of a Parquet file say, as exact text?  Read a batch of rows at a time.

Whole floats have no ".0" (tables made by pandas hold ids so), beyond 2^53 they keep their exponent (as an id
such a number is refused); decimals keep all digits; instants end in Z; columns of a struct become "a.b";
lists and maps are JSON text; NaN is empty. A record that is set aside is kept as one line of JSON.
Format: Apache Parquet; page checksums are verified where the file has them.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.records import MAX_FIELD_CHARACTERS, Block, BrokenRecord, Delivery, Part, Place
from crm_analytics.ingest.row_blocks import BLOCK_ROWS, check_width, number_text, record_line
from crm_analytics.warehouse import Sandbox, quote_ident

_BLOCK_BYTES = 8 * 1024 * 1024
_MAX_DEPTH = 64
_LOSSLESS_INTEGER = 2**53


def parquet_headers(part: Part, dialect: Dialect) -> list[tuple[str, tuple[str, ...]]]:
    """Return the columns of the file, those of structs as "a.b"."""
    with _file(part) as file:
        return [("", tuple(_flat(part.name, file.schema_arrow.empty_table()).column_names))]


def read_parquet(part: Part, dialect: Dialect) -> Delivery:
    """Return the delivery of a Parquet file."""
    [(_, header)] = parquet_headers(part, dialect)
    check_width(part.name, len(header))
    return Delivery(part.name, header, lambda: _blocks(part, header, dialect.decimal))


def _blocks(part: Part, header: tuple[str, ...], decimal: str) -> Iterator[Block]:
    first = 1
    with _file(part) as file, Sandbox() as sandbox:
        rows = max(file.metadata.num_rows, 1)
        for batch in file.iter_batches(batch_size=_batch_rows(file)):
            table = _flat(part.name, pa.Table.from_batches([batch]))
            faults = _text_faults(table)
            is_sound = np.ones(table.num_rows, dtype=bool)
            is_sound[list(faults)] = False
            numbers = np.arange(first, first + table.num_rows, dtype=np.int64)
            texts = _texts(sandbox, table.filter(pa.array(is_sound)), decimal)
            cells = pa.table(
                {f"c{place}": text for place, text in enumerate(texts)}
                | {"record_number": pa.array(numbers[is_sound])}
            )
            first += table.num_rows
            yield Block(
                cells=cells,
                broken=tuple(
                    BrokenRecord(
                        int(numbers[row]),
                        int(numbers[row]),
                        0,
                        _broken_line(header, table, row),
                        reason,
                        column,
                    )
                    for row, (reason, column) in sorted(faults.items())
                ),
                record_count=table.num_rows,
                place=partial(_place, header, cells),
                read_bytes=part.size * (first - 1) // rows,
            )


def _text_faults(table: pa.Table) -> dict[int, tuple[str, int]]:
    """Return the rows with a text that no other format would be read with: row -> reason, column."""
    found: dict[int, tuple[str, int]] = {}
    for place, column in enumerate(table.columns):
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        raw = column.cast(pa.large_binary())
        try:
            column.validate(full=True)
            odd = pc.or_(
                pc.match_substring(raw, "\x00"), pc.greater(pc.binary_length(raw), MAX_FIELD_CHARACTERS)
            )
        except pa.ArrowInvalid:
            odd = pc.is_valid(raw)
        for row in np.flatnonzero(pc.fill_null(odd, False).to_numpy()).tolist():
            reason = _fault_of(raw[row].as_py())
            if reason is not None:
                found.setdefault(row, (reason, place))
    return found


def _fault_of(raw: bytes) -> str | None:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid_encoding"
    if "\x00" in text:
        return "nul_byte"
    return "field_too_long" if len(text) > MAX_FIELD_CHARACTERS else None


def _broken_line(header: tuple[str, ...], table: pa.Table, row: int) -> bytes:
    """Return a record as a line of JSON; bytes that are no text are written as \\xff."""
    cells = []
    for column in table.columns:
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        value = (column.slice(row, 1).cast(pa.large_binary()) if is_text else column.slice(row, 1))[0].as_py()
        told = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        cells.append(None if told is None else str(told))
    return record_line(header, cells)


def _place(header: tuple[str, ...], cells: pa.Table, row: int) -> Place:
    record = cells.slice(row, 1).to_pylist()[0]
    number = record.pop("record_number")
    return int(number), 0, record_line(header, list(record.values()))


def _batch_rows(file: Any) -> int:
    """Return how many rows are about a block, by the sizes that the file tells of its row groups."""
    metadata = file.metadata
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    rows = _BLOCK_BYTES * max(metadata.num_rows, 1) // max(size, 1)
    return int(max(1, min(BLOCK_ROWS, rows)))


def _flat(file: str, table: pa.Table) -> pa.Table:
    """Return a table whose structs are columns, and whose dictionaries are their values."""
    depth = 0
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        depth += 1
        if depth > _MAX_DEPTH:
            raise FileRefused(
                f"{file}: structs are nested deeper than {_MAX_DEPTH} levels. Flatten the export.",
                file=file,
                reason="too_deep",
            )
        table = table.flatten()
    for place, kind in enumerate(table.schema.types):
        if pa.types.is_dictionary(kind):
            values = table.column(place).cast(kind.value_type)
            table = table.set_column(place, table.schema.names[place], values)
    return table


def _texts(sandbox: Sandbox, table: pa.Table, decimal: str) -> list[pa.Array]:
    """Return every column as text; what DuckDB would not write exactly is written here."""
    prepared = [_prepared(column) for column in table.columns]
    names = [f"v{place}" for place in range(len(prepared))]
    if not names:
        return []
    sandbox.register("prepared", pa.table(prepared, names=names))
    described = sandbox.rows("describe select * from prepared")
    texts = ", ".join(
        f"{_as_text(name, sql_type)} as {quote_ident(name)}" for name, sql_type, *_ in described
    )
    found = sandbox.arrow(f"select {texts} from prepared")
    marks = [_is_number(kind) for kind in table.schema.types]
    return [
        _numbers(column, decimal) if is_number else column
        for column, is_number in zip(found.columns, marks, strict=True)
    ]


def _prepared(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_nested(kind):
        return pa.chunked_array([pa.array(map(_json, column.to_pylist()), pa.string())])
    if pa.types.is_timestamp(kind):
        told = column.cast(pa.timestamp("us", kind.tz), safe=False)
        if kind.tz is None:
            return told
        text = pc.strftime(told.cast(pa.timestamp("us", "UTC")), "%Y-%m-%d %H:%M:%S")
        return pc.replace_substring(pc.binary_join_element_wise(text, "Z", ""), ".000000Z", "Z")
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float32() if pa.types.is_float16(kind) else pa.string())
    return column


def _as_text(name: str, sql_type: str) -> str:
    name = quote_ident(name)
    if sql_type in ("FLOAT", "DOUBLE"):
        return (
            f"case when isnan({name}) then null "
            f"when abs({name}) < {_LOSSLESS_INTEGER} and {name} = trunc({name}) "
            f"then cast(cast({name} as bigint) as varchar) "
            f"when isfinite({name}) and abs({name}) >= {_LOSSLESS_INTEGER} then format('{{:.16e}}', {name}) "
            f"else cast({name} as varchar) end"
        )
    return f"cast({name} as varchar)"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _numbers(column: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    """Return numbers as plain decimal text; large ones keep their exponent."""
    has_exponent = pc.any(pc.match_substring_regex(column, "[eE]")).as_py()
    if has_exponent:
        texts = column.to_pylist()
        plain = [one if one is None or "e+" in one.lower() else number_text(one) for one in texts]
        column = pa.chunked_array([pa.array(plain, pa.string())])
    return column if decimal == "." else pc.replace_substring(column, ".", decimal)


def _json(value: Any) -> str | None:
    return None if value is None or value in ([], {}) else _json_text(value)


def _json_text(value: Any) -> str:
    """Return a nested value as JSON text; decimals keep all digits."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_json_text(one) for one in value) + "]"
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(str(key), ensure_ascii=False)}: {_json_text(one)}" for key, one in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime | time):
        return json.dumps(value.isoformat())
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(value).decode("ascii"))
    return json.dumps(
        value if value is None or isinstance(value, bool | int | float) else str(value), ensure_ascii=False
    )


@contextmanager
def _file(part: Part) -> Iterator[Any]:
    """Open a Parquet file on disk, or a copy of one that lies in an archive."""
    try:
        with (
            _opened(part) as handle,
            pyarrow.parquet.ParquetFile(handle, page_checksum_verification=True) as file,
        ):
            yield file
    except (OSError, pa.ArrowException, MemoryError, ValueError, OverflowError) as error:
        raise FileRefused(
            f"{part.name}: the Parquet file is damaged. Export it again.",
            file=part.name,
            reason="corrupt",
        ) from error


@contextmanager
def _opened(part: Part) -> Iterator[IO[bytes]]:
    if not part.member:
        with part.path.open("rb") as handle:
            yield handle
        return
    with tempfile.TemporaryFile() as copy:
        for piece, _ in part.chunks():
            copy.write(piece)
        copy.seek(0)
        yield copy
