"""Does a raw record or a text name a person?  Ids, addresses, numbers and names, in whatever bytes they are.

Bytes are read in the encoding that their file was read in, as UTF-8 and, where they hold zeros, as UTF-16;
escapes of JSON are undone. Both sides are folded by one function (`folded`), so that neither case nor ß nor a
Turkish I nor the form of a Persian letter hides anybody. Names are compared word by word, also with the
family name first; telephone numbers by their digits, with or without the code of the country. What is part
of a longer address, id or number is somebody else's, titles and words for no name ("Frau", "unknown") name
nobody, and what others have as well (a shared mailbox) counts only beside a name or id of the person.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from crm_analytics.normalise.letters import fold_letters
from crm_analytics.normalise.names import fold_marks, name_words
from crm_analytics.privacy.subject import NO_OTHERS, Others, Subject
from crm_analytics.warehouse.erased_keys import TELLING_CHARACTERS

_WORD = re.compile(r"[^\W\d_]+|\d+")
_NUMBER = re.compile(r"(?<![^\W_])\+?\(?\d(?:[ \u00a0()./\u2010-\u2015-]{0,3}\d){6,}(?![^\W_])")
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_MARKS_OF_CELLS = re.compile(r"[,;|\"]+")
# Between two cells: no part of a word, an address or a number.
_BETWEEN = " ; "
# What an address may begin and end with: a host goes on after a dot, unless a file is named so.
_NO_ADDRESS_BEFORE = r"(?<![\w.+%~&!$^-])(?<!\w')"
_ENDINGS = r"(?:csv|tsv|txt|json|jsonl|ndjson|xml|xlsx?|parquet|gz|zip|pdf|docx?|eml|vcf)(?![\w-])"
_NO_ADDRESS_AFTER = rf"(?![^\W_]|-|\.(?!{_ENDINGS})\w)"
# Digits of a number without the code of its country that say whose it is.
_PHONE_DIGITS = 7
# Parts of one number between blanks, and its signs with marks.
_MOST_GROUPS = 15
_LONGEST = 24
_TELLING_WORDS = 2


class Mentions:
    """What names a person in raw records and texts: ids, addresses, numbers and names.

    Parameters
    ----------
    subject : Subject
    others : Others, optional
        Addresses, numbers and ids that somebody else has as well: these alone name nobody.
    """

    def __init__(self, subject: Subject, others: Others = NO_OTHERS) -> None:
        telling = {one for one in subject.ids() if len(one) >= TELLING_CHARACTERS}
        own = telling - others.ids
        self._cells = {folded(one) for one in own}
        self._ids = [folded(one) for one in sorted(own) if len(one) >= 2 * TELLING_CHARACTERS]
        self._points = _Points(subject.points - others.points)
        self._shared = _Points(subject.points & others.points)
        self._names = {
            order
            for one in subject.names
            for name in (_words(one).split(), _telling_words(one))
            if len(_telling_words(one)) >= _TELLING_WORDS and len(one) >= TELLING_CHARACTERS
            for order in _orders(f" {' '.join(name)} ")
        }
        # beside a shared address or number: also ids of few characters, and names of one telling word
        self._beside = {
            order for one in subject.names if _telling_words(one) for order in _orders(_words(one))
        }
        beside = {one for one in subject.ids() if one in telling or (len(one) > 1 and not one.isdigit())}
        self._ids_beside = [folded(one) for one in sorted(beside)]
        # an id that others have elsewhere is the person's in a file of the person's own system
        self._cells_of: dict[str, set[str]] = {}
        for keys in subject.keys.values():
            for system, one in keys:
                if one in telling and one in others.ids:
                    self._cells_of.setdefault(system, set()).add(folded(one))

    def is_in(self, raw: bytes, encoding: str | None = None, *, system: str | None = None) -> bool:
        """Does a raw record name the person?

        Parameters
        ----------
        raw : bytes
        encoding : str, optional
            As declared for its file; None: its file told.
        system : str, optional
            The source system of its file.
        """
        ids = self._cells | self._cells_of.get(system or "", set())
        return any(
            self.is_in_text(text) or not ids.isdisjoint(_cells(text)) for text in _readings(raw, encoding)
        )

    def is_shared_in(self, raw: bytes, encoding: str | None = None) -> bool:
        """Does a raw record hold an address or number that the person shares with somebody else?"""
        return any(self._shared.are_in(folded(_told(text))) for text in _readings(raw, encoding))

    def is_in_text(self, text: str) -> bool:
        """Does a text name the person?  Short ids alone do not count, nor does what others have as well."""
        plain = folded(_told(text))
        words = _words(plain)
        return (
            self._points.are_in(plain)
            or any(_stands_in(one, plain) for one in self._ids)
            or any(one in words for one in self._names)
            or (
                self._shared.are_in(plain)
                and (
                    any(one in words for one in self._beside)
                    or any(_stands_in(one, plain) for one in self._ids_beside)
                )
            )
        )


class _Points:
    """Addresses, telephone numbers and national ids, as they are looked for in folded texts."""

    def __init__(self, points: Iterable[str]) -> None:
        self._patterns: list[re.Pattern[str]] = []
        self._texts: list[str] = []
        self._numbers: list[_Number] = []
        for point in sorted(points):
            plain = folded(point)
            if len(plain) < TELLING_CHARACTERS:
                continue
            if "@" in plain:
                bare = plain.removeprefix("mailto:").strip("<>")
                self._patterns.append(re.compile(f"{_NO_ADDRESS_BEFORE}{re.escape(bare)}{_NO_ADDRESS_AFTER}"))
            elif _NUMBER.fullmatch(plain):
                self._numbers.append(_number(plain))
            else:
                self._texts.append(plain)

    def are_in(self, plain: str) -> bool:
        """Is one of them in a folded text?"""
        if any(one.search(plain) for one in self._patterns) or any(
            _stands_in(one, plain) for one in self._texts
        ):
            return True
        return bool(self._numbers) and any(
            _is_same(own, other) for other in _numbers(plain) for own in self._numbers
        )


@dataclass(frozen=True)
class _Number:
    """Digits of a number without leading noughts, and those without the code of its country if it has one."""

    digits: str
    national: str | None


def _number(written: str) -> _Number:
    digits = re.sub(r"\D", "", re.sub(r"(?<=\d)([ )]*)\( ?0 ?\)", r"\1", written))
    bare = digits.lstrip("0")
    return _Number(bare, _national(bare) if written.startswith("+") or digits.startswith("00") else None)


def _national(digits: str) -> str | None:
    """Return what follows the code of a country, or None where that is too short to say whose it is."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    for size in (1, 2, 3):
        if int(digits[:size] or 0) in COUNTRY_CODE_TO_REGION_CODE:
            national = digits[size:].lstrip("0")
            return national if len(national) >= _PHONE_DIGITS else None
    return None


def _is_same(own: _Number, other: _Number) -> bool:
    return own.digits == other.digits or own.digits == other.national or own.national == other.digits


def _numbers(plain: str) -> Iterator[_Number]:
    """Yield the numbers that stand in a text: whole runs of digits, and what blanks part these into."""
    for found in _NUMBER.finditer(plain):
        groups = found[0].split()
        for start in range(len(groups)):
            for end in range(start + 1, min(len(groups), start + _MOST_GROUPS) + 1):
                if sum(map(len, groups[start:end])) > _LONGEST:
                    break
                is_whole = end - start == len(groups)
                # "12 030 7654321 5" holds a number that tells where it begins; "0034 9123 4567 12" is one
                if is_whole or end - start == 1 or groups[start].lstrip("(").startswith(("0", "+")):
                    number = _number(" ".join(groups[start:end]))
                    if len(number.digits) >= _PHONE_DIGITS:
                        yield number


def _stands_in(one: str, plain: str) -> bool:
    """Does a folded text hold another that touches no letter and no digit?"""
    return one in plain and re.search(rf"(?<![^\W_]){re.escape(one)}(?![^\W_])", plain) is not None


def _cells(text: str) -> set[str]:
    return {folded(one) for one in _MARKS_OF_CELLS.split(_told(text))}


def _telling_words(name: str) -> list[str]:
    """Return the words of a name without titles and words that stand for no name."""
    no_names = name_words("titles") | name_words("placeholders")
    return [word for word in _words(name).split() if fold_marks(word) not in no_names]


def folded(text: str) -> str:
    """Return a text as it is compared with another; a ß is ss, and every I of the Turks is i.

    Examples
    --------
    >>> folded("WEISSMÜLLER") == folded("Weißmüller"), folded("IŞIK İpek") == folded("ışık ipek")
    (True, True)
    """
    return fold_letters(text).replace("i\u0307", "i").replace("ı", "i")


def decoded(raw: bytes, encoding: str | None) -> str:
    """Return a raw record as people read it, in the encoding of its file.

    Examples
    --------
    >>> decoded("Jörg".encode("cp1252"), "cp1252"), decoded("سارا،C1".encode("utf-16-le"), None)
    ('Jörg', 'سارا،C1')
    """
    if encoding is None or _is_utf16(encoding):
        return _utf16(raw)[0] if b"\0" in raw else raw.decode("utf-8", "backslashreplace")
    return raw.decode(encoding, "backslashreplace")


def _readings(raw: bytes, encoding: str | None) -> Iterator[str]:
    yield raw.decode("utf-8", "backslashreplace")
    if b"\0" in raw:
        yield from _utf16(raw)
    if encoding is not None and not _is_utf16(encoding) and codecs.lookup(encoding).name != "utf-8":
        yield raw.decode(encoding, "backslashreplace")


def _utf16(raw: bytes) -> list[str]:
    """Return the readings as UTF-16, also of a record cut in the middle of a sign; the best first."""
    cut = (raw, raw[1:])
    found = [one.decode(f"utf-16-{order}", "replace") for one in cut for order in ("le", "be")]
    # ASCII signs (what parts the fields, ends of lines) are there only where the order is the right one
    return sorted(found, key=lambda text: -sum(one.isascii() and one != "\0" for one in text))


def _is_utf16(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith("utf-16")


def _told(text: str) -> str:
    """Return what an object or list of JSON says; else the text, escapes of JSON undone."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _BETWEEN.join(_leaves(json.loads(text)))
        except (ValueError, RecursionError):
            pass
    text = re.sub(r"[\t\r\n\0]+", _BETWEEN, text)
    if "\\" not in text:
        return text
    text = _ESCAPED.sub(
        lambda found: bytes.fromhex(found[0].replace("\\u", "")).decode("utf-16-be", "replace"), text
    )
    return re.sub(r"\\[nrtbf]", _BETWEEN, text).replace("\\/", "/").replace('\\"', '"')


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)
    elif value is not None:
        yield str(value)


def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(folded(text)))} "


def _orders(words: str) -> Iterable[str]:
    """Return a name as written, with its last word first, and with its first word last."""
    first, *more = words.split()
    if not more:
        return (words,)
    return (words, f" {more[-1]} {' '.join([first, *more[:-1]])} ", f" {' '.join(more)} {first} ")
