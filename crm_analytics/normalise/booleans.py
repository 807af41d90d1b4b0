"""Which words say yes, and which no?  As exports write them, in lower case."""

from __future__ import annotations

YES = (
    "true",
    "t",
    "yes",
    "y",
    "1",
    "1.0",
    "on",
    "wahr",
    "ja",
    "vrai",
    "oui",
    "verdadero",
    "sí",
    "si",
    "sim",
    "evet",
    "بله",
    "بلی",
    "آری",
)
NO = (
    "false",
    "f",
    "no",
    "n",
    "0",
    "0.0",
    "off",
    "falsch",
    "nein",
    "faux",
    "non",
    "falso",
    "não",
    "hayır",
    "hayir",
    "خیر",
    "نه",
)
