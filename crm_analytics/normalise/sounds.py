"""Do two names in different scripts sound alike?  Names reduced to the consonants that both scripts write.

Persian and Arabic leave out short vowels and write و, ی and ا for long ones and for consonants, so vowels,
w, v, y and the silent ع fall away; letters of one sound in Persian (س ص ث, ز ذ ض ظ, ت ط, ق غ) and the Latin
ways to write one (kh, sh, gh or q, c or k) are one; doubled letters count once, an h at the end not. What is
left of two names is equal where one may be the other: سارا احمدی and Sara Ahmadi are both "sr hmd". So are
a few other names: it confirms what something else says, and finds nothing by itself.
Source: the Unicode Standard, block Arabic; the romanisations usual for names in Iran.
"""

from __future__ import annotations

import re

from crm_analytics.normalise.letters import fold_letters

_RIGHT_TO_LEFT = re.compile("[\u0600-\u06ff]")
# Persian and Arabic letter -> what it sounds like; letters that are missing here are vowels or silent.
_SOUNDS = {
    **dict.fromkeys("ب", "b"),
    **dict.fromkeys("پ", "p"),
    **dict.fromkeys("تط", "t"),
    **dict.fromkeys("سصث", "s"),
    **dict.fromkeys("جژ", "j"),
    **dict.fromkeys("چ", "c"),
    **dict.fromkeys("حه", "h"),
    **dict.fromkeys("خ", "x"),
    **dict.fromkeys("د", "d"),
    **dict.fromkeys("زذضظ", "z"),
    **dict.fromkeys("ر", "r"),
    **dict.fromkeys("ش", "$"),
    **dict.fromkeys("قغ", "q"),
    **dict.fromkeys("ف", "f"),
    **dict.fromkeys("ک", "k"),
    **dict.fromkeys("گ", "g"),
    **dict.fromkeys("ل", "l"),
    **dict.fromkeys("م", "m"),
    **dict.fromkeys("ن", "n"),
}
# Latin ways to write one sound.
_LATIN = {
    "tch": "c",
    "sch": "$",
    "ch": "c",
    "sh": "$",
    "zh": "j",
    "kh": "x",
    "gh": "q",
    "ph": "f",
    "th": "t",
    "dj": "j",
    "c": "k",
}
_WRITTEN = re.compile("|".join(_LATIN))
_SPOKEN = re.compile("[bptsjchxdzr$qfkglmn]")
_DOUBLED = re.compile(r"(.)\1+")


def is_right_to_left(text: str) -> bool:
    """Is a text written in Persian or Arabic letters?

    Examples
    --------
    >>> is_right_to_left("سارا"), is_right_to_left("Sara")
    (True, False)
    """
    return _RIGHT_TO_LEFT.search(text) is not None


def sound(name: str) -> str | None:
    """Return the consonants of a folded name, word by word without blanks; None where there is none.

    Examples
    --------
    >>> sound("محمدرضا") == sound("mohammad reza") == "mhmdrz", sound("قاسمی") == sound("ghasemi")
    (True, True)
    >>> sound("شهرام") == sound("shahram"), sound("فاطمه") == sound("fatemeh"), sound("آوا")
    (True, True, None)
    """
    words = (_word(word) for word in fold_letters(name).split())
    return "".join(words) or None


def _word(word: str) -> str:
    if is_right_to_left(word):
        plain = "".join(_SOUNDS.get(letter, "") for letter in word)
    else:
        plain = "".join(_SPOKEN.findall(_WRITTEN.sub(lambda found: _LATIN[found[0]], word)))
    once = _DOUBLED.sub(r"\1", plain)
    return once[:-1] if len(once) > 1 and once.endswith("h") else once
