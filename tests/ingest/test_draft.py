"""Is a drafted profile a good beginning, and does the check tell what would be loaded?"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_analytics.errors import FileRefused, ProfileError, UsageError
from crm_analytics.ingest import load
from crm_analytics.ingest.check import check_profile
from crm_analytics.ingest.draft import draft_profile
from crm_analytics.ingest.look import look_at
from crm_analytics.ingest.profile_file import parse_profile
from crm_analytics.normalise.state_words import order_state, order_states
from crm_analytics.vocabulary import WORDS
from crm_analytics.warehouse import Warehouse

RECEIVED = datetime(2025, 6, 30, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "how-to-add" / "export-profile.md"


def drafted(folder: Path, text: str, encoding: str = "utf-8") -> tuple[Path, str]:
    """Write a file and return it with the draft of its profile."""
    file = folder / "export.csv"
    file.write_text(text, encoding=encoding)
    return file, draft_profile(file)


def test_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {})
    [example] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert [one.name for one in parse_profile(example, "page").targets] == ["order_lines", "customers"]


def test_persian_export_is_drafted_and_checked(tmp_path: Path) -> None:
    file, text = drafted(
        tmp_path,
        "شماره فاکتور;تاريخ;كد مشتري;نام مشتری;موبایل;نام کالا;تعداد;قیمت واحد (تومان);رنگ\n"
        "F-1;1403/05/12;C1;آرش نمونه;۰۹۱۲۰۰۰۰۰۰۱;فنجان;۲;۱۲٬۵۰۰;آبی\n"
        "F-2;1403/05/13;C2;مینا نمونه;09120000002;بشقاب;1;80000;\n",
    )
    profile = tmp_path / "export.toml"
    profile.write_text(text, encoding="utf-8")
    [found] = check_profile(file, str(profile), received_at=RECEIVED)
    assert found.rows == {"order_lines": 2, "customers": 2}
    assert (found.records, found.reasons, found.unread, found.refusal) == (2, {}, ("رنگ",), None)
    columns = {(one.target, one.column): one for one in found.columns}
    assert columns["order_lines", "occurred_at"].values[0].startswith("2024-08-02")
    assert columns["order_lines", "unit_price"].values == ("125000.0000", "800000.0000")
    assert columns["customers", "phone"].values == ("99999999999", "99999999999"), (
        "personal values are hidden"
    )
    assert "Jalali date (all 2)" in text
    assert '"رنگ"' in text


def test_every_column_has_its_guess_and_reason(tmp_path: Path) -> None:
    _, text = drafted(
        tmp_path,
        "customer_no,full name,e-mail,signup date,shoe\nK1,Ada Ex,ada@example.com,29/02/2024,41\n"
        "K2,Bob Ex,bob@example.com,01/03/2024,42\n",
    )
    for header in ("customer_no", "full name", "e-mail", "signup date", "shoe"):
        assert f'"{header}"' in text
    assert 'date_format = "%d/%m/%Y"' in text
    assert "the first number goes up to 29" in text
    assert parse_profile(text, "draft").main.entity == "customers"


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


def test_name_of_a_customer_never_stands_in_for_the_id(tmp_path: Path) -> None:
    rows = "A1;;Ada;2024-04-03;1;5\nA2;1002;Ben;2024-06-25;2;7\n"
    _, text = drafted(tmp_path, "Auftrag;Kundennummer;Kunde;Datum;Menge;Betrag\n" + rows)
    assert 'customer_source_id = { from = "Kundennummer"' in text
    assert 'name = { from = "Kunde" }' in text
    assert "first_of" not in text


def test_missing_key_is_asked_for_with_candidates(tmp_path: Path) -> None:
    _, text = drafted(tmp_path, "name,e-mail,code\nAda,ada@example.com,a1\nBob,bob@example.com,b2\n")
    assert '# source_id = { from = "?" }  # REQUIRED' in text
    assert '"code"' in text
    with pytest.raises(ProfileError, match="source_id must be filled"):
        parse_profile(text, "draft")


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Kundennr;Name\nK1;Müller\nK2;Jäger\n", "cp1252", "cp1252"),
        ("کد مشتري;نام\nK1;علي\nK2;مهدي\n".replace("ی", "ي"), "cp1256", "cp1256"),
    ],
)
def test_encoding_is_guessed_where_it_is_not_utf8(
    tmp_path: Path, text: str, encoding: str, expected: str
) -> None:
    _, draft = drafted(tmp_path, text, encoding)
    assert f'encoding = "{expected}"' in draft


def test_draft_says_which_profile_fits_already(tmp_path: Path) -> None:
    _, text = drafted(tmp_path, "customer_id,name,email\nC1,Ada,ada@example.com\n")
    assert "The profile 'customers' fits this file already" in text


def test_check_names_faults_unknown_words_and_what_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name,created_at,extra\nC1,Ada,2024-02-30,x\n,Bob,2024-01-01,y\n")
    [found] = check_profile(file, received_at=RECEIVED)
    assert found.profile == "customers"
    assert found.rows == {"customers": 1}
    assert found.reasons == {"missing_value": 1}
    assert found.first_faults == ("record 2, source_id: missing_value",)
    assert found.unread == ("extra",)
    assert ("bad_date", "created_at") in [(one.issue, one.column_name) for one in found.issues]


def test_check_tells_a_refusal_and_does_not_raise_it(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("a,b\n1,2\n")
    [found] = check_profile(file, received_at=RECEIVED)
    assert found.refusal is not None
    assert "no profile fits" in found.refusal
    with pytest.raises(UsageError, match=r"is no profile\. Did you mean 'customers'"):
        check_profile(file, "custmers", received_at=RECEIVED)
    with pytest.raises(UsageError, match="encoding='cp9999' is not known"):
        check_profile(file, received_at=RECEIVED, encoding="cp9999")
    with pytest.raises(FileRefused, match="empty"):
        empty = tmp_path / "empty.csv"
        empty.write_bytes(b"")
        check_profile(empty, received_at=RECEIVED)


PERSONAL = ("Ada Example", "ada@example.com", "+49 30 1234567", "1980-02-01")
RECORDS = (
    "K1,Ada Example,ada@example.com,+49 30 1234567,1980-02-01,Springfield\n"
    "K2,Bob Example,bob@example.com,+49 30 7654321,1981-02-01,Springfield\n"
)


def test_a_file_without_header_row_shows_kinds_and_places_but_no_values(tmp_path: Path) -> None:
    file, text = drafted(tmp_path, RECORDS)
    assert not any(value in text for value in (*PERSONAL, "Springfield", "K1"))
    assert "DECIDE: the first line seems to hold values" in text
    assert 'header = ["column_1", "column_2", "column_3", "column_4", "column_5", "column_6"]' in text
    assert '"column_3" = []  # e-mail address (all 2)' in text, "the first line counts as a record"
    for name in (None, "customers"):
        [found] = check_profile(file, name, received_at=RECEIVED)
        assert found.refusal is not None
        assert not any(value in found.refusal for value in PERSONAL)
        assert "column 2 (text), column 3 (email), column 4 (phone), column 5 (date)" in found.refusal
        assert "does the file have a header row? What may be a value is not shown" in found.refusal
        [shown] = check_profile(file, name, received_at=RECEIVED, show_values=True)
        assert "Ada Example" in str(shown.refusal)
        with Warehouse.open() as wh:
            with pytest.raises((FileRefused, ProfileError)) as refusal:
                load(wh, file, profile=name)
            assert str(refusal.value) == found.refusal


def test_a_header_in_words_that_no_list_knows_is_taken_when_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text("Avain;Nimi2;Kaupunki2\nK1;Ada;Espoo\nK2;Bob;Turku\n")
    assert "Avain" not in draft_profile(file)
    assert '"Avain" = []' in draft_profile(file, has_header=True)


def test_the_day_of_an_event_is_required_and_names_are_no_ids(tmp_path: Path) -> None:
    _, text = drafted(
        tmp_path,
        "order no,date,customer,qty,amount\n1,2024-01-05,Ada Example,1,5\n2,2024-01-06,Bob Example,2,7\n",
    )
    assert 'occurred_at = { from = "date", required = true }' in text
    assert 'customer_source_id = { from = "customer"' not in text


@pytest.mark.parametrize(
    ("texts", "kind", "details"),
    [
        (["2024-01-05", "2024-01-06 10:00:00"], "date", {"date_format": None}),
        (["20240105", "20240106"], "date", {"date_format": "%Y%m%d"}),
        (["14030512", "14030513"], "date", {"date_format": "%Y%m%d", "calendar": "jalali"}),
        (["1/5/2024", "1/25/2024"], "date", {"date_format": "%m/%d/%Y"}),
        (["25.1.2024 10:00", "5.1.2024 11:00"], "date", {"date_format": "%d.%m.%Y %H:%M"}),
        (["$1,234.50", "$7.00"], "number", {"thousands": ",", "sign": "$", "decimal": "."}),
        (["1.234,50 €", "7,00 €"], "number", {"thousands": ".", "sign": "€", "decimal": ","}),
        (["1 234,50", "7,00"], "number", {"thousands": " ", "decimal": ","}),
        (["1,234", "5,678"], "number", {"is_ambiguous": True}),
        (["1.234", "2.500", "900"], "number", {"decimal": ".", "is_ambiguous": True}),
        (["1.234", "2,5"], "number", {"thousands": ".", "is_ambiguous": False}),
        (["0.125", "2.500"], "number", {"decimal": ".", "is_ambiguous": False}),
        (["1.5", "20"], "number", {"decimal": ".", "thousands": None, "is_ambiguous": False}),
        (["yes", "no", "yes"], "boolean", {}),
        (["EUR", "usd"], "currency", {}),
        (["+49 30 1234567", "030 7654321"], "phone", {}),
        (["ada@example.com", "bob@example.com"], "email", {"is_unique": True}),
        (["C1", "C2"], "text", {"is_unique": True, "sign": None}),
        (["", " "], "empty", {}),
    ],
)
def test_values_tell_what_a_column_holds(texts: list[str], kind: str, details: dict[str, object]) -> None:
    look = look_at(texts)
    assert (look.kind, {name: getattr(look, name) for name in details}) == (kind, details)


QUOTED = (
    "Order no,Customer,Date,Item,Qty,Price,Currency\n"
    'A1,K1,2024-02-01,Mug,2,"9,50",EUR\nA2,K2,2024-02-02,Cup,1,"1.012,50",EUR\n'
)


def test_decimal_commas_in_quotes_are_drafted_checked_and_loaded_from_a_file_split_by_commas(
    tmp_path: Path,
) -> None:
    file, text = drafted(tmp_path, QUOTED)
    profile = tmp_path / "export.toml"
    profile.write_text(text)
    assert 'decimal = ","' in text
    [found] = check_profile(file, str(profile), received_at=RECEIVED)
    assert (found.refusal, found.rows["order_lines"], found.reasons) == (None, 2, {})
    file.write_text(QUOTED + "A3,K3,2024-02-03,Jar,1,9,50,EUR\n")
    with Warehouse.open() as wh:
        [account] = load(wh, file, profile=str(profile), delimiter=",", received_at=RECEIVED)
        prices = wh.rows("select unit_price from entities.order_lines_versions order by unit_price")
    assert account.reasons == {"too_many_fields": 1}, "a comma without quotes parts two fields"
    assert [str(price) for (price,) in prices] == ["9.5000", "1012.5000"]


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


def test_states_of_orders_in_persian_are_drafted_and_an_unknown_word_is_left(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    rows = ["لغو شده", "تحويل شد", "در انتظار", "مرجوعی", "نزد همسایه"]
    lines = "".join(f"F{place},C1,1403/02/0{place},{word}\n" for place, word in enumerate(rows, start=1))
    file.write_text("شماره سفارش,کد مشتری,تاریخ,وضعیت\n" + lines, encoding="utf-8")
    (tmp_path / "draft.toml").write_text(draft_profile(file), encoding="utf-8")
    with Warehouse.open() as wh:
        [account] = load(wh, file, profile=str(tmp_path / "draft.toml"), received_at="2025-01-01")
        states = [one for (one,) in wh.rows("select status from entities.orders order by source_id")]
    assert states == ["cancelled", "confirmed", "draft", "cancelled", "نزد همسایه"]
    assert [one.row_count for one in account.issues if one.issue == "unknown_word"] == [1]


def test_a_word_of_a_state_stands_once_and_every_state_is_ours() -> None:
    words = [word for theirs in order_states().values() for word in theirs]
    assert set(order_states()) == set(WORDS["order_states"])
    assert all(order_state(word) == state for state, theirs in order_states().items() for word in theirs)
    assert len(words) == len(set(words))


def loaded_by_its_draft(folder: Path, text: str) -> tuple[str, list[tuple[object, ...]]]:
    """Return the draft of a file, and number, sum and currency of the lines that it loads."""
    file, draft = drafted(folder, text)
    profile = folder / "draft.toml"
    profile.write_text(draft, encoding="utf-8")
    with Warehouse.open() as wh:
        load(wh, file, profile=str(profile), received_at=RECEIVED)
        lines = "select count(*), cast(sum(amount) as varchar), min(currency) from entities.order_lines"
        return draft, wh.rows(lines)


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


@pytest.mark.parametrize(("unit", "total"), [("ریال", "20500.0000"), ("تومان", "205000.0000")])
def test_money_whose_header_ends_in_its_unit_is_loaded(tmp_path: Path, unit: str, total: str) -> None:
    header = f"شماره سند,کد مشتری,خریدار,تاریخ,تعداد,مبلغ نهایی به {unit}\n"
    rows = "F1,C1,آرش نمونه,1403/05/12,1,12500\nF2,C2,مینا نمونه,1403/05/13,1,8000\n"
    _, lines = loaded_by_its_draft(tmp_path, header + rows)
    assert lines == [(2, total, "IRR")]
    _, text = drafted(tmp_path, header.replace("نهایی", "نامعلوم") + rows)
    assert f'"مبلغ نامعلوم به {unit}" = "DECIDE"  # money? Write a rule for it below, or [] here' in text
    assert '# amount = { from = "?" }  # DECIDE: no name tells money. Numbers: "مبلغ نامعلوم' in text


FRENCH = (
    "N° commande;Code client;Nom;Prénom;Courriel;Date de commande;"
    "Désignation;Quantité;Prix unitaire HT;Devise\n"
    "1001;CL1;Exemple;Élodie;elodie@example.com;03/04/2024;Tasse;1;1 234,50 €;EUR\n"
    "1002;CL2;Modèle;Zoé;zoe@example.com;13/04/2024;Assiette;3;7,25 €;EUR\n"
)
GERMAN = (
    "Rechnungsnr;Kundennr;Kunde;Rechnungsdatum;"
    "Artikelbezeichnung;Menge;Einzelpreis netto;Gesamtbetrag;Währung\n"
    "R1;K1;Ada Beispiel;13.04.2024;Tasse;2;1.200,45;2.400,90;EUR\n"
    "R2;K2;Ben Beispiel;14.04.2024;Teller;1;70,00;70,00;EUR\n"
)
TURKISH = (
    "Sipariş No;Müşteri Kodu;Müşteri Adı;Sipariş Tarihi;Ürün Adı;Miktar;Birim Fiyat;Para Birimi\n"
    "S1;M1;Ayşe Örnek;13.04.2024;Fincan;2;10,50;TRY\nS2;M2;Can Örnek;14.04.2024;Tabak;1;7,25;TRY\n"
)


@pytest.mark.parametrize("text", [FRENCH, GERMAN, TURKISH], ids=["fr", "de", "tr"])
def test_sales_in_other_languages_are_drafted_with_their_money(tmp_path: Path, text: str) -> None:
    draft = drafted(tmp_path, text)[1]
    main = parse_profile(draft, "draft").main
    assert main.entity == "order_lines"
    assert {"order_source_id", "occurred_at", "quantity", "unit_price", "currency"} <= set(main.columns)


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


def test_amounts_with_tax_give_way_to_those_without(tmp_path: Path) -> None:
    rows = "R1;K1;13.04.2024;1;11,90;10,00\nR2;K2;14.04.2024;1;23,80;20,00\n"
    _, draft = drafted(tmp_path, "Rechnungsnr;Kundennr;Datum;Menge;Betrag brutto;Betrag netto\n" + rows)
    assert 'amount = { from = "Betrag netto" }' in draft
    assert '"Betrag brutto" = []  # number (all 2); with tax; another column is without' in draft


def test_first_line_of_unknown_words_is_a_header_where_dates_and_numbers_stand_below(tmp_path: Path) -> None:
    text = "Avain;Nimi;Päivä;Summa2\nK1;Ada;2024-01-02;12,50\nK2;Bob;2024-01-03;9,00\n".replace(
        "2\n", "\n", 1
    )
    assert '"Päivä"' in drafted(tmp_path, text)[1]
    assert "Ada" not in drafted(tmp_path, "Ada;Espoo;K1;ok\nBob;Turku;K2;12,50\n")[1]
