"""Are records found where RFC 4180 has them, whatever the quotes, newlines and block borders?"""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analytics.errors import FileRefused
from crm_analytics.ingest import text_records
from crm_analytics.ingest.text_records import Block, split_records


def split(text: bytes, columns: int = 3) -> list[Block]:
    return list(split_records(text, 0, line=1, columns=columns, delimiter=b",", file="x.csv"))


def broken(text: bytes, columns: int = 3) -> list[tuple[int, int, str, int | None]]:
    return [
        (one.number, one.line, one.reason, one.field)
        for block in split(text, columns)
        for one in block.broken
    ]


def sound(text: bytes) -> list[list[str]]:
    joined = b"".join(block.sound for block in split(text)).decode()
    return list(csv.reader(io.StringIO(joined, newline="")))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'a,12" mug,c\n', []),
        (b'"a",12" mug 13",c\n', []),
        (b'"a,b",c,"d""e"\n', []),
        (b'"",,""\n', []),
        (b"a,b\n", [(1, 1, "too_few_fields", None)]),
        (b"a,b,c,d\n1,2,3\n", [(1, 1, "too_many_fields", None)]),
        (b'1,2,3\n\n"a" ,b,c\n', [(2, 3, "bad_quote", 0)]),
        (b'"x\ny",2,3\n1,2\n', [(2, 3, "too_few_fields", None)]),
        (b"1,2,3\n1,\x00,3\n", [(2, 2, "nul_byte", 1)]),
        (b"1,2,3\n1,2,\xff\n", [(2, 2, "invalid_encoding", 2)]),
        (b"1,2,3,\n4,5,6,\n", []),
        (b"1,2,3,\n4,5,6,7\n8,9,10\n", [(2, 2, "too_many_fields", None), (3, 3, "too_few_fields", None)]),
    ],
)
def test_broken_records_are_named_with_place_and_reason(
    text: bytes, found: list[tuple[int, int, str, int | None]]
) -> None:
    assert broken(text) == found


@pytest.mark.parametrize(
    "text", [b'1,2,3\na,"b,c\nd,e,f\n', b'1,2,3\na,"b,c\nd,"e",f\n', b'1,2,3\na,"b,c\nd,e,"f"\n']
)
def test_open_quote_refuses_the_file_and_names_its_line(text: bytes) -> None:
    with pytest.raises(FileRefused, match=r"x\.csv, line 2: a quote is opened") as refusal:
        split(text)
    assert refusal.value.line == 2


def test_line_without_end_is_refused_instead_of_filling_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_records, "BLOCK_BYTES", 64)
    monkeypatch.setattr(text_records, "MAX_RECORD_BYTES", 1024)
    with pytest.raises(FileRefused, match="line 2: no line end in 2,048 bytes"):
        split(b"a,b,c\n" + b"x" * 5000)


FIELDS = st.text(alphabet=st.sampled_from('ab",\n\r é'), max_size=5)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.lists(FIELDS, min_size=3, max_size=3), min_size=1, max_size=8),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block_bytes=st.sampled_from([8, 33, 10_000]),
)
def test_well_formed_text_is_read_whole_at_any_block_size(
    rows: list[list[str]], newline: str, quoting: int, block_bytes: int
) -> None:
    if quoting == csv.QUOTE_MINIMAL:
        # The writer of Python 3.11 leaves newlines that are not its own unquoted.
        rows = [["".join(one.split()) for one in row] for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=newline, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_records, "BLOCK_BYTES", block_bytes)
        data = text.getvalue().encode()
        assert broken(data) == []
        assert sound(data) == rows
        lines = [int(line) for block in split(data) for line in block.lines]
        starts = [int(start) for block in split(data) for start in block.starts]
    assert lines == [1 + len((data[:start] + b"x").splitlines()) - 1 for start in starts]
