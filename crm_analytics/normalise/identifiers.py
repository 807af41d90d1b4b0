"""Which number given by a state is meant, and can it be one?  National ids with the checksums they carry.

Iranian national code (ten digits, weights 10 to 2, modulo 11) and legal-entity id (eleven digits), as their
registers compute the last digit. Other numbers carry no checksum that we know: they are compared as
letters and digits.
"""

from __future__ import annotations

import re

from crm_analytics.normalise.letters import fold_letters

_MARKS = re.compile(r"[^\w]+|_+")
_LEGAL_WEIGHTS = (29, 27, 23, 19, 17)


def fold_identifier(text: str) -> str | None:
    """Return an identifier as it is compared: letters and digits only; None when it tells nobody apart.

    Fewer than five characters, or one character repeated (0000000), is filling, not a number.

    Examples
    --------
    >>> fold_identifier("۰۰۱-۲۳۴۵۶۷-۸"), fold_identifier("DE 129 273 398"), fold_identifier("00000")
    ('0012345678', 'de129273398', None)
    """
    plain = _MARKS.sub("", fold_letters(text))
    return plain if len(plain) >= 5 and len(set(plain)) > 1 else None


def is_iranian_national_code(digits: str) -> bool:
    """Can ten digits be the national code of a person in Iran?

    Examples
    --------
    >>> is_iranian_national_code("0499370899"), is_iranian_national_code("0499370898")
    (True, False)
    """
    if len(digits) != 10 or not digits.isdecimal() or len(set(digits)) == 1:
        return False
    rest = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return int(digits[9]) == (rest if rest < 2 else 11 - rest)


def is_iranian_legal_id(digits: str) -> bool:
    """Can eleven digits be the id of an organisation in Iran?

    Examples
    --------
    >>> is_iranian_legal_id("14007650912"), is_iranian_legal_id("14007650911")
    (True, False)
    """
    if len(digits) != 11 or not digits.isdecimal() or len(set(digits)) == 1:
        return False
    offset = int(digits[9]) + 2
    total = sum((offset + int(digit)) * _LEGAL_WEIGHTS[place % 5] for place, digit in enumerate(digits[:10]))
    return int(digits[10]) == total % 11 % 10
