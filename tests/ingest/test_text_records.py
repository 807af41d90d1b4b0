"""Are records found where RFC 4180 has them, whatever the quotes, newlines and block borders?"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analytics.errors import FileRefused
from crm_analytics.ingest import text_records
from crm_analytics.ingest.records import Block, Part
from crm_analytics.ingest.source import Text
from crm_analytics.ingest.text_records import Layout, text_blocks

CHUNK = 7


def split(text: bytes, encoding: str = "utf-8", delimiter: bytes = b",") -> list[Block]:
    delivered = text.decode().encode(encoding) if encoding != "utf-8" else text
    chunks = [(delivered[at : at + CHUNK], at) for at in range(0, len(delivered), CHUNK)]
    part = Part("x.csv", Path("x.csv"), "", "text", len(delivered), lambda: iter(chunks))
    return list(text_blocks(Text(part, encoding), Layout("x.csv", 3, delimiter)))


def broken(text: bytes) -> list[tuple[int, int, str, int | None]]:
    return [(one.number, one.line, one.reason, one.field) for block in split(text) for one in block.broken]


def sound(blocks: list[Block]) -> list[list[str]]:
    return [
        [record[f"c{place}"] for place in range(3)] for block in blocks for record in block.cells.to_pylist()
    ]


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
    encoding=st.sampled_from(["utf-8", "utf-16-le", "cp1252"]),
)
def test_well_formed_text_is_read_whole_at_any_block_size(
    rows: list[list[str]], newline: str, quoting: int, block_bytes: int, encoding: str
) -> None:
    if quoting == csv.QUOTE_MINIMAL:
        # The writer of Python 3.11 leaves newlines that are not its own unquoted.
        rows = [["".join(one.split()) for one in row] for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=newline, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_records, "BLOCK_BYTES", block_bytes)
        patch.setattr(text_records, "_BEYOND_BYTES", 4)
        data = text.getvalue().encode()
        assert broken(data) == []
        blocks = split(data, encoding)
        assert sound(blocks) == rows
        assert [number for block in blocks for number in block.cells["record_number"].to_pylist()] == list(
            range(1, len(rows) + 1)
        )
        delivered = text.getvalue().encode(encoding)
        for block in blocks:
            for row in range(block.cells.num_rows):
                line, offset, raw = block.place(row)
                assert delivered[offset : offset + len(raw)] == raw
                before = delivered[:offset].decode(encoding)
                assert line == len((before + "x").splitlines())


PLAIN = b"".join(b"%d,b,%d\n" % (number, number) for number in range(20))


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        (PLAIN, b","),
        (PLAIN.replace(b"\n", b"\r\n"), b","),
        (PLAIN.replace(b"\n", b"\r"), b","),
        (PLAIN.replace(b"\n", b",\n"), b","),
        (PLAIN.replace(b"\n", b",\n") + b"1,2,3,4\n", b","),
        (PLAIN + b"\n \n1,2\n3,4,5\n\x00,1,2\n\xff,1,2\n" + PLAIN, b","),
        (PLAIN + b",,\n" + PLAIN[:-1], b","),
        (PLAIN.replace(b",", b"\t") + b"\t\t\n \t\t\n\t\tx\n", b"\t"),
        (PLAIN + b"1," + b"x" * 200 + b",3\n" + PLAIN, b","),
        (PLAIN + "é,ü,ß\n".encode() + PLAIN, b","),
    ],
)
def test_stretches_without_quotes_are_read_as_those_with_quotes_are(
    monkeypatch: pytest.MonkeyPatch, text: bytes, delimiter: bytes
) -> None:
    monkeypatch.setattr(text_records, "BLOCK_BYTES", 64)
    monkeypatch.setattr(text_records, "_BEYOND_BYTES", 4)
    monkeypatch.setattr(text_records, "MAX_FIELD_CHARACTERS", 100)
    quick = split(text, delimiter=delimiter)
    monkeypatch.setattr(text_records, "_plain_block", lambda *_: None)
    thorough = split(text, delimiter=delimiter)
    assert sound(quick) == sound(thorough)
    assert [one for block in quick for one in block.broken] == [
        one for block in thorough for one in block.broken
    ]
    assert [block.place(row) for block in quick for row in range(block.cells.num_rows)] == [
        block.place(row) for block in thorough for row in range(block.cells.num_rows)
    ]
