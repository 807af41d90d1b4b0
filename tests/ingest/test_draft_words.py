"""Is what a person must decide marked in a draft, and is nothing loaded before it is decided?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_analytics.errors import ProfileError, UsageError
from crm_analytics.ingest import load
from crm_analytics.ingest.check import check_profile
from crm_analytics.ingest.draft import draft_profile
from crm_analytics.ingest.profile_file import parse_profile
from crm_analytics.warehouse import Warehouse
from tests.ingest.drafted import FRENCH, RECEIVED, drafted


def test_what_a_person_must_decide_is_marked_and_not_guessed(tmp_path: Path) -> None:
    _, text = drafted(
        tmp_path, "order no,date,customer,qty,مبلغ\n1,01/02/2024,K1,1,500\n2,03/04/2024,K2,2,700\n"
    )
    assert '# DECIDE: date_format = "%d/%m/%Y" or "%m/%d/%Y"' in text
    assert '# DECIDE: unit = "rial" or unit = "toman"' in text
    assert 'unit = "header"' in text


def test_points_before_three_digits_are_to_be_decided_and_amounts_without_currency_are_told(
    tmp_path: Path,
) -> None:
    rows = "A1;K1;03.04.2024;1;1.234\nA2;K2;25.06.2024;2;2.500\nA3;K2;07.06.2024;2;900\n"
    file, text = drafted(tmp_path, "Auftrag;Kunde;Datum;Menge;Betrag\n" + rows)
    profile = tmp_path / "export.toml"
    profile.write_text(text)
    assert '# DECIDE: in "Betrag" each mark stands before three digits' in text
    line = text.splitlines().index('decimal = "DECIDE"') + 1
    decide = r"is for you to decide.*1\.234 is 1234 where thousands"
    told = rf'export.toml \[dialect\], line {line}: decimal = "DECIDE" {decide}'
    with Warehouse.open() as wh, pytest.raises(UsageError, match=told):
        load(wh, file, profile=str(profile), received_at=RECEIVED)
    with pytest.raises(UsageError, match=told):
        check_profile(file, str(profile), received_at=RECEIVED)
    profile.write_text(text.replace('"DECIDE"', '","\nthousands = "."'))
    with Warehouse.open() as wh:
        [account] = load(wh, file, profile=str(profile), received_at=RECEIVED)
    [issue] = [one for one in account.issues if one.issue == "no_currency"]
    assert (issue.row_count, "default_currency" in issue.detail) == (3, True)


def test_commas_before_three_digits_are_to_be_decided_and_plain_numbers_are_not(tmp_path: Path) -> None:
    header = "Order,Customer,Date,Quantity,Amount\n"
    _, text = drafted(tmp_path, header + 'A1,K1,2024-04-03,1,"1,234"\nA2,K2,2024-04-04,1,"2,500"\n')
    assert '# 1,234 is one and a bit with decimal = ","' in text
    assert 'decimal = "DECIDE"' in text
    _, text = drafted(tmp_path, header + 'A1,K1,2024-04-03,1,"1,234.50"\nA2,K2,2024-04-04,1,"2,500"\n')
    assert "DECIDE" not in text.partition("[dialect]")[2].partition("timezone")[0]
    assert 'thousands = ","' in text


def test_missing_key_is_asked_for_with_candidates(tmp_path: Path) -> None:
    _, text = drafted(tmp_path, "name,e-mail,code\nAda,ada@example.com,a1\nBob,bob@example.com,b2\n")
    assert '# source_id = { from = "?" }  # REQUIRED' in text
    assert '"code"' in text
    with pytest.raises(ProfileError, match="source_id must be filled"):
        parse_profile(text, "draft")


def test_draft_says_which_profile_fits_already(tmp_path: Path) -> None:
    _, text = drafted(tmp_path, "customer_id,name,email\nC1,Ada,ada@example.com\n")
    assert "The profile 'customers' fits this file already" in text


def test_an_untouched_draft_of_a_file_without_header_says_which_line_to_complete(tmp_path: Path) -> None:
    file, text = drafted(tmp_path, "K1;Ada Example;ada@example.com\nK2;Bob Example;bob@example.com\n")
    profile = tmp_path / "export.toml"
    profile.write_text(text)
    with pytest.raises(
        UsageError, match=r"source_id must be filled\. Complete line \d+ of the draft"
    ) as error:
        check_profile(file, str(profile), received_at=RECEIVED)
    [number] = re.findall(r"line (\d+)", str(error.value))
    lines = text.splitlines()
    line = lines[int(number) - 1]
    assert line.startswith('# source_id = { from = "?" }')
    lines[int(number) - 1] = line.removeprefix("# ").replace("?", "column_1")
    profile.write_text("\n".join(lines))
    [found] = check_profile(file, str(profile), received_at=RECEIVED)
    assert (found.refusal, found.rows) == (None, {"customers": 2})


def test_rows_of_totals_are_left_out_by_the_draft_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        "Customer ID,Name,Email,Points\nC1,Ada,a@example.com,3\nC2,Bob,b@example.com,4\nTotal:,,,7\n"
    )
    text = draft_profile(file)
    assert 'ignore = ["Total"]' in text
    assert parse_profile(text, "draft.toml").rows.ignore == ("Total",)
    file.write_text("Customer ID,Name\nC1,Total\nC2,Bob\n")
    assert "[rows]" not in draft_profile(file)


def test_money_that_no_name_tells_is_to_be_decided_before_anything_is_loaded(tmp_path: Path) -> None:
    file, text = drafted(tmp_path, FRENCH.replace("Prix unitaire HT", "Somme versée"))
    line = text.splitlines().index(next(one for one in text.splitlines() if '= "DECIDE"' in one)) + 1
    profile = tmp_path / "export.toml"
    profile.write_text(text)
    told = rf'export.toml \[headers\], line {line}: Somme versée = "DECIDE" is for you to decide'
    with pytest.raises(UsageError, match=told):
        check_profile(file, str(profile), received_at=RECEIVED)
    with Warehouse.open() as wh:
        with pytest.raises(UsageError, match=told):
            load(wh, file, profile=str(profile), received_at=RECEIVED)
        profile.write_text(text.replace('"DECIDE"', "[]"))
        [account] = load(wh, file, profile=str(profile), received_at=RECEIVED)
    assert [
        (one.row_count, one.detail.partition(":")[0]) for one in account.issues if one.issue == "no_amount"
    ] == [(2, "order_lines")]
