"""Are letters, names of columns, states of orders and words for yes and no told apart as people tell them?"""

from __future__ import annotations

import pytest

from crm_analytics.normalise.booleans import NO, YES
from crm_analytics.normalise.currencies import CURRENCIES, MINOR_DIGITS
from crm_analytics.normalise.header_words import header_words, meaning_of
from crm_analytics.normalise.letters import fold_letters
from crm_analytics.normalise.state_words import order_state, order_states
from crm_analytics.vocabulary import WORDS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("علي", "علی"),
        ("كتاب", "کتاب"),
        ("علی\u200cپور", "علیپور"),
        ("مُحَمَّد", "محمد"),
        ("ســلام", "سلام"),
        ("آرش", "ارش"),
        ("خانۀ", "خانه"),
        ("۱۲۳", "١٢٣"),
        ("ﻋﻠﯽ", "علی"),
        ("ÀB", "àb"),
    ],
)
def test_spellings_of_one_word_are_folded_to_one(one: str, other: str) -> None:
    assert fold_letters(one) == fold_letters(other)


def test_different_words_stay_different() -> None:
    assert len({fold_letters(word) for word in ("علی", "عالی", "ali", "على پور", "élan", "elan")}) == 6


def test_name_of_a_column_has_one_meaning() -> None:
    wrong = [
        (name, meaning)
        for meaning, names in header_words().items()
        for name in names
        if meaning_of(name) != meaning
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("header", "meaning"),
    [
        ("کد مشتري", "customer_id"),
        ("شماره\u200cفاکتور", "order_id"),
        ("مبلغ کل (ریال)", "amount"),
        ("مبلغ نهايي به ريال", "amount"),
        ("قیمت واحد تومان", "unit_price"),
        ("شماره موبایل", "phone"),
        ("Kunden-Nr.", "customer_id"),
        ("Rechnungsdatum", "date"),
        ("Prix unitaire", "unit_price"),
        ("Cantidad", "quantity"),
        ("order_no", "order_id"),
        ("shoe size", None),
        ("Rechnungsnr", "order_id"),
        ("Einzelpreis netto", "unit_price"),
        ("Betrag in EUR", "amount"),
        ("Stueckpreis", "unit_price"),
        ("Prix unitaire HT", "unit_price"),
        ("Quantite", "quantity"),
        ("Numero ordine", "order_id"),
        ("Prezzo unitario IVA esclusa", "unit_price"),
        ("Nº de pedido", "order_id"),
        ("Klantnummer", "customer_id"),
        ("Prijs excl. btw", "unit_price"),
        ("SİPARİŞ NO", "order_id"),
        ("Musteri Adi", "customer_name"),
        ("Birim Fiyatı", "unit_price"),
        ("Netto", None),
        ("VAT", None),
    ],
)
def test_meaning_is_told_in_nine_languages_with_taxes_currencies_and_accents_left_out(
    header: str, meaning: str | None
) -> None:
    assert meaning_of(header) == meaning


def test_yes_is_not_no_and_both_are_in_lower_case() -> None:
    assert not set(YES) & set(NO)
    assert all(word == word.lower() for word in (*YES, *NO))


def test_decimals_are_of_currencies_that_exist() -> None:
    codes = [code for listed in MINOR_DIGITS.values() for code in listed]
    assert set(codes) <= CURRENCIES
    assert len(codes) == len(set(codes))


def test_a_word_of_a_state_stands_once_and_every_state_is_ours() -> None:
    words = [word for theirs in order_states().values() for word in theirs]
    assert set(order_states()) == set(WORDS["order_states"])
    assert all(order_state(word) == state for state, theirs in order_states().items() for word in theirs)
    assert len(words) == len(set(words))
