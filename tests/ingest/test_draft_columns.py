"""Is it told what the columns of an unknown file hold: ids or names, ids of lines, money with tax?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.ingest.drafted import drafted, loaded_by_its_draft


def test_name_of_a_customer_never_stands_in_for_the_id(tmp_path: Path) -> None:
    rows = "A1;;Ada;2024-04-03;1;5\nA2;1002;Ben;2024-06-25;2;7\n"
    _, text = drafted(tmp_path, "Auftrag;Kundennummer;Kunde;Datum;Menge;Betrag\n" + rows)
    assert 'customer_source_id = { from = "Kundennummer"' in text
    assert 'name = { from = "Kunde" }' in text
    assert "first_of" not in text


LINE_HEADER = "Auftrag;{};Kunde;Datum;Artikel;Menge;Betrag;Währung\n"


def lines_of(header: str, numbers: list[tuple[str, str]]) -> str:
    """Return a file of lines of 10 EUR: order and number of each."""
    rows = (f"{order};{number};K1;2024-03-05;Tasse;1;10,00;EUR\n" for order, number in numbers)
    return LINE_HEADER.format(header) + "".join(rows)


@pytest.mark.parametrize("header", ["Position", "line_id"])
def test_a_number_within_the_order_is_no_id_of_a_line_and_no_line_is_lost(
    tmp_path: Path, header: str
) -> None:
    numbers = [(f"A{order}", str(line)) for order in range(1, 51) for line in (1, 2, 3)]
    text, lines = loaded_by_its_draft(tmp_path, lines_of(header, numbers) + "Summe;;;;;;1500,00;\n")
    assert lines == [(150, "1500.0000", "EUR")]
    assert "# values repeat: a number within the order, not an id; joined with the order's" in text
    assert f'line_source_id = {{ from = ["Auftrag", "{header}"] }}' in text


@pytest.mark.parametrize(
    ("numbers", "rule", "why"),
    [
        ([("A1", "L71"), ("A1", "L72"), ("A2", "L80")], '"line_id"', ""),
        ([("A1", "L71"), ("A1", "L71"), ("A2", "L80")], '"line_id"', ""),
        ([("A1", "1"), ("A1", "2"), ("A2", "3")], '["Auftrag", "line_id"]', "values count the lines"),
        ([("A1", "10"), ("A1", "20")], '["Auftrag", "line_id"]', "the lines of one order"),
        ([("A1", "L71"), ("A1", ""), ("A2", "L80")], None, "some are empty"),
        ([("A1", "x"), ("A2", "x"), ("A2", "y")], '["Auftrag", "line_id"]', "values repeat"),
    ],
)
def test_ids_of_lines_are_taken_where_they_are_ids(
    tmp_path: Path, numbers: list[tuple[str, str]], rule: str | None, why: str
) -> None:
    _, text = drafted(tmp_path, lines_of("line_id", numbers))
    assert re.findall(r"^line_source_id = \{ from = (.*) \}$", text, re.MULTILINE) == [rule] * bool(rule)
    assert why in text
    assert ("not an id" in text or "joined" in text) == bool(why)


def test_a_number_that_comes_twice_in_an_order_is_left_out_and_a_true_id_goes_first(tmp_path: Path) -> None:
    text = (
        "order no,position,line id,customer id,date,item,qty,amount\n"
        "A1,1,L7,K1,2024-03-05,Mug,1,10\nA1,1,L8,K1,2024-03-05,Cup,1,10\nA2,1,L9,K1,2024-03-06,Cup,1,10\n"
    )
    _, draft = drafted(tmp_path, text)
    assert 'line_source_id = { from = "line id" }' in draft
    assert '"position" = []  # number (all 3); another column is the id of a line' in draft
    _, draft = drafted(tmp_path, text.replace("line id", "colour"))
    assert "line_source_id" not in draft
    assert '"position" = []  # number (all 3); values repeat: a number within the order, not an id' in draft


def test_amounts_with_tax_give_way_to_those_without(tmp_path: Path) -> None:
    rows = "R1;K1;13.04.2024;1;11,90;10,00\nR2;K2;14.04.2024;1;23,80;20,00\n"
    _, draft = drafted(tmp_path, "Rechnungsnr;Kundennr;Datum;Menge;Betrag brutto;Betrag netto\n" + rows)
    assert 'amount = { from = "Betrag netto" }' in draft
    assert '"Betrag brutto" = []  # number (all 2); with tax; another column is without' in draft
