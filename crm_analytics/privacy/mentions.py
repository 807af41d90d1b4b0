"""Does a raw record or a text name a person?  Ids, addresses, numbers and names, in whatever bytes they are.

Bytes are read in the encoding that their file was read in, as UTF-8 and, where they hold zeros, as UTF-16;
escapes of JSON are undone. Both sides are folded by one function (`folded`), so that neither case nor ß nor a
Turkish I nor the form of a Persian letter hides anybody. Names are compared word by word, also with the
family name first; telephone numbers by their digits, with or without the code of the country.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from crm_analytics.normalise.letters import fold_letters
from crm_analytics.privacy.subject import Subject
from crm_analytics.warehouse.erased_keys import TELLING_CHARACTERS, telling_values

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\+?\d(?:[ \u00a0()./-]{0,3}\d){6,}")
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
# Digits of a number without the code of its country that say whose it is.
_PHONE_DIGITS = 7


class Mentions:
    """What names a person in raw records and texts: ids, addresses, numbers and names.

    Parameters
    ----------
    subject : Subject
    """

    def __init__(self, subject: Subject) -> None:
        told = subject.points | subject.names
        ids = {one for one in subject.ids() if len(one) >= TELLING_CHARACTERS}
        self._cells = {value for one in told | ids for value in telling_values(one.encode())}
        long = {one for one in ids if len(one) >= 2 * TELLING_CHARACTERS}
        self._parts = {folded(one) for one in subject.points | long if len(one) >= TELLING_CHARACTERS}
        names = {one for one in subject.names if len(one) >= TELLING_CHARACTERS}
        self._names = {order for one in names for order in _orders(_words(one))}
        self._numbers = {number for one in subject.points for number in _numbers(one)}

    def is_in(self, raw: bytes, encoding: str | None = None) -> bool:
        """Does a raw record name the person?  `encoding`: as declared for its file; None = its file told."""
        return any(
            self.is_in_text(text) or not self._cells.isdisjoint(telling_values(text.encode()))
            for text in _readings(raw, encoding)
        )

    def is_in_text(self, text: str) -> bool:
        """Does a text name the person?  Short ids alone do not count."""
        plain = folded(_told(text))
        words = _words(plain)
        return (
            any(one in plain for one in self._parts)
            or any(one in words for one in self._names)
            or any(own in one for one in _digits(plain) for own in self._numbers)
        )


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
            return " ".join(_leaves(json.loads(text)))
        except (ValueError, RecursionError):
            pass
    if "\\" not in text:
        return text
    text = _ESCAPED.sub(
        lambda found: bytes.fromhex(found[0].replace("\\u", "")).decode("utf-16-be", "replace"), text
    )
    return re.sub(r"\\[nrtbf]", " ", text).replace("\\/", "/").replace('\\"', '"')


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


def _digits(text: str) -> list[str]:
    return [re.sub(r"\D", "", found) for found in _NUMBER.findall(text)]


def _numbers(point: str) -> Iterator[str]:
    """Yield the digits that a telephone number is known by, with the code of its country and without."""
    plain = folded(point)
    digits = re.sub(r"\D", "", plain)
    bare = digits.lstrip("0")
    if "@" in plain or len(bare) < _PHONE_DIGITS:
        return
    yield bare
    if plain.lstrip(" (").startswith("+") or digits.startswith("00"):
        yield from (bare[code:] for code in (1, 2, 3) if len(bare) - code > _PHONE_DIGITS)
