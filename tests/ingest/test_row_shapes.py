"""Do records that share cells, subtotals and headings of groups become plain records?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.ingest.row_shapes import footer_count
from tests.ingest.mapped import Result, mapped, shop

LINES = """
order_source_id = { from = "Order" }
customer_source_id = { from = "Email" }
quantity = { from = "Qty" }
"""
BY_ORDER = '[rows]\nfill_down = { by = "Order", columns = ["Email"] }'


def told(result: Result) -> list[tuple[str, str | None]]:
    """Return order and customer of every line."""
    return [(row["order_source_id"], row["customer_source_id"]) for row in result.rows["order_lines"]]


@pytest.mark.parametrize("block_rows", [1, 2, 100])
def test_cells_are_filled_from_the_record_above_with_the_same_key(block_rows: int) -> None:
    profile = shop(LINES, entity="order_lines", top=BY_ORDER)
    text = "Order,Email,Qty\n#1,a@example.com,1\n#1,,2\n,,3\n#2,,4\n#3,b@example.com,5\n,,6\n"
    result = mapped(profile, text, block_rows=block_rows)
    assert told(result) == [
        ("#1", "a@example.com"),
        ("#1", "a@example.com"),
        ("#1", "a@example.com"),
        ("#2", None),
        ("#3", "b@example.com"),
        ("#3", "b@example.com"),
    ]


@pytest.mark.parametrize("block_rows", [1, 100])
def test_nothing_is_filled_across_a_record_that_could_not_be_read(block_rows: int) -> None:
    profile = shop(LINES, entity="order_lines", top=BY_ORDER)
    text = "Order,Email,Qty\n#1,a@example.com,1\n#2,b@example.com,2\n,,3\n#1,,4\n"
    result = mapped(profile, text, missing=(2,), block_rows=block_rows)
    assert result.reasons == [(3, "order_source_id", "missing_value")]
    assert told(result) == [("#1", "a@example.com"), ("#1", None)]


@pytest.mark.parametrize("block_rows", [1, 3, 100])
def test_grouped_report_is_read_without_its_subtotals(block_rows: int) -> None:
    profile = shop(
        LINES.replace("Email", "Account"),
        entity="order_lines",
        top='[rows]\nfill_down = { columns = ["Account"] }\nignore = ["Subtotal", "Count"]',
    )
    text = """
Account,Order,Qty
Ada Ltd,#1,1
,#2,2
Subtotal,,3
Count (2),,2
Bob Ltd,#3,4
Total Energies,#4,5
"""
    result = mapped(profile, text, block_rows=block_rows)
    assert told(result) == [("#1", "Ada Ltd"), ("#2", "Ada Ltd"), ("#3", "Bob Ltd"), ("#4", "Total Energies")]
    assert result.ignored == 2
    assert ("ignored_row", 2) in [(one.issue, one.row_count) for one in result.findings.issues]


@pytest.mark.parametrize("block_rows", [1, 100])
def test_a_blank_beside_something_told_is_no_group(block_rows: int) -> None:
    top = '[rows]\nfill_down = { columns = ["Email"], leading = true }'
    profile = shop(LINES, entity="order_lines", top=top)
    grouped = mapped(profile, "Email,Order,Qty\na@example.com,#1,1\n,#2,2\n", block_rows=block_rows)
    assert told(grouped) == [("#1", "a@example.com"), ("#2", "a@example.com")]
    flat = mapped(profile, "Order,Email,Qty\n#1,a@example.com,1\n#2,,2\n", block_rows=block_rows)
    assert told(flat) == [("#1", "a@example.com"), ("#2", None)]


def test_text_before_other_words_is_a_name_and_no_subtotal() -> None:
    profile = shop(LINES, entity="order_lines", top='[rows]\nignore = ["Total"]')
    text = "Order,Email,Qty\nTotal Energies,a@example.com,1\nTOTAL:,,9\nTotal (3),,9\n"
    result = mapped(profile, text)
    assert told(result) == [("Total Energies", "a@example.com")]
    assert result.ignored == 2


def test_heading_of_a_group_is_told_by_its_pattern_and_by_what_it_lacks() -> None:
    profile = shop(LINES, entity="order_lines", top='[rows]\nignore = ["/.* \\\\([0-9]+\\\\)/"]')
    text = "Order,Email,Qty\nGermany (2),,\nOrder (2),a@example.com,1\n"
    result = mapped(profile, text)
    assert told(result) == [("Order (2)", "a@example.com")]
    assert result.ignored == 1


def test_footer_states_a_number_of_records() -> None:
    assert footer_count('"Grand Totals (1,204 records)"') == 1204
    assert footer_count("Confidential Information") is None


ODOO = (
    "Order Reference,Order Date,Customer,Status,Order Lines/Product,Order Lines/Quantity,"
    "Order Lines/Unit Price\n"
)


def test_lines_on_continuation_rows_have_the_order_of_the_row_above_without_any_other_column_to_fill(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(ODOO + "S1,2024-01-05 10:00:00,Acme Test,Sales Order,Cup,2,10.00\n,,,,Plate,3,5.00\n")
    with Warehouse.open() as wh:
        [account] = load(wh, file, default_currency="EUR")
        assert (account.profile, account.rows_loaded, account.rows_merged) == ("odoo_sale_order", 2, 0)
        assert wh.rows(
            "select order_source_id, cast(sum(quantity * unit_price) as integer) from entities.order_lines "
            "group by all"
        ) == [("S1", 35)]


def test_a_line_without_its_order_is_set_aside_and_never_merged(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(ODOO + ",,,,Plate,3,5.00\nS1,2024-01-05 10:00:00,Acme Test,Sales Order,Cup,2,10.00\n")
    with Warehouse.open() as wh:
        [account] = load(wh, file, default_currency="EUR")
        assert (account.rows_loaded, account.rows_merged) == (1, 0)
        assert account.reasons == {"missing_value": 1}
