"""Which digits and number marks do Persian and Arabic texts use?

Source: the Unicode Standard, block Arabic: U+0660 to U+066C and U+06F0 to U+06F9.
"""

from __future__ import annotations

from types import MappingProxyType

ARABIC_THOUSANDS_MARK = "\u066c"

# Foreign digit or decimal mark -> the ASCII one. The thousands mark is left: only its place shows that
# it is one.
DIGITS: MappingProxyType[str, str] = MappingProxyType(
    {chr(0x0660 + digit): str(digit) for digit in range(10)}
    | {chr(0x06F0 + digit): str(digit) for digit in range(10)}
    | {"\u066b": "."}
)
_TRANSLATION = MappingProxyType({ord(digit): plain for digit, plain in DIGITS.items()})


def fold_digits(text: str) -> str:
    """Return `text` with Persian and Arabic-Indic digits and decimal marks as ASCII.

    Examples
    --------
    >>> fold_digits("\u06f9\u066b\u06f5")
    '9.5'
    """
    return text if text.isascii() else text.translate(_TRANSLATION)
