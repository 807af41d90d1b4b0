"""Do the values of Parquet come out as exact text, a block at a time?"""

from __future__ import annotations

import gzip
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.profile import Dialect
from crm_analytics.ingest.readers import headers, read
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.source import open_source
from tests.ingest.export_files import archive, written


def parquet(columns: dict[str, pa.Array], **options: Any) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made, **options)
    return made.getvalue()


def part_of(folder: Path, content: bytes, name: str = "a.parquet") -> Part:
    [part] = open_source(written(folder, name, content))
    assert isinstance(part, Part)
    return part


def column(part: Part, name: str = "c0", **dialect: Any) -> list[str | None]:
    return [
        value for block in read(part, Dialect(**dialect)).blocks() for value in block.cells[name].to_pylist()
    ]


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([1, None, 2**63 - 1]), ["1", None, "9223372036854775807"]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([7.0, 12.3, float("nan"), 1e-7]), ["7", "12.3", None, "0.0000001"]),
        (pa.array([2.0**53, 1e21]), ["9.0071992547409920e+15", "1.0000000000000000e+21"]),
        (pa.array([0.1, 7], pa.float32()), ["0.1", "7"]),
        (pa.array([1.5], pa.float16()), ["1.5"]),
        (
            pa.array([Decimal("1.50"), Decimal("12345678901234567890.12")]),
            ["1.50", "12345678901234567890.12"],
        ),
        (pa.array([Decimal("1.50")], pa.decimal256(50, 2)), ["1.50"]),
        (pa.array([date(2024, 2, 6)]), ["2024-02-06"]),
        (pa.array([time(10, 5)], pa.time64("us")), ["10:05:00"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array(["é", "", None]), ["é", "", None]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.array([b"ab"]), ["ab"]),
        (pa.array([[Decimal("1.50"), None], [], None]), ["[1.50, null]", None, None]),
        (pa.array([[{"a": ["é"]}]]), ['[{"a": ["é"]}]']),
        (pa.array([[datetime(2024, 2, 6, 10, tzinfo=UTC)]]), ['["2024-02-06T10:00:00+00:00"]']),
        (pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())), ['[["k", 1]]', None]),
        (pa.nulls(2), [None, None]),
    ],
    ids=str,
)
def test_values_are_exact_text(tmp_path: Path, array: pa.Array, texts: list[str | None]) -> None:
    assert column(part_of(tmp_path, parquet({"value": array}))) == texts


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_iso_and_instants_end_in_z(tmp_path: Path, unit: str) -> None:
    moments = [datetime(2024, 2, 6, 10, 5, 7, tzinfo=UTC), None]
    zoned = pa.array(moments, pa.timestamp("us", "Europe/Berlin")).cast(pa.timestamp(unit, "Europe/Berlin"))
    local = zoned.cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit))
    part = part_of(tmp_path, parquet({"zoned": zoned, "local": local}))
    assert column(part, "c0") == ["2024-02-06 10:05:07Z", None]
    assert column(part, "c1") == ["2024-02-06 10:05:07", None]


def test_parts_of_a_second_are_kept_to_the_microsecond(tmp_path: Path) -> None:
    nanoseconds = pa.array([1_707_214_507_123_456_789], pa.int64())
    part = part_of(
        tmp_path,
        parquet(
            {
                "local": nanoseconds.cast(pa.timestamp("ns")),
                "zoned": nanoseconds.cast(pa.timestamp("ns", "UTC")),
            }
        ),
    )
    assert column(part, "c0") == ["2024-02-06 10:15:07.123456"]
    assert column(part, "c1") == ["2024-02-06 10:15:07.123456Z"]


def test_structs_become_columns(tmp_path: Path) -> None:
    people = pa.array([{"id": "C1", "owner": {"id": 7}}, None])
    part = part_of(tmp_path, parquet({"person": people}))
    assert headers(part, Dialect()) == [("", ("person.id", "person.owner.id"))]
    assert column(part, "c1") == ["7", None]


def test_words_of_a_dictionary_inside_a_struct_are_texts(tmp_path: Path) -> None:
    words = pa.StructArray.from_arrays([pa.array(["x", "y", "x"]).dictionary_encode()], names=["word"])
    assert column(part_of(tmp_path, parquet({"a": words}))) == ["x", "y", "x"]


def test_numbers_have_the_decimal_mark_of_the_dialect(tmp_path: Path) -> None:
    content = parquet({"n": pa.array([1.5]), "d": pa.array([Decimal("2.50")]), "text": pa.array(["3.5"])})
    part = part_of(tmp_path, content)
    assert [column(part, name, decimal=",") for name in ("c0", "c1", "c2")] == [["1,5"], ["2,50"], ["3.5"]]


def test_blocks_follow_each_other_and_keep_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_analytics.ingest.parquet_reader.BLOCK_ROWS", 4)
    ids = pa.array([f"C{number}" for number in range(10)])
    part = part_of(tmp_path, parquet({"id": ids, "id2": ids}, row_group_size=3))
    delivery = read(part, Dialect())
    for _ in range(2):
        found = list(delivery.blocks())
        assert [number for block in found for number in block.cells["record_number"].to_pylist()] == [
            *range(1, 11)
        ]
        assert max(block.record_count for block in found) <= 4
    assert found[-1].place(found[-1].record_count - 1) == (10, 0, b'{"id": "C9", "id2": "C9"}')
    assert found[-1].read_bytes == part.size


def test_a_member_of_an_archive_is_read(tmp_path: Path) -> None:
    packed = archive({"in/a.parquet": parquet({"id": pa.array(["C1"])})})
    part = part_of(tmp_path, packed, "export.zip")
    assert (part.name, column(part)) == ("export.zip/in/a.parquet", ["C1"])


def test_parquet_inside_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(parquet({"id": pa.array(["C1"])}), mtime=0)
    with pytest.raises(FileRefused, match=r"packed twice \(gzip around it\)"):
        part_of(tmp_path, packed, "a.parquet.gz")


@pytest.mark.parametrize("kept", [4, 0.4, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    content = parquet({"id": pa.array([f"C{number}" for number in range(1000)])})
    cut = content[: int(kept if kept > 1 else len(content) * kept)]
    with pytest.raises(FileRefused, match="the Parquet file is damaged"):
        column(part_of(tmp_path, cut))


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    content = bytearray(
        parquet(
            {"id": pa.array([f"C{number}" for number in range(1000)])},
            write_page_checksum=True,
            compression="none",
            use_dictionary=False,
        )
    )
    content[content.index(b"C500")] ^= 1
    with pytest.raises(FileRefused, match="the Parquet file is damaged"):
        column(part_of(tmp_path, bytes(content)))


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    content = parquet({"idé": pa.array(["C1"])}, store_schema=False).replace("é".encode(), b"\xc3(")
    with pytest.raises(FileRefused, match="the Parquet file is damaged"):
        column(part_of(tmp_path, content))


def test_texts_that_are_none_are_set_aside_and_the_others_come(tmp_path: Path) -> None:
    binary = pa.array([b"Ada", b"\xff", b"a\x00b", b"x" * 1_000_001, "é".encode()], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(binary), binary.buffers())
    part = part_of(tmp_path, parquet({"id": pa.array(range(5)), "name": texts}))
    [block] = read(part, Dialect()).blocks()
    assert block.cells.to_pylist() == [
        {"c0": "0", "c1": "Ada", "record_number": 1},
        {"c0": "4", "c1": "é", "record_number": 5},
    ]
    assert [(one.number, one.reason, one.field) for one in block.broken] == [
        (2, "invalid_encoding", 1),
        (3, "nul_byte", 1),
        (4, "field_too_long", 1),
    ]
    assert block.broken[0].raw == b'{"id": "1", "name": "\\\\xff"}'
    assert block.record_count == 5
    assert block.place(1)[0] == 5
