"""Do the values of JSON come out exactly, and is what is broken set aside to the byte?"""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analytics import Warehouse, load
from crm_analytics.errors import FileRefused
from crm_analytics.ingest import json_reader
from crm_analytics.ingest.json_cells import BrokenJson, json_cells
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.readers import headers, read
from crm_analytics.ingest.records import Block, Part
from crm_analytics.ingest.row_blocks import number_text
from crm_analytics.ingest.source import open_source
from tests.ingest.export_files import written


def part_of(folder: Path, content: bytes, name: str = "a.json") -> Part:
    [part] = open_source(written(folder, name, content))
    assert isinstance(part, Part)
    return part


def blocks(part: Part, **dialect: Any) -> list[Block]:
    return list(read(part, Dialect(**dialect)).blocks())


def cells(part: Part, **dialect: Any) -> list[dict[str, str | None]]:
    """Return the sound records by column."""
    delivery = read(part, Dialect(**dialect))
    return [
        dict(zip(delivery.header, [row[f"c{place}"] for place in range(len(delivery.header))], strict=True))
        for block in delivery.blocks()
        for row in block.cells.to_pylist()
    ]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'[{"id": 1}]', "json"),
        (b' \n[\n {"id": 1}\n]\n', "json"),
        (b'{"value": [{"id": 1}]}', "json"),
        (b'{\n "value": [\n{"id": 1},\n{"id": 2},\n{"id": 3}\n]\n}', "json"),
        (b'{"id": 1}\n{"id": 2}\n', "ndjson"),
        (b'{"id": 1\n{"id": 2}\n{"id": 3}\n', "ndjson"),
        (b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2}', "ndjson"),
        (b"[id],name\nC1,Ada\n", "text"),
        (b"{id},name\nC1,Ada\n", "text"),
        ('{"id": 1}\n{"id": 2}'.encode("utf-16"), "ndjson"),
        ('[{"id": 1}]'.encode("utf-16-be"), "json"),
    ],
)
def test_the_bytes_tell_the_kind(tmp_path: Path, content: bytes, kind: str) -> None:
    assert part_of(tmp_path, content, "export.txt").kind == kind


def test_a_lone_object_is_a_line_only_by_its_name(tmp_path: Path) -> None:
    content = b'{"id": "O1", "lines": [{"sku": "A"}]}'
    assert part_of(tmp_path, content, "a.json").kind == "json"
    assert (
        part_of(tmp_path, content, "a.jsonl").kind == part_of(tmp_path, content, "a.ndjson").kind == "ndjson"
    )


RECORD = b"""{"id": 12345678901234567890, "amount": 12.50, "small": 1.5e-7, "whole": 7.0, "big": 1E3,
 "ok": true, "none": null, "empty": "", "text": " caf\xc3\xa9 \\u0041 ",
 "owner": {"id": "U1", "team": {"name": "North"}},
 "tags": ["a", 1.50, {"b": null}], "nothing": [], "void": {}}"""


def test_values_are_exact_text() -> None:
    assert json_cells(RECORD, ".") == {
        "id": "12345678901234567890",
        "amount": "12.50",
        "small": "0.00000015",
        "whole": "7",
        "big": "1000",
        "ok": "true",
        "none": None,
        "empty": "",
        "text": " café A ",
        "owner.id": "U1",
        "owner.team.name": "North",
        "tags": '["a", 1.50, {"b": null}]',
        "nothing": None,
    }
    assert json_cells(b'{"amount": 12.50, "text": "1.5"}', ",") == {"amount": "12,50", "text": "1.5"}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_numbers_keep_their_value(number: Any) -> None:
    text = json_cells(b'{"n": ' + str(number).encode() + b"}", ".")["n"]
    assert text is not None
    assert type(number)(text) == number
    assert "e" not in text.lower()


def test_an_exponent_is_no_bomb() -> None:
    assert number_text("1e999999999") == "1e999999999"


@pytest.mark.parametrize(
    ("record", "reason", "key"),
    [
        (b'{"id": 1', "bad_json", None),
        (b"", "bad_json", None),
        (b'{"id": 1}, ', "bad_json", None),
        (b"{'id': 1}", "bad_json", None),
        (b'{"id": 01}', "bad_json", None),
        (b'{"id": "a\tb"}', "bad_json", None),
        (b"[1]", "not_an_object", None),
        (b'"id"', "not_an_object", None),
        (b"null", "not_an_object", None),
        (b'{"id": 1, "id": 1}', "duplicate_key", "id"),
        (b'{"a": {"b": 1}, "a.b": 2}', "duplicate_key", "a.b"),
        (b'{"a": {"b": 1, "b": 2}}', "duplicate_key", "b"),
        (b'{"id": NaN}', "non_finite", None),
        (b'{"id": [-Infinity]}', "non_finite", None),
        (b'{"a": ' * 70 + b"1" + b"}" * 70, "too_deep", None),
        (b'{"a": ' + b"[" * 70 + b"1" + b"]" * 70 + b"}", "too_deep", None),
        (b'{"a": ' + b"[" * 200_000, "too_deep", None),
        (b'{"id": "\xff"}', "invalid_encoding", None),
    ],
)
def test_what_is_no_record_has_its_reason(record: bytes, reason: str, key: str | None) -> None:
    with pytest.raises(BrokenJson, match=reason) as broken:
        json_cells(record, ".")
    assert broken.value.key == key


def test_broken_lines_are_set_aside_to_the_byte_and_the_others_come(tmp_path: Path) -> None:
    lines = [
        b'{"id": "C1", "name": "Ada"}\r\n',
        b"\n",
        b'{"id": "C2", "na\n',
        b'{"id": "C3", "name": "\xff"}\n',
        b'{"id": "C4", "city": "Oslo"}\n',
        b'{"name": "\\ud800", "id": "C5"}\n',
        b'{"name": "\\u0000", "id": "C6"}\n',
        b'{"id": "C7", "name": "last"}',
    ]
    part = part_of(tmp_path, b"".join(lines), "a.ndjson")
    [block] = blocks(part)
    assert block.record_count == 7
    assert cells(part) == [
        {"id": "C1", "name": "Ada", "city": None},
        {"id": "C4", "name": None, "city": "Oslo"},
        {"id": "C7", "name": "last", "city": None},
    ]
    assert [(one.number, one.line, one.reason, one.field) for one in block.broken] == [
        (2, 3, "bad_json", None),
        (3, 4, "invalid_encoding", None),
        (5, 6, "invalid_encoding", 1),
        (6, 7, "nul_byte", 1),
    ]
    assert [one.raw for one in block.broken] == [lines[2], lines[3], lines[5], lines[6]]
    content = b"".join(lines)
    assert all(content[one.offset :].startswith(one.raw) for one in block.broken)
    assert block.place(1) == (5, content.index(lines[4]), lines[4])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("has_mark", [True, False])
def test_utf_16_is_read_and_kept_as_delivered(tmp_path: Path, encoding: str, has_mark: bool) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}[encoding] if has_mark else b""
    lines = ['{"id": "é"}\n'.encode(encoding), '{"id": \n'.encode(encoding), '{"id": "ß"}\n'.encode(encoding)]
    part = part_of(tmp_path, mark + b"".join(lines), "a.ndjson")
    [block] = blocks(part)
    [broken] = block.broken
    assert cells(part) == [{"id": "é"}, {"id": "ß"}]
    assert (broken.raw, broken.offset) == (lines[1], len(mark + lines[0]))
    assert block.place(1) == (3, len(mark + lines[0] + lines[1]), lines[2])


def test_a_declared_encoding_is_used(tmp_path: Path) -> None:
    part = part_of(tmp_path, '[{"id": "café"}]'.encode("cp1252"))
    assert cells(part, encoding="cp1252") == [{"id": "café"}]
    with pytest.raises(
        FileRefused, match=r"byte 12 is not UTF-8\. Say encoding='cp1252' or 'cp1256' \(--enc"
    ):
        blocks(part)


def test_columns_that_come_late_are_columns(tmp_path: Path) -> None:
    lines = [json.dumps({"id": number}) for number in range(json_reader._RECOGNISED_BY)]
    part = part_of(tmp_path, "\n".join([*lines, '{"id": -1, "late": "x"}']).encode(), "a.ndjson")
    assert headers(part, Dialect()) == [("", ("id",))]
    assert read(part, Dialect()).header == ("id", "late")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'[{"id": 1}, {"id": 2}]', [{"id": "1"}, {"id": "2"}]),
        (b'{"records": [{"id": 1}], "done": true, "meta": {"x": [1]}}', [{"id": "1"}]),
        (b'{"id": "O1", "lines": [{"sku": "A"}]}', [{"id": "O1", "lines": '[{"sku": "A"}]'}]),
        (b'{"owner_id": 1, "lines": [{"sku": "A"}]}', [{"owner_id": "1", "lines": '[{"sku": "A"}]'}]),
        (b'{"name": "Ada", "tags": []}', [{"name": "Ada", "tags": None}]),
        (b"[]", []),
    ],
)
def test_the_records_of_a_document(tmp_path: Path, content: bytes, found: list[dict[str, str]]) -> None:
    assert cells(part_of(tmp_path, content)) == found


def test_records_of_a_document_have_their_places(tmp_path: Path) -> None:
    content = '[{"id": "é"},\n  {"id": "C2",\n   "id": "C3"},\n 5, {"id": "C4"}]\n'.encode()
    [block] = blocks(part_of(tmp_path, content))
    assert [(one.number, one.line, one.reason) for one in block.broken] == [
        (2, 2, "duplicate_key"),
        (3, 4, "not_an_object"),
    ]
    assert all(content[one.offset :].startswith(one.raw) for one in block.broken)
    assert block.place(1) == (4, content.index(b'{"id": "C4"}'), b'{"id": "C4"}')


def test_what_an_envelope_counts_is_a_control_total(tmp_path: Path) -> None:
    part = part_of(tmp_path, b'{"totalSize": 3, "done": false, "records": [{"id": 1}]}')
    assert read(part, Dialect()).controls() == {"records": 3}
    assert read(part_of(tmp_path, b'{"total": 9, "records": [{"id": 1}]}'), Dialect()).controls() == {}


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (b'[{"id": 1}, {"id": ', "truncated", "ends too early"),
        (b'[{"id": 1}, {"id": "x', "truncated", "ends too early"),
        (b'[{"id": 1},', "truncated", "ends too early"),
        (b'{"records": [{"id": 1}]', "truncated", "ends too early"),
        (b'[{"id": 1}\n {"id": 2}]', "bad_json", "line 2: no JSON at column 2"),
        (b'[{"id": 1}] [{"id": 2}]', "bad_json", "more text after the end"),
        (b'{"a": [{"id": 1}], "b": [{"id": 2}]}', "not_a_table", r"several lists of records \('a', 'b'\)"),
        (b"[" * 100_000, "too_deep", "nested deeper than 64"),
        (b'[{"id": "\xff"}]', "invalid_encoding", "byte 9 is not UTF-8"),
    ],
)
def test_a_broken_document_is_refused(tmp_path: Path, content: bytes, reason: str, words: str) -> None:
    with pytest.raises(FileRefused, match=words) as refusal:
        blocks(part_of(tmp_path, content))
    assert refusal.value.reason == reason


def test_limits_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "MAX_DOCUMENT_BYTES", 100)
    monkeypatch.setattr(json_reader, "MAX_RECORD_BYTES", 100)
    with pytest.raises(FileRefused, match=r"more than 100 bytes.*NDJSON"):
        blocks(part_of(tmp_path, json.dumps([{"id": "x" * 100}]).encode()))
    with pytest.raises(FileRefused, match="line 2: no line end in") as refusal:
        blocks(part_of(tmp_path, b'{"id": 1}\n{"id": "' + b"x" * 200 + b'"', "a.ndjson"))
    assert refusal.value.reason == "record_too_long"


def test_too_many_keys_are_refused(tmp_path: Path) -> None:
    record = {f"k{number}": 1 for number in range(5000)}
    with pytest.raises(FileRefused, match="5,000 columns; at most 4,096"):
        headers(part_of(tmp_path, json.dumps([record]).encode()), Dialect())


def test_lines_may_be_packed_by_gzip(tmp_path: Path) -> None:
    part = part_of(tmp_path, gzip.compress(b'{"id": 1}\n{"id": 2}\n', mtime=0), "a.ndjson.gz")
    assert (part.kind, part.notes) == ("ndjson", ())
    assert cells(part) == [{"id": "1"}, {"id": "2"}]


def test_lines_stream_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_analytics.ingest.row_blocks.BLOCK_CHARACTERS", 200)
    part = part_of(tmp_path, b"".join(b'{"id": "%d"}\n' % number for number in range(10)), "a.ndjson")
    found = blocks(part)
    assert len(found) > 2
    assert [number for block in found for number in block.cells["record_number"].to_pylist()] == [
        *range(1, 11)
    ]
    assert found[-1].read_bytes == part.size


def test_a_list_is_no_id(tmp_path: Path) -> None:
    file = tmp_path / "c.ndjson"
    rows = ['{"customer_id": "C1", "name": "Ada"}', '{"customer_id": ["C3"], "name": "Bob"}']
    file.write_text("\n".join(rows) + "\n")
    with Warehouse.open() as wh:
        [account] = load(wh, file)
        assert (account.rows_loaded, account.reasons) == (1, {"list_as_id": 1})
        assert wh.rows("select source_id from entities.customers") == [("C1",)]
