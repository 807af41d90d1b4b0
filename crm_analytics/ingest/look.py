"""What do the texts of a column look like?  Dates, numbers, words, ids: told from a sample of values.

A look is a guess for a person to judge (`crm_analytics.ingest.draft`); nothing is ever loaded by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crm_analytics.normalise.booleans import NO, YES
from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.digits import ARABIC_THOUSANDS_MARK, fold_digits

ENOUGH = 0.9
_BLANKS = " \u00a0\u202f"

# What a text looks like -> pattern; the first that fits nearly all texts of a column is its look.
_DATES = {
    "ISO date": r"(19|20)\d\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?)?",
    "Jalali date": r"1[234]\d\d[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?",
    "Jalali date without marks": r"1[34]\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])",
    "date without marks": r"(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])",
    "date, year first": r"(19|20)\d\d[/.]\d{1,2}[/.]\d{1,2}",
}
_SPLIT_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2((?:19|20)\d\d|1[34]\d\d)( \d{1,2}:\d\d(:\d\d)?)?")
_THREE_DIGITS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"(\+|00)?[\d ()./-]{7,20}")
# A sign of money: a mark, or a word in Persian or Arabic letters.
_SIGN = r"([^\w\s+.,'()-]|[\u0600-\u06ff]{2,5})"
_SIGNS = re.compile(rf"^[+-]?\s*{_SIGN}\s*[\d.,]|[\d.,]\s*{_SIGN}$")


@dataclass(frozen=True)
class Look:
    """What a column looks like.

    Attributes
    ----------
    kind : {"date", "number", "boolean", "email", "phone", "currency", "empty", "text"}
        The kind of its values.
    words : str
        The same in words, with the share of the values, for a comment.
    date_format, calendar, decimal, thousands, sign : str | None
        What a profile has to declare to read them.
    is_unique, is_ambiguous, has_decimals : bool
        No value comes twice; more than one reading fits (the words say which); a number has a mark.
    """

    kind: str
    words: str
    date_format: str | None = None
    calendar: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    sign: str | None = None
    is_unique: bool = False
    is_ambiguous: bool = False
    has_decimals: bool = False


def look_at(texts: Sequence[str]) -> Look:
    """Return what the filled texts of a column look like.

    Examples
    --------
    >>> look_at(["1403/05/12", "1403/05/13"]).words
    'Jalali date (all 2)'
    >>> look_at(["12.400,50", "7,90"]).decimal
    ','
    >>> look_at(["01/02/2024", "03/04/2024"]).is_ambiguous
    True
    """
    filled = [fold_digits(text.strip()) for text in texts if text.strip()]
    if not filled:
        return Look("empty", "no value in the sample")
    is_unique = len(set(filled)) == len(filled) and len(filled) > 1
    for guess in (_date, _plain_kinds, _number):
        look = guess(filled, is_unique)
        if look is not None:
            return look
    different = len(set(filled))
    return Look("text", f"text, {different:,} different in {len(filled):,}", is_unique=is_unique)


def _share(filled: Sequence[str], fitting: int) -> str:
    return f"all {len(filled):,}" if fitting == len(filled) else f"{fitting:,} of {len(filled):,}"


def _date(filled: Sequence[str], is_unique: bool) -> Look | None:
    for words, pattern in _DATES.items():
        fitting = sum(re.fullmatch(pattern, text) is not None for text in filled)
        if fitting < ENOUGH * len(filled):
            continue
        date_format = {
            "date without marks": "%Y%m%d",
            "Jalali date without marks": "%Y%m%d",
            "date, year first": "%Y/%m/%d",
        }.get(words)
        if words == "date, year first" and "." in filled[0]:
            date_format = "%Y.%m.%d"
        calendar = "jalali" if words.startswith("Jalali") else None
        told = f"{words} ({_share(filled, fitting)})"
        return Look("date", told, date_format=date_format, calendar=calendar, is_unique=is_unique)
    found = [match for text in filled if (match := _SPLIT_DATE.fullmatch(text))]
    if len(found) < ENOUGH * len(filled):
        return None
    first, second = (max(int(match.group(part)) for match in found) for part in (1, 3))
    mark, clock = found[0].group(2), ("", " %H:%M", " %H:%M:%S")
    time = clock[0 if not found[0].group(5) else 1 + bool(found[0].group(6))]
    day_first, month_first = f"%d{mark}%m{mark}%Y{time}", f"%m{mark}%d{mark}%Y{time}"
    calendar = "jalali" if found[0].group(4).startswith("1") and found[0].group(4) < "1600" else None
    share = _share(filled, len(found))
    if first <= 12 and second <= 12:
        words = f"date ({share}) that reads as {day_first} and as {month_first}: no day is above 12"
        return Look("date", words, date_format=day_first, calendar=calendar, is_ambiguous=True)
    date_format = month_first if second > 12 else day_first
    why = f"the {'second' if second > 12 else 'first'} number goes up to {max(first, second)}"
    return Look("date", f"date {date_format} ({share}; {why})", date_format=date_format, calendar=calendar)


def _plain_kinds(filled: Sequence[str], is_unique: bool) -> Look | None:
    tests = {
        "email": ("e-mail address", lambda text: _EMAIL.fullmatch(text) is not None),
        "boolean": ("yes or no", lambda text: text.lower() in YES or text.lower() in NO),
        "currency": ("currency code", lambda text: text.upper() in CURRENCIES),
        "phone": (
            "phone number",
            lambda text: _PHONE.fullmatch(text) is not None and (text[0] in "+0" or " " in text),
        ),
    }
    for kind, (words, test) in tests.items():
        fitting = sum(map(test, filled))
        if fitting >= ENOUGH * len(filled) and not (kind == "boolean" and len(set(filled)) < 2):
            return Look(kind, f"{words} ({_share(filled, fitting)})", is_unique=is_unique)
    return None


def _number(filled: Sequence[str], is_unique: bool) -> Look | None:
    signs = [match.group(1) or match.group(2) for text in filled if (match := _SIGNS.search(text))]
    sign = max(set(signs), key=signs.count) if signs else None
    bare = [text.replace(sign, "").strip() if sign else text for text in filled]
    bare = [text.replace(ARABIC_THOUSANDS_MARK, "") for text in bare]
    plain = {mark: rf"[+-]?\d+([{mark}]\d+)?" for mark in ".,"}
    ways: dict[tuple[str, str | None], str] = {(".", None): plain["."], (",", None): plain[","]}
    for point, mark in ((".", ","), (",", "."), (",", " "), (".", "'")):
        groups = rf"[+-]?\d{{1,3}}([{_BLANKS if mark == ' ' else mark}]\d{{3}})+"
        ways[point, mark] = rf"{groups}([{point}]\d+)?|{plain[point]}"
    counts = {way: sum(re.fullmatch(form, text) is not None for text in bare) for way, form in ways.items()}
    best = max(counts.values())
    if best < ENOUGH * len(filled):
        return None
    fitting = [way for way, count in counts.items() if count == best]
    decimal, thousands = fitting[0]
    # "1,234" may be a thousand and something, or one and something: only a person can tell.
    is_ambiguous = (".", None) not in fitting and {one for one, _ in fitting} == {".", ","}
    pointed = [text for text in bare if "." in text]
    is_ambiguous |= (
        decimal == "." and bool(pointed) and all(_THREE_DIGITS.fullmatch(text) for text in pointed)
    )
    words = f"number ({_share(filled, best)})" + (f" with {sign!r}" if sign else "")
    if is_ambiguous:
        words += ": decimal mark or mark of thousands? Both fit"
    return Look(
        "number",
        words,
        decimal=decimal,
        thousands=thousands,
        sign=sign,
        is_unique=is_unique,
        is_ambiguous=is_ambiguous,
        has_decimals=any("." in text or "," in text for text in bare),
    )
