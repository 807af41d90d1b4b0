"""Are the footers of reports left out, and nothing else?"""

from __future__ import annotations

import pyarrow as pa

from crm_analytics.ingest.footers import WithoutFooters
from crm_analytics.ingest.records import Block, BrokenRecord

FOOTERS = ["Grand Totals", "Confidential"]


def block(first: int, *texts: str, broken: tuple[int, ...] = ()) -> Block:
    """A block of two columns; the records whose place is in `broken` cannot be read."""
    sound = [(first + place, text) for place, text in enumerate(texts) if place not in broken]
    cells = pa.table(
        {
            "c0": pa.array(["" for _ in sound], pa.string()),
            "c1": pa.array([text for _, text in sound], pa.string()),
            "record_number": pa.array([number for number, _ in sound], pa.int64()),
        }
    )
    unread = tuple(
        BrokenRecord(first + place, 1, 0, f'"{texts[place]}"\n'.encode(), "too_few_fields")
        for place in broken
    )
    return Block(cells, unread, len(texts), lambda row: (row, 0, b""))


def left(*blocks: Block, footers: list[str] = FOOTERS) -> tuple[list[int], int, list[int]]:
    """Numbers of the records that stay, how many blocks say that they have, and what the footers state."""
    passing = WithoutFooters(blocks, footers)
    found = list(passing)
    numbers = [
        number
        for one in found
        for number in [*one.cells["record_number"].to_pylist(), *(each.number for each in one.broken)]
    ]
    return sorted(numbers), sum(one.record_count for one in found), passing.stated


def test_trailing_footers_are_no_records_whether_they_can_be_read_or_not() -> None:
    one = block(1, "a", "b", "Grand totals (2 records)", "CONFIDENTIAL Information", broken=(3,))
    assert left(one) == ([1, 2], 2, [2])


def test_footer_that_is_followed_by_a_record_is_a_record() -> None:
    assert left(block(1, "a", "Grand Totals", "b")) == ([1, 2, 3], 3, [])
    assert left(block(1, "a", "Grand Totals"), block(3, "b")) == ([1, 2, 3], 3, [])


def test_a_footers_words_beside_all_that_a_record_must_tell_are_a_record() -> None:
    names = ["c0", "c1", "c2", "record_number"]
    rows = [("Ada", "o1", "2024", 1), ("Copyright Ltd", "o2", "2024", 2), ("Copyright 2024", "", "", 3)]
    cells = pa.table([list(column) for column in zip(*rows, strict=True)], names=names)
    passing = WithoutFooters([Block(cells, (), 3, lambda row: (row, 0, b""))], ["copyright"], [(1,), (2,)])
    assert [one.cells["c1"].to_pylist() for one in passing] == [["o1", "o2"]]
    only = WithoutFooters([Block(cells, (), 3, lambda row: (row, 0, b""))], ["copyright"], [(0,)])
    assert [one.cells["c1"].to_pylist() for one in only] == [["o1", "o2"]]


def test_a_record_that_lacks_its_id_is_no_footer_and_totals_beside_numbers_are() -> None:
    names = ["c0", "c1", "c2", "record_number"]
    rows = [("Copyright claim", "Won", "", 1), ("Grand Totals (2 records)", "EUR 5,000.00", "", 2)]
    cells = pa.table([list(column) for column in zip(*rows, strict=True)], names=names)
    passing = WithoutFooters([Block(cells, (), 2, lambda row: (row, 0, b""))], ["copyright", "grand"], [(2,)])
    assert [one.cells["c0"].to_pylist() for one in passing] == [["Copyright claim"]]


def test_the_name_and_the_time_of_a_report_are_footers_where_they_cannot_be_records() -> None:
    lines = ["a", "b,c", "Quarterly report", "Confidential", "2024-05-01 10:00"]
    assert left(block(1, *lines, broken=(1, 2, 3, 4))) == ([1, 2], 2, [])
    assert left(block(1, "a", "Report", "10:00", broken=(1, 2))) == ([1, 2, 3], 3, [])
    two_lines_above = block(1, "a", "b", "Report", "Confidential", broken=(1, 2, 3))
    assert left(two_lines_above) == ([1, 2], 2, [])
    whole = pa.table({"c0": ["Ada", "Report", ""], "c1": ["o1", "", ""], "record_number": [1, 2, 3]})
    end = Block(
        whole, (BrokenRecord(4, 1, 0, b'"Confidential"\n', "too_few_fields"),), 4, lambda row: (row, 0, b"")
    )
    assert [one.record_count for one in WithoutFooters([end], FOOTERS, [(1,)])] == [1]


def test_footers_may_lie_in_several_blocks() -> None:
    blocks = (block(1, "a", "Grand Totals (1,200 rows)"), block(3, "Confidential"), block(4, "Confidential"))
    assert left(*blocks) == ([1], 1, [1200])


def test_profile_without_footers_leaves_everything() -> None:
    assert left(block(1, "a", "Grand Totals"), footers=[]) == ([1, 2], 2, [])
