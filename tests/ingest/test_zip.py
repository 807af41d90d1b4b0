"""Is every member of an archive a load of its own, and is a hostile archive harmless?"""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crm_analytics.errors import FileRefused
from crm_analytics.ingest import archive
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.source import open_source
from tests.ingest.export_files import archive as zipped
from tests.ingest.export_files import workbook, written

CSV = b"customer_id,name\nC1,Ada\nC2,Bob\n"


def told(path: Path, **options: int) -> list[str]:
    """Return what became of each part: its kind, or the reason it is refused for."""
    parts = open_source(path, **options)
    return [
        f"{one.name} {one.kind}" if isinstance(one, Part) else f"{one.file} {one.reason}" for one in parts
    ]


def content(part: Part | FileRefused) -> bytes:
    assert isinstance(part, Part)
    return b"".join(piece for piece, _ in part.chunks())


def test_members_are_parts_in_their_order(tmp_path: Path) -> None:
    path = written(tmp_path, "export.zip", zipped({"b.csv": CSV, "in/a.json": b'[{"id": 1}]', "c.csv": CSV}))
    assert told(path) == ["export.zip/b.csv text", "export.zip/in/a.json json", "export.zip/c.csv text"]
    parts = open_source(path)
    assert content(parts[0]) == CSV
    assert isinstance(parts[0], Part)
    assert isinstance(parts[2], Part)
    assert parts[0].sha256 == parts[2].sha256 != parts[1].sha256  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_usual_way_of_packing_is_read(tmp_path: Path, method: int) -> None:
    path = written(tmp_path, "export.zip", zipped({"a.csv": CSV * 1000}, method=method))
    [part] = open_source(path)
    assert content(part) == CSV * 1000


def test_a_workbook_in_an_archive_gives_its_sheets(tmp_path: Path) -> None:
    book = workbook({"People": [["customer_id"], ["C1"]], "Empty": []})
    path = written(tmp_path, "export.zip", zipped({"book.xlsx": book, "a.csv": CSV}))
    assert told(path) == ["export.zip/book.xlsx/People workbook", "export.zip/a.csv text"]


def test_what_cannot_be_read_is_refused_by_itself(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "export.zip",
        zipped(
            {
                "form.csv": b"%PDF-1.7 ...",
                "inner.zip": zipped({"a.csv": CSV}),
                "packed.csv.gz": gzip.compress(CSV, mtime=0),
                "nothing.csv": b"",
                "sound.csv": CSV,
            }
        ),
    )
    assert told(path) == [
        "export.zip/form.csv not_a_table",
        "export.zip/inner.zip nested_archive",
        "export.zip/packed.csv.gz nested_archive",
        "export.zip/nothing.csv empty_file",
        "export.zip/sound.csv text",
    ]


def test_members_that_are_no_exports_are_passed_over_and_told(tmp_path: Path) -> None:
    members = {"a.csv": CSV, "photo.jpg": b"x", "__MACOSX/a.csv": b"x", "in/.hidden.csv": b"x", "in/": b""}
    [part] = open_source(written(tmp_path, "export.zip", zipped(members)))
    assert isinstance(part, Part)
    [(issue, sentence)] = part.notes
    assert (issue, sentence) == ("passed_over_member", "no exports by their endings, passed over: photo.jpg")


def test_an_archive_without_exports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"no member of the archive is an export .*\.csv"):
        open_source(written(tmp_path, "photos.zip", zipped({"photo.jpg": b"x"})))


@pytest.mark.parametrize(
    "name",
    [
        "../../up.csv",
        "/etc/root.csv",
        "C:\\windows\\a.csv",
        "a/../../b.csv",
        "\u202eevil.csv",
        "x" * 400 + ".csv",
    ],
)
def test_names_of_members_are_labels_and_never_paths(tmp_path: Path, name: str) -> None:
    inbox = tmp_path / "in" / "box"
    inbox.mkdir(parents=True)
    path = written(inbox, "export.zip", zipped({name: CSV}))
    [part] = open_source(path)
    assert isinstance(part, Part)
    assert content(part) == CSV
    assert part.path == path
    assert part.name.isprintable()
    assert len(part.name) < 250
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["export.zip"]


def test_an_encrypted_member_is_refused_in_words(tmp_path: Path) -> None:
    packed = bytearray(zipped({"secret.csv": CSV, "open.csv": CSV}))
    central = packed.index(b"PK\x01\x02")
    packed[6] |= 1
    packed[central + 8] |= 1
    refusal, part = open_source(written(tmp_path, "export.zip", bytes(packed)))
    assert isinstance(refusal, FileRefused)
    assert (refusal.reason, refusal.file) == ("encrypted", "export.zip/secret.csv")
    assert "encrypted. Unpack the archive and load what is inside" in str(refusal)
    assert content(part) == CSV


def test_a_member_with_a_wrong_checksum_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    packed = bytearray(zipped({"bad.csv": CSV, "good.csv": CSV}, method=zipfile.ZIP_STORED))
    packed[packed.index(b"Ada")] ^= 1
    assert told(written(tmp_path, "export.zip", bytes(packed))) == [
        "export.zip/bad.csv corrupt",
        "export.zip/good.csv text",
    ]


def test_two_members_of_one_name_are_both_refused(tmp_path: Path) -> None:
    packed = zipped({"a.csv": CSV, "b.csv": CSV + b"C3,Eve\n"}).replace(b"b.csv", b"a.csv")
    path = written(tmp_path, "export.zip", packed)
    assert told(path) == ["export.zip/a.csv corrupt", "export.zip/a.csv corrupt"]


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.98])
def test_a_truncated_archive_is_refused(tmp_path: Path, kept: float) -> None:
    packed = zipped({"a.csv": CSV * 50, "b.csv": CSV})
    with pytest.raises(FileRefused, match=r"not whole|damaged") as refusal:
        open_source(written(tmp_path, "export.zip", packed[: int(len(packed) * kept)]))
    assert refusal.value.reason in ("truncated", "corrupt")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = zipped({"a.csv": b"0" * (60 * 1024 * 1024)})
    path = written(tmp_path, "export.zip", bomb)
    with pytest.raises(FileRefused, match=r"max_expanded_bytes= \(--max-expanded-bytes\)") as refusal:
        open_source(path)
    assert refusal.value.reason == "expansion_limit"
    assert told(path, max_expanded_bytes=100 * 1024 * 1024) == ["export.zip/a.csv text"]


def test_many_members_count_together(tmp_path: Path) -> None:
    members = {f"{number}.csv": b"0" * (6 * 1024 * 1024) for number in range(10)}
    with pytest.raises(FileRefused, match="expand to 62,914,560") as refusal:
        open_source(written(tmp_path, "export.zip", zipped(members)))
    assert refusal.value.reason == "expansion_limit"


def _claims(size: int) -> Callable[[bytearray], None]:
    def change(packed: bytearray) -> None:
        struct.pack_into("<I", packed, packed.index(b"PK\x01\x02") + 24, size)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_claims(2 * 1024**3), "expansion_limit"),
        (_claims(len(CSV) + 1), "corrupt"),
        (_claims(len(CSV) - 1), "corrupt"),
        (_claims(0), "corrupt"),
    ],
    ids=["two gigabytes", "one byte more", "one byte less", "nothing"],
)
def test_sizes_that_an_archive_claims_falsely_lose_and_add_nothing(
    tmp_path: Path, change: Callable[[bytearray], None], reason: str
) -> None:
    packed = bytearray(zipped({"a.csv": CSV}))
    change(packed)
    path = written(tmp_path, "export.zip", bytes(packed))
    try:
        [found] = open_source(path)
    except FileRefused as refusal:
        found = refusal
    assert isinstance(found, FileRefused)
    assert found.reason in (reason, "truncated")


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    with pytest.raises(FileRefused, match="3 members; at most 2"):
        open_source(written(tmp_path, "export.zip", zipped(dict.fromkeys(("a.csv", "b.csv", "c.csv"), CSV))))


def test_a_method_of_packing_that_is_not_read_is_named(tmp_path: Path) -> None:
    packed = bytearray(zipped({"a.csv": CSV}))
    struct.pack_into("<H", packed, packed.index(b"PK\x01\x02") + 10, 93)
    [refusal] = open_source(written(tmp_path, "export.zip", bytes(packed)))
    assert "packed by a method that is not read (93)" in str(refusal)


def test_a_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    packed = zipped({"a.csv": CSV, "": b"1"})
    assert told(written(tmp_path, "export.zip", packed)) == ["export.zip/a.csv text"]
