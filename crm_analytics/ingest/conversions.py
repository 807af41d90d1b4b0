"""How does a text become a value of a declared type, and when can it not?  SQL of one column per type.

Numbers are ``[+-]digits[.digits]`` (or as the dialect declares: decimal mark, marks of thousands, signs of
money), Persian and Arabic digits included; ids are text; dates are in `crm_analytics.ingest.dates`. Only
text that a regular expression has found sound is ever cast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from crm_analytics.ingest.cell_facts import NOTHING, Facts
from crm_analytics.ingest.profile import Calendar, ColumnRule, Dialect
from crm_analytics.normalise.booleans import NO, YES
from crm_analytics.normalise.cell_errors import CELL_ERRORS, UNCALCULATED
from crm_analytics.normalise.currencies import CURRENCIES, MINOR_DIGITS
from crm_analytics.normalise.digits import ARABIC_THOUSANDS_MARK, DIGITS
from crm_analytics.schema import Column
from crm_analytics.vocabulary import SPELLINGS, WORDS
from crm_analytics.warehouse import quote_ident

NONE = "cast(null as varchar)"

# Declared type -> (largest plausible value, decimal places).
_NUMBERS = {
    "QUANTITY": ("1e9", 4),
    "MONEY": ("1e12", 4),
    "AMOUNT": ("1e21", 4),
    "BIGINT": ("1e15", 0),
    "DECIMAL(9,4)": ("99999", 4),
    "DECIMAL(9,6)": ("999", 6),
    "RATE": ("9999999999", 18),
}
_CODES = ", ".join(f"'{code}'" for code in sorted(CURRENCIES))
# The typographic minus and the narrow blanks of number formats are folded with the foreign digits.
_FOREIGN = "".join(DIGITS) + "\u2212\u00a0\u202f\u2009"
_ASCII = "".join(DIGITS.values()) + "-   "
_INVISIBLE = r"[\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}\p{Cc}]"
_LOSSY = r"[+-]?\d(\.\d+)?[eE]\+\d+"
_PERCENT = "%\u066a"


@dataclass(frozen=True)
class Conversion:
    """SQL over the column's text.

    Attributes
    ----------
    value, fault, note : str
        The typed value (taken only where there is no fault), a reason code or NULL, and what is to be
        reported of a value that stays, or NULL.
    plain : mapping of str to str
        Columns that the parts build on: suffix -> SQL over the text.
    parts : mapping of str to str
        Intermediate columns that the first three build on: suffix -> SQL over the text and `plain`.
    is_date, is_time : bool
        It is a date, whose part ``odd`` tells whether the time zone lacks the local time (part ``local``)
        or has it twice; ``is_time``: that matters.
    lookup : str | None
        SQL of part ``local`` that is computed once for every different text (part ``text``).
    """

    value: str
    fault: str = NONE
    note: str = NONE
    parts: Mapping[str, str] = field(default_factory=dict)
    plain: Mapping[str, str] = field(default_factory=dict)
    is_date: bool = False
    is_time: bool = False
    lookup: str | None = None


class Bindings:
    """Values that stand in the SQL as parameters."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: Any) -> str:
        """Return the parameter (``$p0``) that stands for a value."""
        for name, known in self.values.items():
            if known == value and type(known) is type(value):
                return f"${name}"
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def used_in(self, sql: str) -> dict[str, Any]:
        """Return the parameters that a statement names."""
        named = set(re.findall(r"\$(p\d+)", sql))
        return {name: value for name, value in self.values.items() if name in named}


@dataclass(frozen=True)
class Field:
    """One column of a target, as a file fills it.

    Attributes
    ----------
    key : str
        Name of its text in SQL, unique among all targets.
    column, rule, dialect : Column, ColumnRule, Dialect
        What is declared; the rule holds only columns that the file has.
    bindings : Bindings
        Where values go that stand in the SQL.
    calendar : {"gregorian", "jalali"}
        Calendar of its dates.
    currency : str | None
        SQL of the currency code beside the amount, for minor units.
    priced : str | None
        SQL of the currency that is priced in this one: another.
    is_id : bool, default False
        It names a thing: exact text.
    facts : Facts
        What is known of its texts in the block at hand.
    """

    key: str
    column: Column
    rule: ColumnRule
    dialect: Dialect
    bindings: Bindings
    calendar: Calendar = "gregorian"
    currency: str | None = None
    priced: str | None = None
    is_id: bool = False
    facts: Facts = NOTHING

    @property
    def is_free_text(self) -> bool:
        """Text that is kept as typed: no id, no word of a list, no currency."""
        return self.column.type == "TEXT" and self.column.words is None and not self.is_id

    @property
    def is_as_written(self) -> bool:
        """Is its text one cell as it stands?"""
        rule = self.rule
        return (
            len(rule.choices) == 1
            and len(rule.choices[0]) == 1
            and not (rule.cases or rule.clean or rule.words or rule.constant or self.dialect.blanks)
        )

    @property
    def default(self) -> str | None:
        """What an empty cell means."""
        if self.column.type == "CURRENCY" and self.column.name == "currency":
            return self.dialect.default_currency
        return self.dialect.default_country if self.column.name == "country" else None

    @property
    def text(self) -> str:
        """SQL of the text."""
        return quote_ident(self.key)

    def part(self, suffix: str) -> str:
        """SQL of an intermediate column."""
        return quote_ident(f"{self.key} {suffix}")


def ascii_text(text: str) -> str:
    """Return SQL of a text with ASCII digits; most have no others."""
    return (
        f"case when strlen({text}) = length({text}) then {text} "
        f"else translate({text}, '{_FOREIGN}', '{_ASCII}') end"
    )


def convert_text(field: Field) -> Conversion:
    """Free text stays as typed; an error of a spreadsheet is none."""
    if not field.facts.has_hash:
        return Conversion(field.text)
    return Conversion(field.text, f"case {no_value(field)}end")


def convert_id(field: Field) -> Conversion:
    """Ids are exact text; one that a spreadsheet has cut, that hides a character, or a list is none."""
    name, facts = field.text, field.facts
    tests = []
    if facts.has_plus:
        is_lossy = f"contains(upper({name}), 'E+') and regexp_full_match({name}, '{_LOSSY}')"
        tests.append(f"when {is_lossy} then 'lossy_id'")
    if not facts.is_ascii:
        tests.append(f"when regexp_matches({name}, '{_INVISIBLE}') then 'invisible_character'")
    if facts.has_list:
        tests.append(f"when starts_with({name}, '[') and ends_with({name}, ']') then 'list_as_id'")
    if facts.has_hash:
        tests.append(no_value(field))
    return Conversion(name, f"case {' '.join(tests)} end" if tests else NONE)


def convert_word(field: Field) -> Conversion:
    """One word of a closed list, in any usual spelling; a word that is in none is kept and reported."""
    name, word, tests = field.text, field.part("word"), no_value(field)
    known = sql_list(WORDS[field.column.words or ""])
    spelled = SPELLINGS.get(field.column.words or "")
    ours = "".join(f"when '{other}' then '{one}' " for other, one in spelled.items()) if spelled else ""
    return Conversion(
        f"case when {word} in {known} then {word} else {name} end",
        f"case {tests}end" if tests else NONE,
        note=f"case when {word} not in {known} then 'unknown_word' end",
        parts={"word": f"case lower({name}) {ours}else lower({name}) end" if ours else f"lower({name})"},
    )


def no_value(field: Field) -> str:
    """Return the branches of a ``case`` that tell cells of a spreadsheet without a value."""
    if not field.facts.has_hash:
        return ""
    text = field.text
    return (
        f"{no_formula(field)}when starts_with({text}, '#') and {text} in {sql_list(CELL_ERRORS)} "
        "then 'error_cell' "
    )


def no_formula(field: Field) -> str:
    """Return the branch that tells a formula without a value; other errors are no number, no date."""
    return (
        f"when {field.text} = '{UNCALCULATED}' then 'formula_without_value' " if field.facts.has_hash else ""
    )


def convert_currency(field: Field) -> Conversion:
    """Currencies are ISO 4217 codes in any case."""
    code = field.part("code")
    tests = f"{no_formula(field)}when {code} not in ({_CODES}) then 'unknown_currency'"
    if field.priced is not None:
        tests += f" when {code} = {field.priced} then 'same_currency'"
    return Conversion(
        code,
        f"case {tests} end",
        parts={"code": f"upper({field.text})"},
    )


def convert_boolean(field: Field) -> Conversion:
    """Yes and no in their usual spellings."""
    word = field.part("word")
    yes, no = sql_list(YES), sql_list(NO)
    return Conversion(
        f"{word} in {yes}",
        f"case {no_formula(field)}when {word} not in {yes} and {word} not in {no} then 'bad_boolean' end",
        parts={"word": f"lower({field.text})"},
    )


def sql_list(words: tuple[str, ...]) -> str:
    """Return our own words (no quotes in them) as a list in SQL."""
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"


def convert_number(field: Field) -> Conversion:
    """Plain numbers; a finer one than the type holds is rounded half up and reported."""
    column, number = field.column, field.part("number")
    limit, decimals = _NUMBERS[column.type]
    if _is_plain(field):
        return _plain_conversion(field, limit, decimals)
    is_number = f"regexp_full_match({number}, '[+-]?\\d+(\\.\\d+)?')"
    is_finer = (
        f"strlen({number}) > {decimals + 2} and regexp_matches({number}, '\\.\\d{{{decimals}}}\\d*[1-9]')"
    )
    cast = f"try_cast({number} as {column.sql_type})"
    multiplier = _multiplier(field)
    if multiplier is not None:
        product = f"cast(try_cast({number} as decimal(28, 8)) * {multiplier} as decimal(38, 12))"
        cast = f"try_cast({product} as {column.sql_type})"
        is_finer = f"coalesce({product} <> {cast}, false)"
    in_range = f"coalesce(abs({cast}) <= {limit}, false)"
    not_above_zero = f"when {cast} <= 0 then 'not_above_zero' " if column.type == "RATE" else ""
    # A count has no fraction: one would be a wrong column, not a finer value.
    is_sound = is_number if decimals else f"{is_number} and not ({is_finer})"
    is_out = f"case when not {in_range} then 'out_of_range' {not_above_zero}end"
    fault = (
        f"case {no_formula(field)}when {is_sound} then {is_out} "
        f"when regexp_full_match(lower({number}), '[+-]?(nan|inf|infinity)') then 'non_finite' "
        f"when regexp_full_match(lower({number}), '[+-]?\\d+(\\.\\d+)?e\\+?0*[1-9]\\d+') then 'out_of_range' "
        f"when {number} is not null then 'bad_number' end"
    )
    return Conversion(
        cast,
        fault,
        note=_note(column, is_finer if decimals else "false", f"{cast} < 0"),
        parts={"number": _number_text(field)},
    )


def _is_plain(field: Field) -> bool:
    """Are all texts digits with points, which may be tried as they stand?"""
    dialect = field.dialect
    return (
        field.facts.is_number
        and dialect.decimal == "."
        and dialect.thousands != "."
        and field.column.type != "BIGINT"
        and _multiplier(field) is None
    )


def _plain_conversion(field: Field, limit: str, decimals: int) -> Conversion:
    """Convert texts of digits and points: what cannot be cast is bad, and is looked at more closely."""
    name, number = field.text, field.part("number")
    point = f"strpos({name}, '.')"
    is_finer = f"strlen({name}) - {point} > {decimals} and {point} > 0"
    is_finer += f" and regexp_matches({name}, '\\.\\d{{{decimals}}}\\d*[1-9]')"
    not_above_zero = f"when {number} <= 0 then 'not_above_zero' " if field.column.type == "RATE" else ""
    return Conversion(
        number,
        f"case when {number} is null then case when {name} is not null then 'bad_number' end "
        f"when abs({number}) > {limit} then 'out_of_range' {not_above_zero}end",
        note=_note(field.column, is_finer, "false"),
        parts={"number": f"try_cast({name} as {field.column.sql_type})"},
    )


def _note(column: Column, is_finer: str, is_below_zero: str) -> str:
    """Return SQL of what is to be said of a number that stays."""
    notes = {"rounded_value": is_finer} | ({"below_zero": is_below_zero} if column.is_positive else {})
    tests = [f"when {test} then '{note}'" for note, test in notes.items() if test != "false"]
    return f"case {' '.join(tests)} end" if tests else NONE


def _number_text(field: Field) -> str:
    """Return SQL of the text with ASCII digits, a decimal point, and no marks that the dialect declares."""
    dialect, name = field.dialect, field.text
    mark = dialect.decimal
    ascii_digits = f"translate({name}, '{_FOREIGN}', '{_ASCII.replace('.', mark)}')"
    grouped = rf"[+-]?\d{{1,3}}({ARABIC_THOUSANDS_MARK}\d{{3}})+(\{mark}\d+)?"
    text = (
        name
        if field.facts.is_ascii
        else (
            f"case when strlen({name}) = length({name}) then {name} "
            f"when regexp_full_match({ascii_digits}, '{grouped}') "
            f"then replace({ascii_digits}, '{ARABIC_THOUSANDS_MARK}', '') else {ascii_digits} end"
        )
    )
    signs = [*dialect.signs, *(_PERCENT if field.rule.factor is not None else ())]
    either = "|".join(re.escape(sign) for sign in sorted(signs, key=len, reverse=True))
    if dialect.brackets == "negative":
        # with no sign of its own inside, and the signs of money inside or outside
        in_brackets = field.bindings.add(rf"^({either})? *\( *([^()+-]+?) *\) *({either})?$")
        text = f"regexp_replace({text}, {in_brackets}, '-\\1\\2\\3')"
    if signs and field.column.type != "BIGINT":
        before = field.bindings.add(f"^({either})? *([+-]?) *({either})? *")
        after = field.bindings.add(f" *({either})$")
        text = f"regexp_replace(regexp_replace({text}, {before}, '\\2'), {after}, '')"
    if dialect.thousands is not None:
        of_three = field.bindings.add(
            rf"[+-]?\d{{1,3}}({re.escape(dialect.thousands)}\d{{3}})+({re.escape(mark)}\d+)?"
        )
        thousands = field.bindings.add(dialect.thousands)
        plain = f"replace({text}, {thousands}, '')"
        text = f"case when regexp_full_match({text}, {of_three}) then {plain} else {text} end"
    if mark == ",":
        return f"case when contains({text}, '.') then {text} || '?' else replace({text}, ',', '.') end"
    return text


def _multiplier(field: Field) -> str | None:
    """Return SQL of what the written number is multiplied by, or None."""
    rule = field.rule
    factors = []
    if rule.factor is not None:
        factors.append(f"cast({field.bindings.add(rule.factor)} as decimal(18, 8))")
    if rule.unit == "toman":
        factors.append("10")
    if rule.minor_units:
        by_digits = " ".join(
            f"when {field.currency} in {sql_list(codes)} then {10**-digits:.{digits}f}"
            for digits, codes in MINOR_DIGITS.items()
        )
        factors.append(f"case {by_digits} when {field.currency} is not null then 0.01 end")
    return f"cast({' * '.join(factors)} as decimal(18, 8))" if factors else None


NUMBERS: Mapping[str, Callable[[Field], Conversion]] = MappingProxyType(
    dict.fromkeys(_NUMBERS, convert_number)
)
