"""How is a cell cleaned before it means anything?  The registry of cleaners that profiles name.

A cleaner is SQL over the SQL of a text (NULL = empty); it returns NULL where nothing is left. What a
profile writes after ":" ("salesforce_id:003,00Q") goes to it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from crm_analytics.normalise.digits import DIGITS
from crm_analytics.normalise.letters import LETTERS

_NO_RECORD = "000000000000000"
_CHECK_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_FOLDED = {one: other for one, other in LETTERS.items() if other}
_FROM = "".join((*DIGITS, *_FOLDED))
_TO = "".join((*DIGITS.values(), *_FOLDED.values()))
_REMOVED = "".join(one for one, other in LETTERS.items() if not other)


def cleaned(text: str, cleaner: str) -> str:
    """Return SQL of a text after one cleaner, as a profile names it."""
    name, _, argument = cleaner.partition(":")
    return CLEANERS[name](text, argument)


def salesforce_id(text: str, prefixes: str) -> str:
    """Return ids of 15 characters (in which case counts) with the 3 that tell case; the zero id is none.

    Each of the three letters tells which of five characters are capitals, as a number of five bits. With
    `prefixes` (kinds of records, three characters each, joined by ",") ids of other kinds are none.
    """
    kinds = [one for one in prefixes.split(",") if one.isalnum()]
    other = f"when left({text}, 3) not in {_sql_list(kinds)} then null " if kinds else ""
    letters = []
    for chunk in range(3):
        bits = " + ".join(
            f"case when {text}[{place}] between 'A' and 'Z' then {1 << bit} else 0 end"
            for bit, place in enumerate(range(chunk * 5 + 1, chunk * 5 + 6))
        )
        letters.append(f"'{_CHECK_LETTERS}'[({bits}) + 1]")
    return (
        f"case when starts_with({text}, '{_NO_RECORD}') then null {other}"
        f"when regexp_full_match({text}, '[0-9A-Za-z]{{15}}') then {text} || {' || '.join(letters)} "
        f"else {text} end"
    )


def whole_number(text: str, _: str) -> str:
    """Return an id that was kept as a floating number without its ".0"."""
    return f"case when regexp_full_match({text}, '\\d+\\.0+') then split_part({text}, '.', 1) else {text} end"


def _sql_list(words: list[str]) -> str:
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"


def _first_of_list(separator: str) -> Callable[[str, str], str]:
    return lambda text, _: f"nullif(trim(split_part(ltrim({text}, '{separator} '), '{separator}', 1)), '')"


CLEANERS: Mapping[str, Callable[[str, str], str]] = MappingProxyType(
    {
        # leading apostrophes, with which exporters keep spreadsheets from reading a number or a formula
        "apostrophe": lambda text, _: f"nullif(ltrim({text}, ''''), '')",
        "first_in_comma_list": _first_of_list(","),
        "first_in_list": _first_of_list(";"),
        # one form of each Persian or Arabic digit and letter; invisible joiners fall away
        "fold_letters": lambda text, _: f"translate({text}, '{_FROM}{_REMOVED}', '{_TO}')",
        "lower": lambda text, _: f"lower({text})",
        # systems that write what is absent as False (Odoo)
        "not_false": lambda text, _: f"case when lower({text}) = 'false' then null else {text} end",
        "salesforce_id": salesforce_id,
        # of lists only: one value is no list
        "several_in_list": lambda text, _: (
            f"case when regexp_matches({text}, '[^; ] *;[; ]*[^; ]') then {text} end"
        ),
        "upper": lambda text, _: f"upper({text})",
        "whole_number": whole_number,
        # Zoho's ids carry a prefix in files that they lack elsewhere
        "zoho_id": lambda text, _: f"nullif(regexp_replace({text}, '^zcrm_', ''), '')",
    }
)
