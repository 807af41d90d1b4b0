"""What was said of a file, in words that reach a person, a log or a table; and what in it is personal?"""

from __future__ import annotations

import logging
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_analytics.warehouse import Warehouse

PERSONAL = ("customer_id", "order_id", "name", "email", "phone")
_READ_BYTES = 50_000
_FEWEST_SIGNS = 5  # shorter ones may stand in any text
_TEXTS = """
    select schema_name || '.' || table_name, column_name from duckdb_columns()
    where database_name = current_database() and schema_name = 'ops' and data_type in ('VARCHAR', 'BLOB')
    order by all"""


def personal_values(file: Path) -> set[str]:
    """Return ids, names, addresses and numbers of a delimited file, by a reader of its own."""
    raw = file.read_bytes()
    if raw[:2] == b"\x1f\x8b":  # as far as it goes: some of these files are broken on purpose
        raw = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(raw, _READ_BYTES)
    lines = raw.decode("utf-8", "replace").splitlines()
    header = next((line for line in lines if "customer_id" in line), "")
    delimiter = max(",;\t", key=header.count)
    names = header.split(delimiter)
    found = set()
    for line in lines[lines.index(header) + 1 :] if header else ():
        for name, value in zip(names, line.split(delimiter), strict=False):
            value = value.strip(' "')
            if name in PERSONAL and len(value) >= _FEWEST_SIGNS and value not in names:
                found.add(value)
    return found


def texts_of_error(error: BaseException) -> Iterator[str]:
    """Give all that an error shows, with its traceback, notes, attributes, and the errors it came from."""
    met: list[BaseException] = []
    coming: list[BaseException | None] = [error]
    while coming:
        one = coming.pop()
        if one is not None and one not in met:
            met.append(one)
            coming += [one.__cause__, one.__context__]
            yield f"{one} {one!r} {one.args!r} {getattr(one, '__notes__', '')} {vars(one)}"
    yield "".join(traceback.format_exception(error))


def texts_of_logs(records: list[logging.LogRecord]) -> Iterator[str]:
    """Give all that log records show, errors in them included."""
    for record in records:
        yield f"{record.getMessage()} {record.args!r} {record.exc_text}"
        if record.exc_info and record.exc_info[1]:
            yield from texts_of_error(record.exc_info[1])


def texts_of_tables(wh: Warehouse) -> Iterator[str]:
    """Give every text in the tables of ops, but the bytes of the quarantine, which are kept as delivered."""
    for table, column in wh.rows(_TEXTS):
        if (table, column) != ("ops.quarantine", "raw"):
            rows = wh.rows(f'select "{column}" from {table} where "{column}" is not null')
            yield f"{table}.{column}: " + "; ".join(str(value) for (value,) in rows)


def listen_to_all(caplog: pytest.LogCaptureFixture) -> None:
    """Let every logger there is tell everything, until the test ends."""
    for name in (None, *logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
