"""When are two Persian or Arabic spellings one word?  Letters folded for comparing, never for keeping.

Arabic and Persian forms of yeh, kaf and heh are one; vowel marks, the tatweel and the invisible joiners
(ZWNJ and its kin) fall away, so that علی‌پور, علي پور and علیپور differ only in their blanks.
Source: the Unicode Standard, block Arabic.
"""

from __future__ import annotations

import unicodedata
from types import MappingProxyType

from crm_analytics.normalise.digits import DIGITS

_REMOVED = "\u0640\u200b\u200c\u200d\u200e\u200f\u061c\u2060\ufeff\u00ad"

# Letter -> the one it is compared as; the empty text for what falls away.
LETTERS: MappingProxyType[str, str] = MappingProxyType(
    {
        "ي": "ی",
        "ى": "ی",
        "ئ": "ی",
        "ك": "ک",
        "ة": "ه",
        "ۀ": "ه",
        "ۂ": "ه",
        "ؤ": "و",
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
    }
    | {chr(mark): "" for mark in (*range(0x064B, 0x0660), 0x0670)}
    | dict.fromkeys(_REMOVED, "")
)
_TABLE = {ord(one): other for one, other in (LETTERS | DIGITS).items()}


def fold_letters(text: str) -> str:
    """Return a text as it is compared: one form of each letter and digit, no case, single blanks.

    Examples
    --------
    >>> fold_letters("علي\u200cپور ۱۲") == fold_letters("علی\u200cپور 12")
    True
    >>> fold_letters("  Größe  XL ")
    'grösse xl'
    """
    folded = unicodedata.normalize("NFKC", text).translate(_TABLE)
    return " ".join(unicodedata.normalize("NFC", folded).split()).casefold()


def lowered(text: str) -> str:
    """Return a text in lower case as DuckDB's ``lower`` gives it: letter by letter, a dotted I as i.

    Python's own makes two letters of the Turkish İ, and looks at what follows a Greek sigma.

    Examples
    --------
    >>> lowered("İptal"), lowered("ΟΔΟΣ") == "ΟΔΟΣ".lower()
    ('iptal', False)
    """
    return "".join("i" if one == "İ" else one.lower() for one in text)
