"""Is it told which of our records an unknown file tells of, and which of ours its columns fill?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics.ingest.profile_file import parse_profile
from tests.ingest.drafted import drafted, loaded_by_its_draft


def test_the_day_of_an_event_is_required_and_names_are_no_ids(tmp_path: Path) -> None:
    _, text = drafted(
        tmp_path,
        "order no,date,customer,qty,amount\n1,2024-01-05,Ada Example,1,5\n2,2024-01-06,Bob Example,2,7\n",
    )
    assert 'occurred_at = { from = "date", required = true }' in text
    assert 'customer_source_id = { from = "customer"' not in text


@pytest.mark.parametrize(
    "text",
    [
        "Kundennr;Kunde;Rechnungsdatum;Menge;Einzelpreis\nK1;Ada B;13.04.2024;2;1,50\n",
        "Kundennr;Luontipäivä;Hinta\nK1;13.04.2024;1,50 €\nK2;14.04.2024;7,00 €\n",
        "Kundennr;E-Mail;Luontipäivä;Hinta\nK1;a@example.com;13.04.2024;1,50\nK1;a@example.com;14.04.2024;7,00\n",
    ],
    ids=["names", "nothing else", "customer twice"],
)
def test_list_of_sales_without_an_order_number_is_no_list_of_customers(tmp_path: Path, text: str) -> None:
    _, draft = drafted(tmp_path, text)
    assert 'name = "order_lines"  # a day beside money or quantities' in draft
    assert '# order_source_id = { from = "?" }  # REQUIRED' in draft


def test_customers_with_plain_numbers_and_a_day_stay_customers(tmp_path: Path) -> None:
    _, draft = drafted(
        tmp_path,
        "Kundennr;E-Mail;Geburtsdatum;Letzter Besuch;Punkte\n"
        "K1;a@example.com;01.02.1990;13.04.2024;15\nK2;b@example.com;02.03.1991;14.04.2024;7\n",
    )
    assert parse_profile(draft, "draft").main.entity == "customers"


@pytest.mark.parametrize(("unit", "total"), [("ریال", "20500.0000"), ("تومان", "205000.0000")])
def test_money_whose_header_ends_in_its_unit_is_loaded(tmp_path: Path, unit: str, total: str) -> None:
    header = f"شماره سند,کد مشتری,خریدار,تاریخ,تعداد,مبلغ نهایی به {unit}\n"
    rows = "F1,C1,آرش نمونه,1403/05/12,1,12500\nF2,C2,مینا نمونه,1403/05/13,1,8000\n"
    _, lines = loaded_by_its_draft(tmp_path, header + rows)
    assert lines == [(2, total, "IRR")]
    _, text = drafted(tmp_path, header.replace("نهایی", "نامعلوم") + rows)
    assert f'"مبلغ نامعلوم به {unit}" = "DECIDE"  # money? Write a rule for it below, or [] here' in text
    assert '# amount = { from = "?" }  # DECIDE: no name tells money. Numbers: "مبلغ نامعلوم' in text
