"""Names, mailboxes, telephone numbers, identifiers and addresses: what is one, and what is not."""

from __future__ import annotations

import pytest

from crm_analytics.normalise.addresses import fold_postcode, fold_street
from crm_analytics.normalise.emails import fold_email, is_role
from crm_analytics.normalise.identifiers import fold_identifier, is_iranian_legal_id, is_iranian_national_code
from crm_analytics.normalise.names import fold_company, fold_name, split_name
from crm_analytics.normalise.phones import fold_phone


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("علي پور", "علی\u200cپور"),
        ("آقای دکتر کريمي", "کریمی"),
        ("José  MÜLLER-Łoś", "jose muller los"),
        ("Şirin", "SIRIN"),
        ("O’Neil", "Oneil"),
    ],
)
def test_spellings_of_one_name_fold_to_one(one: str, other: str) -> None:
    assert fold_name(one).replace(" ", "") == fold_name(other).replace(" ", "")


def test_scripts_are_not_transliterated() -> None:
    assert fold_name("علی") != fold_name("Ali")


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("Zahra Rezaei Tehrani", ("zahra rezaei", "tehrani")),
        ("زهرا رضایی تهرانی", ("زهرا", "رضایی تهرانی")),
        ("Dr. Hopper, Grace", ("grace", "hopper")),
        ("", ("", "")),
    ],
)
def test_full_names_split_as_their_script_does(written: str, parts: tuple[str, str]) -> None:
    assert split_name(written) == parts


@pytest.mark.parametrize(
    ("one", "other"),
    [("Acme, Inc.", "ACME"), ("Brot & Mehl GmbH & Co. KG", "Brot und Mehl"), ("شرکت سهامی خاص آبان", "آبان")],
)
def test_legal_forms_are_no_part_of_a_name(one: str, other: str) -> None:
    assert fold_company(one) == fold_company(other)


def test_a_company_named_as_a_legal_form_keeps_its_name() -> None:
    assert fold_company("Limited") == "limited"


@pytest.mark.parametrize(
    "written", ["", "ada", "ada@", "ada@host", "a b@example.com", "x@example.com, y@example.com"]
)
def test_what_is_no_address_is_none(written: str) -> None:
    assert fold_email(written) is None


def test_dots_count_everywhere_but_in_gmail() -> None:
    assert fold_email("a.b@googlemail.com") == fold_email("ab@gmail.com")
    assert fold_email("a.b@example.com") != fold_email("ab@example.com")


@pytest.mark.parametrize(("email", "role"), [("info@x.example", True), ("infanta@x.example", False)])
def test_desks_are_told_from_people(email: str, role: bool) -> None:
    assert is_role(email) is role


@pytest.mark.parametrize(
    "written",
    [
        "09121234567",
        "+98 912 123 4567",
        "00989121234567",
        "۰۹۱۲۱۲۳۴۵۶۷",
        "٠٩١٢ ١٢٣ ٤٥٦٧",
        "+98 (0)912-123-4567",
    ],
)
def test_forms_of_an_iranian_mobile_number_are_one(written: str) -> None:
    assert fold_phone(written, "IR") == "+989121234567"


@pytest.mark.parametrize("written", ["9.121234567E9", "9,12E+09", "12", "call me", "+999123456789"])
def test_what_is_no_number_is_none(written: str) -> None:
    assert fold_phone(written, "IR") is None


def test_a_national_number_means_what_its_country_says() -> None:
    assert fold_phone("020 7946 0958", "GB") == "+442079460958"
    assert fold_phone("020 7946 0958") is None
    assert fold_phone("+44 20 7946 0958", "no country") == "+442079460958"


def test_checksums_of_iran_catch_one_wrong_digit() -> None:
    assert is_iranian_national_code("0499370899")
    wrong = [f"049937089{digit}" for digit in range(9)]
    assert not any(is_iranian_national_code(code) for code in wrong)
    assert not is_iranian_national_code("1111111111")
    assert is_iranian_legal_id("14007650912")
    assert not is_iranian_legal_id("14007650913")


def test_fillings_are_no_identifiers() -> None:
    assert [fold_identifier(text) for text in ("-", "0000000000", "n/a", "AB-12 345")] == [
        None,
        None,
        None,
        "ab12345",
    ]


def test_kinds_of_street_and_blanks_in_postcodes_do_not_matter() -> None:
    assert fold_street("Lange Str. 5") == fold_street("lange strasse 5") == fold_street("Lange Straße 5")
    assert fold_postcode("EC1A 1BB") == fold_postcode("ec1a1bb")
