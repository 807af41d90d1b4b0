"""Do cells become the right values, for every rule a profile can state, and is what is wrong named?"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.cell_facts import NOTHING, facts_of
from crm_analytics.ingest.profile_file import parse_profile
from tests.ingest.mapped import mapped, shop

NEEDED = 'source_id = { from = "No" }\noccurred_at = { constant = "2024-01-01 00:00:00" }\n'


def one_value(rule: str, header: str, cells: str, *, column: str = "total_amount", top: str = "") -> Any:
    """Return what a single record gives a column of orders."""
    profile = shop(f"{NEEDED}{column} = {{ {rule} }}", top=top)
    result = mapped(profile, f"No,{header}\n1,{cells}\n")
    [row] = result.rows["orders"]
    return row[column]


@pytest.mark.parametrize(
    ("rule", "top", "cell", "expected"),
    [
        ('from = "A"', "", "12.5", "12.5"),
        ('from = "A"', "", "-12.5", "-12.5"),
        ('from = "A"', "", "\u221212.5", "-12.5"),
        ('from = "A"', "", "۱۲٬۵۰۰٫۵", "12500.5"),
        ('from = "A"', "", '"12,400.00"', None),
        ('from = "A"', '[dialect]\nthousands = ","', '"95,570.69"', "95570.69"),
        ('from = "A"', '[dialect]\nthousands = ","', '"9,5,570.69"', None),
        ('from = "A"', '[dialect]\nthousands = ","\nsigns = ["$"]', '"$12,400.00"', "12400"),
        ('from = "A"', '[dialect]\nthousands = ","\nsigns = ["$"]', '"-$12,400.00"', "-12400"),
        ('from = "A"', '[dialect]\nsigns = ["$"]', "1$2", None),
        ('from = "A"', '[dialect]\nsigns = ["ریال"]', "۱۵۰۰ ریال", "1500"),
        ('from = "A"', '[dialect]\ndelimiter = ";"\ndecimal = ","\nthousands = "."', '"1.234,50"', "1234.5"),
        ('from = "A"', '[dialect]\ndelimiter = ";"\ndecimal = ","', '"0,25"', "0.25"),
        ('from = "A"', '[dialect]\ndelimiter = ";"\ndecimal = ","', '"0.25"', None),
        (
            'from = "A"',
            '[dialect]\ndelimiter = ";"\ndecimal = ","\nthousands = " "',
            '"1\u202f234,5"',
            "1234.5",
        ),
        ('from = "A", factor = "0.01"', "", "45 %", "0.45"),
        ('from = "A", factor = "-1"', "", "45", "-45"),
        ('from = "A", unit = "toman"', "", "1500", "15000"),
        ('from = "A", unit = "rial"', "", "1500", "1500"),
        ('from = "A"', '[dialect]\nblanks = ["NULL"]', "null", None),
        ('cases = [{ if_true = "A", then = "7" }, { then = "8" }]', "", "yes", "7"),
        ('cases = [{ if_true = "A", then = "7" }, { then = "8" }]', "", "", "8"),
    ],
)
def test_number_is_read_as_declared(rule: str, top: str, cell: str, expected: str | None) -> None:
    found = one_value(rule, "A", cell, top=top)
    assert found == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("cell", "currency", "expected"),
    [("1050", "usd", "10.5"), ("1050", "JPY", "1050"), ("1050", "KWD", "1.05"), ("1050", "", None)],
)
def test_smallest_units_are_those_of_the_currency(cell: str, currency: str, expected: str | None) -> None:
    rules = 'currency = { from = "C" }\ntotal_amount = { from = "A", minor_units = true }'
    [row] = mapped(shop(NEEDED + rules), f"No,A,C\n1,{cell},{currency}\n").rows["orders"]
    assert row["total_amount"] == (None if expected is None else Decimal(expected))


def test_smallest_units_without_a_currency_cannot_be_told() -> None:
    with pytest.raises(ProfileError, match="smallest unit of a currency, but no currency is told"):
        mapped(shop(NEEDED + 'total_amount = { from = "A", minor_units = true }'), "No,A\n1,5\n")


@pytest.mark.parametrize(("header", "expected"), [("مبلغ (تومان)", 15000), ("مبلغ (ریال)", 1500)])
def test_header_tells_rial_from_toman(header: str, expected: int) -> None:
    rule = f'total_amount = {{ from = "{header}", unit = "header" }}'
    [row] = mapped(shop(NEEDED + rule), f"No,{header}\n1,1500\n").rows["orders"]
    assert row["total_amount"] == expected


def test_rial_or_toman_is_asked_and_never_guessed() -> None:
    profile = shop(NEEDED + 'total_amount = { from = "مبلغ", unit = "header" }')
    with pytest.raises(FileRefused, match="is it in rial or in toman") as refusal:
        mapped(profile, "No,مبلغ\n1,1500\n")
    assert refusal.value.reason == "undeclared_unit"
    declared = profile.with_options(money_unit="toman")
    assert mapped(declared, "No,مبلغ\n1,1500\n").rows["orders"][0]["total_amount"] == 15000


@pytest.mark.parametrize(
    ("rule", "cells", "expected"),
    [
        ('from = ["A", "B"]', "x,y,", "x-y"),
        ('from = ["A", "B"]', "x,,", None),
        ('from = ["A", "B"], join = " "', "x,,", "x"),
        ('from = ["A", "B"], join = " "', "x,y,", "x y"),
        ('first_of = ["A", "B"]', ",y,", "y"),
        ('first_of = ["C", ["A", "B"]], join = " "', "x,y,", "x y"),
        ('first_of = ["absent", "B"]', ",y,", "y"),
        ('from = "A", clean = "apostrophe"', "'0042,,", "0042"),
        ('from = "A", clean = "first_in_list"', "8001;8002,,", "8001"),
        ('from = "A", clean = "lower"', "ADA@EXAMPLE.COM,,", "ada@example.com"),
        ('from = "A", clean = "whole_number"', "17850.0,,", "17850"),
        ('from = "A", clean = "not_false"', "False,,", None),
        ('from = "A", clean = "zoho_id"', "zcrm_12,,", "12"),
        ('from = "A", clean = "fold_letters"', "۱۲ك,,", "12ک"),
        ('from = "A", clean = ["salesforce_id"]', "000000000000000AAA,,", None),
        ('from = "A", clean = ["salesforce_id"]', "001D000000IRt53,,", "001D000000IRt53IAD"),
        ('from = "A", clean = ["salesforce_id"]', "001D000000IRt53IAD,,", "001D000000IRt53IAD"),
        ('from = "A", clean = ["salesforce_id:003,00Q"]', "001D000000IRt53,,", None),
        ('cases = [{ if_starts = ["A", "00q"], from = "A" }]', "00Q1,,", "00Q1"),
        ('cases = [{ if_starts = ["A", "00q"], from = "A" }], from = "B"', "0031,z,", "z"),
        ('cases = [{ if_equal = ["A", "x", "y"], if_filled = "B", first_of = ["C", "B"] }]', "X,b,", "b"),
        ('cases = [{ if_differs = ["A", "B"], then = "new" }, { then = "" }]', "a,b,", "new"),
        ('cases = [{ if_differs = ["A", "B"], then = "new" }, { then = "" }]', "a,a,", None),
        ('cases = [{ if_false = "A", then = "no" }, { if_not_true = "A", then = "empty" }]', "0,,", "no"),
        ('cases = [{ if_false = "A", then = "no" }, { if_not_true = "A", then = "empty" }]', ",,", "empty"),
        ('cases = [{ if_empty = "absent", then = "none" }]', "a,,", "none"),
        ('from = "A", words = { "Bar" = "cash" }', "BAR,,", "cash"),
    ],
)
def test_text_is_chosen_joined_and_cleaned(rule: str, cells: str, expected: str | None) -> None:
    assert one_value(rule, "A,B,C", cells, column="customer_source_id") == expected


def test_cases_end_where_the_file_lacks_what_they_ask() -> None:
    rules = """
        source_id = { from = "Id" }
        created_at = { constant = "2024-01-01 00:00:00" }
        stage = { from = "Stage" }
        stage_kind = { cases = [
            { if_true = "Won", then = "won" }, { if_true = "Closed", then = "lost" }, { then = "open" } ] }
    """
    profile = shop(rules, entity="opportunities")
    both = mapped(profile, "Id,Stage,Won,Closed\n1,a,1,1\n2,b,0,1\n3,c,0,0\n").rows["opportunities"]
    assert [row["stage_kind"] for row in both] == ["won", "lost", "open"]
    [row] = mapped(profile, "Id,Stage,Closed\n2,b,1\n").rows["opportunities"]
    assert "stage_kind" not in row, "a closed deal may be a won one"


def test_cell_that_is_neither_yes_nor_no_is_reported_and_decides_nothing() -> None:
    profile = shop(NEEDED + 'status = { cases = [{ if_true = "A", then = "closed" }, { then = "draft" }] }')
    result = mapped(profile, "No,A\n1,maybe\n2,\n")
    assert [row["status"] for row in result.rows["orders"]] == [None, "draft"]
    assert ("bad_boolean", "status") in result.issues


def test_word_in_no_list_is_kept_and_reported() -> None:
    profile = shop(NEEDED + 'status = { from = "A", words = { "Paid" = "confirmed" } }')
    result = mapped(profile, "No,A\n1,PAID\n2,Draft\n3,odd\n")
    assert [row["status"] for row in result.rows["orders"]] == ["confirmed", "draft", "odd"]
    assert [one.detail for one in result.findings.issues] == ["'odd', first in record 3"]


SHOP_WITH_LINES = """
profile = "two"
source_system = "two"
[dialect]
default_currency = "EUR"
[rows]
fill_down = { by = "Name", columns = ["Email"] }
[[entity]]
name = "orders"
when = ["Paid"]
[entity.columns]
source_id = { from = "Name" }
occurred_at = { from = "Date" }
customer_source_id = { from = "Email" }
[[entity]]
name = "order_lines"
[entity.columns]
order_source_id = { from = "Name" }
line_source_id = { from = "Line", required = true }
customer_source_id = { from = "Email" }
quantity = { from = "Qty" }
unit_price = { from = "Price" }
[[entity]]
name = "consents"
when = [{ if_true = "Marketing" }]
[entity.columns]
customer_source_id = { from = "Email" }
channel = { constant = "email" }
occurred_at = { from = "Date" }
is_granted = { constant = true }
"""


def test_one_record_tells_of_several_entities() -> None:
    profile = parse_profile(SHOP_WITH_LINES, "two.toml")
    result = mapped(
        profile,
        """
Name,Email,Paid,Date,Line,Qty,Price,Marketing
#1,ada@example.com,paid,2024-01-05,L1,2,10.00,yes
#1,,,2024-01-05,L2,1,5.00,
#2,bob@example.com,paid,2024-01-06,,,,no
#3,eve@example.com,paid,2024-01-07,L3,x,1.00,
""",
    )
    assert [row["source_id"] for row in result.rows["orders"]] == ["#1", "#2"]
    lines = result.rows["order_lines"]
    assert [(row["line_source_id"], row["amount"]) for row in lines] == [
        ("L1", Decimal(20)),
        ("L2", Decimal(5)),
    ]
    assert lines[1]["customer_source_id"] == "ada@example.com"
    assert {row["currency"] for row in lines} == {"EUR"}
    assert [row["customer_source_id"] for row in result.rows["consents"]] == ["ada@example.com"]
    [fault] = result.faults
    assert (fault.record_number, fault.target, fault.column, fault.reason, fault.place) == (
        4, "order_lines", "quantity", "bad_number", 5,
    )  # fmt: skip


def test_record_that_tells_of_nothing_is_set_aside_only_where_its_keys_are_blank() -> None:
    profile = parse_profile(SHOP_WITH_LINES, "two.toml")
    result = mapped(
        profile, "Name,Email,Paid,Date,Line,Qty,Price,Marketing\n#9,a@example.com,,2024-01-05,,,,\n"
    )
    assert result.reasons == [(1, "", "tells_nothing")]
    only = shop(NEEDED.replace("\n", "\n", 1), top="").main
    assert only.when == ()
    whens = parse_profile(SHOP_WITH_LINES.split('[[entity]]\nname = "order_lines"', maxsplit=1)[0], "x")
    sound = mapped(whens, "Name,Email,Paid,Date\n#9,a@example.com,,2024-01-05\n#9,,paid,2024-01-05\n")
    assert (sound.reasons, sound.issues) == ([], [("not_told", "")])


def test_entity_whose_columns_the_file_lacks_is_told_as_absent() -> None:
    profile = parse_profile(SHOP_WITH_LINES, "two.toml")
    result = mapped(profile, "Name,Email,Paid,Date\n#1,a@example.com,paid,2024-01-05\n")
    assert list(result.rows) == ["orders"]
    assert [one.detail for one in result.findings.issues if one.issue == "entity_not_told"] == [
        "order_lines: the file lacks 'Line' and 'Qty'"
    ]


def test_a_cell_of_several_ids_becomes_a_row_of_each_and_none_twice() -> None:
    profile = shop(NEEDED.replace('source_id = { from = "No" }', 'source_id = { from = "No", each = ";" }'))
    rows = mapped(profile, 'No\n"1; 2;1;"\n3\n').rows["orders"]
    assert [row["source_id"] for row in rows] == ["1", "2", "3"]


def test_a_time_that_the_file_does_not_tell_is_that_of_its_receipt() -> None:
    profile = shop(NEEDED + 'cancelled_at = { from = "Cancelled", constant = "received" }')
    rows = mapped(profile, "No,Cancelled\n1,2024-01-05T00:00:00Z\n2,\n").rows["orders"]
    assert [row["cancelled_at"].date().isoformat() for row in rows] == ["2024-01-05", "2025-06-30"]


def test_deleted_rows_are_marked() -> None:
    profile = shop(NEEDED + 'is_deleted = { from = "IsDeleted" }')
    rows = mapped(profile, "No,IsDeleted\n1,1\n2,false\n").rows["orders"]
    assert [row["is_deleted"] for row in rows] == [True, False]


def test_personal_values_are_shown_only_on_request() -> None:
    profile = shop('source_id = { from = "No" }\nbirth_on = { from = "Born" }', entity="customers")
    result = mapped(profile, "No,Born\n1,1990-02-30\n2,1990-02-03\n")
    assert [one.detail for one in result.findings.issues] == ["value withheld, first in record 1"]


def test_repeated_header_is_no_record() -> None:
    profile = shop(NEEDED.replace("constant", "from").replace("2024-01-01 00:00:00", "Date"))
    result = mapped(profile, "No,Date\n1,2024-01-01\nNo,Date\n2,2024-01-02\n")
    assert result.reasons == [(2, "", "repeated_header")]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a", "b c"], (False, False, True, False, None)),
        (["a", None], (True, False, True, False, None)),
        (["a ", "b"], (False, True, True, False, None)),
        (["\u00a0a", "b"], (False, True, False, False, None)),
        (["a\x01", "b"], (False, False, False, False, None)),
        (["1.5", "20"], (False, False, True, True, None)),
        ([".5", "20"], (False, False, True, False, None)),
        (["2024-01-05", ""], (True, False, True, False, "day")),
        (["2024-01-05T23:59:59", "2024-01-05 00:00:00"], (False, False, True, False, "second")),
        (["2024-01-05T24:00:00"], (False, False, True, False, None)),
        (["2024-01-05", "2024-01-05 00:00:00"], (False, False, True, False, None)),
        (["2024-01-0a"], (False, False, True, False, None)),
    ],
)
def test_bytes_of_a_column_show_what_its_cells_have_in_common(
    texts: list[str | None], expected: tuple[Any, ...]
) -> None:
    for column in (pa.array(["#", *texts], pa.string()).slice(1), pa.array(texts, pa.large_string())):
        one = facts_of(pa.chunked_array([column]))
        assert (one.has_blank, one.has_outer_blanks, one.is_ascii, one.is_number, one.iso) == expected
    assert facts_of(pa.chunked_array([pa.array([1])])) == NOTHING


ODD_CELLS = [
    "", " ", "1", "1.5", "+3", "-2", ".5", "1.23456", "1e5", "nan", "12,5", "۱۲", "99999999999999", "XYZ",
    "2024-02-29", "2024-02-30", "2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-01-05T10:00:00Z", "yes",
    "1403/05/12", "EUR", "eur", "x\u200by", "1.23E+12", "#REF!", "a b ", "\u00a0q", "2031-01-01", "draft",
    "0001-01-01",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_quick_way_and_thorough_way_say_the_same(seed: int) -> None:
    draw = random.Random(seed)
    profile = shop(
        """
        source_id = { from = "No" }
        occurred_at = { from = "At" }
        customer_source_id = { from = "Who" }
        status = { from = "State" }
        currency = { from = "Cur" }
        total_amount = { from = "Sum" }
        cancelled_at = { from = "Due" }
        """,
        top='[dialect]\ntimezone = "Europe/Berlin"',
    )
    usual = ["A1", "2024-01-05 10:00:00", "C1", "draft", "EUR", "12.50", "2024-01-05"]
    lines = ["No,At,Who,State,Cur,Sum,Due"]
    for number in range(60):
        cells = [draw.choice(ODD_CELLS) if draw.random() < 0.15 * (seed > 0) else f"{text}" for text in usual]
        cells[0] = cells[0] and f"{cells[0]}{number}"
        lines.append(",".join(f'"{cell}"' for cell in cells))
    text = "\n".join(lines)
    quick = mapped(profile, text, zone="America/Bogota", block_rows=20)
    with patch("crm_analytics.ingest.mapping.Mapper._convert_quickly", lambda _, cells: (None, cells)):
        thorough = mapped(profile, text, zone="America/Bogota", block_rows=20)
    assert quick == thorough
    assert len(quick.faults) + len(quick.rows["orders"]) == 60


def test_day_of_the_warehouse_decides_what_is_in_the_future() -> None:
    profile = shop(NEEDED.replace("constant", "from").replace("2024-01-01 00:00:00", "Date"))
    result = mapped(profile, "No,Date\n1,2025-06-30\n2,2025-07-01\n")
    assert result.reasons == [(2, "occurred_at", "future_date")]
    [row] = result.rows["orders"]
    assert row["occurred_at"].astimezone(UTC) == datetime(2025, 6, 30, tzinfo=UTC)
    assert row["occurred_at"].date() == date(2025, 6, 30)
