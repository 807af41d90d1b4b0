"""Which telephone number is meant?  E.164 (+49301234567), whatever the spelling, given the country.

Numbers are read and checked by `phonenumbers` (Google's libphonenumber, whose data say which numbers each
country has). A number that Excel turned into 9.1E9, an impossible one, or a national one without a known
country is None. ITU-T E.164: at most 15 digits after the plus sign.
"""

from __future__ import annotations

import re
from functools import cache

from crm_analytics.normalise.digits import fold_digits

_SPOILT = re.compile(r"\d[.,]\d+e\+?\d+", re.IGNORECASE)
_MARKS = re.compile(r"[\s()./\-\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2066-\u2069\u00a0]+")
_PLAIN = re.compile(r"\+?\d{6,17}")


def fold_phone(text: str, country: str | None = None) -> str | None:
    """Return a number in E.164, or None when it is none.

    Parameters
    ----------
    text : str
        As written; Persian and Arabic digits are read.
    country : str, optional
        ISO 3166 code of two letters that national numbers are read in. Without it only international ones are
        read; an unknown code counts as none.

    Examples
    --------
    >>> fold_phone("0044 (0)161 496-0040"), fold_phone("۰۹۱۲ ۱۲۳ ۴۵۶۷", "IR"), fold_phone("9.1E+9", "IR")
    ('+441614960040', '+989121234567', None)
    >>> fold_phone("030 23125037"), fold_phone("030 23125037", "DE")
    (None, '+493023125037')
    >>> fold_phone("032 2123456", "Germany")  # a name is no code: GE would be Georgia
    """
    digits = fold_digits(text)
    if _SPOILT.search(digits):
        return None
    plain = _MARKS.sub("", digits.replace("(0)", ""))
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    return _read(plain if _PLAIN.fullmatch(plain) else digits, (country or "").strip().upper())


@cache
def countries() -> frozenset[str]:
    """Return the ISO 3166 codes of the countries whose numbers are known: all that have telephones.

    Examples
    --------
    >>> {"DE", "IR"} <= countries(), "Atlantis" in countries()
    (True, False)
    """
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def _read(text: str, country: str) -> str | None:
    import phonenumbers

    region = country if country in countries() else None
    if text.startswith("+") and text[1:].isdigit() and _is_known(text):
        return text
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"


def _is_known(text: str) -> bool:
    """Is a number that is written in E.164 already one of its country's, by length and first digits?"""
    for size in (1, 2, 3):
        pattern = _national(int(text[1 : 1 + size]))
        if pattern is not None:
            return pattern.fullmatch(text[1 + size :]) is not None
    return False


@cache
def _national(calling_code: int) -> re.Pattern[str] | None:
    """Return the pattern of the national numbers of a calling code that is one country's, else None."""
    import phonenumbers

    region = phonenumbers.region_code_for_country_code(calling_code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None) if region in countries() else None
    if metadata is None or len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[calling_code]) > 1:
        return None
    numbers = metadata.general_desc
    return (
        re.compile(numbers.national_number_pattern) if numbers and numbers.national_number_pattern else None
    )
