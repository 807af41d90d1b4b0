"""In which legacy encoding may bytes be that are not what was expected?  In those that decode them.

What UTF-8 decodes is UTF-8. Encodings of one byte a character accept nearly all bytes, those of two
(Japanese, Korean, Chinese) many: several may fit, and a person must look at the letters.
"""

from __future__ import annotations

import codecs

from crm_analytics.ingest.options import option

_LIKELY = ("utf-8", "cp1252", "cp1256", "cp932", "euc-kr", "gb18030", "big5", "cp1250", "cp1251")


def fitting_encodings(sample: bytes, *, excluded: str = "") -> list[str]:
    """Return the likely encodings that decode a sample without fault; it may end within a character.

    Examples
    --------
    >>> fitting_encodings("\\u6c0f\\u540d,\\u6771\\u4eac".encode("cp932"), excluded="cp1252")
    ['cp1256', 'cp932', 'gb18030', 'cp1251']
    """
    known = codecs.lookup(excluded).name if excluded else ""
    fitting = [one for one in _LIKELY if codecs.lookup(one).name != known and _decodes(sample, one)]
    return fitting[:1] if fitting[:1] == ["utf-8"] else fitting


def encoding_advice(sample: bytes, *, excluded: str = "") -> str:
    """Return a sentence that names the encodings a sample may be in.

    Examples
    --------
    >>> encoding_advice("\\u0645\\u062f\\u06cc\\u0631".encode(), excluded="cp1252")
    "Say encoding='utf-8' (--encoding)."
    """
    fitting = fitting_encodings(sample, excluded=excluded)
    if not fitting:
        return "None of the usual encodings fits: export the file again as UTF-8."
    told = f"Say {option('encoding', *fitting)}"
    return f"{told}: several fit, look at the letters." if len(fitting) > 1 else f"{told}."


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeError:
        return False
    return True
