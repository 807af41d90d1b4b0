"""Is a drafted profile a good beginning: does a file load by it as it should?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_analytics.ingest import load
from crm_analytics.ingest.check import check_profile
from crm_analytics.ingest.draft import draft_profile
from crm_analytics.ingest.profile_file import parse_profile
from crm_analytics.warehouse import Warehouse
from tests.ingest.drafted import FRENCH, RECEIVED, drafted

PAGE = Path(__file__).parents[2] / "docs" / "how-to-add" / "export-profile.md"


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


SALES = "Beleg-Nr.;Kd.Nr.;Belegdatum;Artikel;Menge;E-Preis;Währung"


@pytest.mark.parametrize(
    "name",
    ["Rabatt %", "Rabatt in %", "Rabatt (Prozent)", "Disc. %", "Discount Rate", "İndirim Oranı", "تخفیف (٪)"],
)
def test_a_percentage_is_no_money_and_is_asked_about_where_no_amount_is_told(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / "sales.csv"
    file.write_text(f"{SALES};{name}\nR1;K1;13.04.2024;A;2;25,00;EUR;10\n", encoding="utf-8")
    assert f'"{name}" = "DECIDE"' in draft_profile(file)
    file.write_text(f"{SALES};{name};Betrag\nR1;K1;13.04.2024;A;2;25,00;EUR;10;45,00\n", encoding="utf-8")
    assert f'"{name}" = []' in draft_profile(file)


@pytest.mark.parametrize(
    ("name", "words", "states"),
    [
        ("Storniert", ("Nein", "Ja"), [None, "cancelled"]),
        ("İptal mi", ("HAYIR", "EVET"), [None, "cancelled"]),
        ("Cancelled on", ("", "2024-04-20"), [None, "cancelled"]),
        ("Payment Status", ("Paid", "Voided"), ["confirmed", "cancelled"]),
        ("Durum", ("Tamamlandı", "İptal"), ["confirmed", "cancelled"]),
        ("وضعیت", ("قطعی", "برگشتی"), ["confirmed", "cancelled"]),
    ],
)
def test_lines_that_tell_the_state_of_their_order_are_drafted_with_its_head(
    tmp_path: Path, name: str, words: tuple[str, str], states: list[str | None]
) -> None:
    file = tmp_path / "sales.csv"
    lines = [f"R{place};K1;1{place}.04.2024;A;2;25,00;EUR;{word}" for place, word in enumerate(words, 3)]
    file.write_text("\n".join([f"{SALES};{name}", *lines, ""]), encoding="utf-8")
    (tmp_path / "draft.toml").write_text(draft_profile(file), encoding="utf-8")
    with Warehouse.open() as wh:
        load(wh, file, profile=str(tmp_path / "draft.toml"), received_at=RECEIVED)
        assert [one for (one,) in wh.rows("select status from entities.orders order by source_id")] == states
        assert wh.rows("select count(*) from entities.order_lines") == [(2,)]


def test_states_that_differ_within_an_order_are_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    lines = ["R1;K1;13.04.2024;A;2;25,00;EUR;Ja", "R1;K1;13.04.2024;B;2;25,00;EUR;Nein"]
    file.write_text("\n".join([f"{SALES};Storniert", *lines, ""]), encoding="utf-8")
    text = draft_profile(file)
    assert '"Storniert" = "DECIDE"  # Are there sales among them that are none?' in text
    assert 'name = "orders"' not in text


def test_a_mark_of_cancelled_orders_that_is_neither_yes_nor_a_day_is_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    lines = ["R1;K1;13.04.2024;A;2;25,00;EUR;vielleicht", "R2;K1;13.04.2024;B;2;25,00;EUR;eher nicht"]
    file.write_text("\n".join([f"{SALES};Storniert", *lines, ""]), encoding="utf-8")
    assert '"Storniert" = "DECIDE"' in draft_profile(file)


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
