"""When are two spellings one street, city or postcode?  Addresses folded for comparing, never for keeping.

Marks become blanks, frequent kinds of street are written in one way (Str., St, خ), blanks inside a postcode
fall away.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from crm_analytics.normalise.names import fold_marks

_NO_LETTER = re.compile(r"[^\w]+|_+")
_TAIL = re.compile(r"(?<=\w{2})(?:strasse|stra[sß]e|str)\b")
_KINDS: MappingProxyType[str, str] = MappingProxyType(
    {"st": "street", "str": "street", "rd": "road", "ave": "avenue", "av": "avenue", "ln": "lane"}
    | {"dr": "drive", "ct": "court", "pl": "place", "sq": "square", "blvd": "boulevard", "crs": "crescent"}
    | {"strasse": "street", "خ": "خیابان", "ک": "کوچه", "پ": "پلاک", "بلوار": "بلوار"}
)


def fold_street(text: str) -> str:
    """Return a street with house number as it is compared.

    Examples
    --------
    >>> fold_street("Ahorn-Str. 12a") == fold_street("Ahorn Straße 12A"), fold_street("12 High St.")
    (True, '12 high street')
    """
    plain = _NO_LETTER.sub(" ", fold_marks(text).replace("ß", "ss"))
    return " ".join(_KINDS.get(word, word) for word in _TAIL.sub("str", plain).split())


def fold_city(text: str) -> str:
    """Return a city as it is compared.

    Examples
    --------
    >>> fold_city("Frankfurt (Main)"), fold_city("KÖLN")
    ('frankfurt main', 'koln')
    """
    return " ".join(_NO_LETTER.sub(" ", fold_marks(text)).split())


def fold_postcode(text: str) -> str:
    """Return a postcode as it is compared: letters and digits only.

    Examples
    --------
    >>> fold_postcode("SW1A 1AA"), fold_postcode("۱۲۳۴۵-۶۷۸۹۰")
    ('sw1a1aa', '1234567890')
    """
    return _NO_LETTER.sub("", fold_marks(text))
