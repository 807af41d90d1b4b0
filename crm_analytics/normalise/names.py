"""When are two spellings one name?  Names of people and organisations, folded for comparing only.

Arabic and Persian letters fold as in `crm_analytics.normalise.letters`; Latin ones lose their marks (é, ü,
ı, ł) and become plain. Marks and hyphens become blanks, titles (Dr., Mrs, خانم) and the legal forms of
organisations (GmbH, Ltd, شرکت, سهامی خاص) fall away. Nothing is transliterated: علی and Ali stay two.
Sources: the Unicode Standard (canonical decomposition); legal forms as registers abbreviate them.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path

from crm_analytics.normalise.letters import fold_letters

# Latin letters that have no decomposition.
_PLAIN = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})
_APOSTROPHES = re.compile(r"['’‘`´ʼ]")
_NO_LETTER = re.compile(r"[^\w]+|_+")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")


def fold_name(text: str) -> str:
    """Return a name of a person as it is compared; empty when nothing but titles and marks is left.

    Examples
    --------
    >>> fold_name("Dr. Zoë  O’Brien-Łuk"), fold_name("علي\u200cرضا") == fold_name("علیرضا")
    ('zoe obrien luk', True)
    """
    titles = name_words("titles")
    return " ".join(word for word in _words(text) if word not in titles)


def fold_company(text: str) -> str:
    """Return the name of an organisation as it is compared: without legal form and "and".

    A name that is nothing but legal forms is kept whole.

    Examples
    --------
    >>> fold_company("Müller & Söhne GmbH & Co. KG"), fold_company("شرکت آبان (سهامی خاص)")
    ('muller sohne', 'ابان')
    """
    words, left_out = _words(text), name_words("legal_forms") | name_words("and")
    kept = [word for word in words if word not in left_out]
    return " ".join(kept or words)


def split_name(text: str) -> tuple[str, str]:
    """Split a full name into given and family name, both folded; a single word is the family's.

    "Family, Given" tells itself by its comma. Else the last word is the family name; in Persian and Arabic
    script, where family names have several words, all but the first.

    Examples
    --------
    >>> split_name("Hopper, Grace B."), split_name("Grace B. Hopper"), split_name("Cher")
    (('grace b', 'hopper'), ('grace b', 'hopper'), ('', 'cher'))
    """
    if "," in text:
        family, given = text.split(",", 1)
        return fold_name(given), fold_name(family)
    words = fold_name(text).split()
    if len(words) < 2:
        return "", " ".join(words)
    cut = 1 if _RIGHT_TO_LEFT.search(words[0]) else len(words) - 1
    return " ".join(words[:cut]), " ".join(words[cut:])


def fold_marks(text: str) -> str:
    """Return a text with plain letters: folded as `fold_letters` does, and Latin letters without their marks.

    Examples
    --------
    >>> fold_marks("Çağla  ŞIRIN Æro")
    'cagla sirin aero'
    """
    if text.isascii():
        return " ".join(text.casefold().split())
    folded = unicodedata.normalize("NFD", fold_letters(text)).translate(_PLAIN)
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


@cache
def name_words(kind: str) -> frozenset[str]:
    """Return words of one kind of ``name_words.toml``: titles, legal_forms, and, mailboxes, placeholders."""
    file = Path(__file__).parent / "name_words.toml"
    return frozenset(tomllib.loads(file.read_text(encoding="utf-8"))[kind])


def _words(text: str) -> list[str]:
    return _NO_LETTER.sub(" ", _APOSTROPHES.sub("", fold_marks(text))).split()
