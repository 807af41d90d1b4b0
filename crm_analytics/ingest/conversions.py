"""How does a text become a value of a declared type, and when can it not?  SQL of one column per type.

Numbers are ``[+-]digits[.digits]`` (or the declared decimal mark), Persian and Arabic digits included;
dates are ISO 8601 unless a format is declared, between 1990 and the day of receipt; times without an
offset are local; ids are text. Only text that a regular expression has found sound is ever cast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from crm_analytics.ingest.profile import Dialect
from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.digits import ARABIC_THOUSANDS_MARK, DIGITS
from crm_analytics.schema import Column
from crm_analytics.warehouse import quote_ident

FIRST_DAY = "1990-01-01"
FIRST_DAY_OF_BIRTH = "1900-01-01"
LAST_DAY_AHEAD = "2200-01-01"
NONE = "cast(null as varchar)"

# Days that may lie ahead of the day of receipt: plans and terms.
_MAY_LIE_AHEAD = {"cancelled_on", "due_on", "ended_on", "ends_on", "expected_close_on", "started_on"}

# Declared type -> (largest plausible value, decimal places).
_NUMBERS = {
    "QUANTITY": ("1e9", 4),
    "MONEY": ("1e12", 4),
    "AMOUNT": ("1e21", 4),
    "BIGINT": ("1e15", 0),
    "DECIMAL(9,4)": ("99999", 4),
    "DECIMAL(9,6)": ("999", 6),
    "DECIMAL(18,8)": ("9999999999", 8),
}
_CODES = ", ".join(f"'{code}'" for code in sorted(CURRENCIES))
_FOREIGN, _ASCII = "".join(DIGITS), "".join(DIGITS.values())
_INVISIBLE = r"[\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}\p{Cc}]"
_LOSSY = r"[+-]?\d(\.\d+)?[eE]\+\d+"
_DAY = r"\d{4}-\d{2}-\d{2}"
_TIME = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_OFFSET = r" ?(Z|z|[+-]\d{2}(:?\d{2})?)"


@dataclass(frozen=True)
class Conversion:
    """SQL over the column's text.

    Attributes
    ----------
    value, fault, note : str
        The typed value (NULL where there is a fault), a reason code or NULL, and what is to be reported
        of a value that stays, or NULL.
    parts : mapping of str to str
        Intermediate columns that the three build on: suffix -> SQL over the text.
    is_time : bool
        Part ``local`` is a local time that a time zone may lack or have twice (part ``odd``).
    """

    value: str
    fault: str = NONE
    note: str = NONE
    parts: Mapping[str, str] = field(default_factory=dict)
    is_time: bool = False


def part(column: str, suffix: str) -> str:
    """Return the quoted name of an intermediate column."""
    name: str = quote_ident(f"{column} {suffix}")
    return name


def convert_text(column: Column, dialect: Dialect) -> Conversion:
    """Free text stays as typed."""
    name = quote_ident(column.name)
    if column.name == "country" and dialect.default_country is not None:
        return Conversion(f"coalesce({name}, $default_country)")
    return Conversion(name)


def convert_id(column: Column, dialect: Dialect) -> Conversion:
    """Ids are exact text; one that a spreadsheet has cut, or that hides a character, is none."""
    name = quote_ident(column.name)
    fault = (
        f"case when contains(upper({name}), 'E+') and regexp_full_match({name}, '{_LOSSY}') then 'lossy_id' "
        f"when regexp_matches({name}, '{_INVISIBLE}') then 'invisible_character' end"
    )
    return Conversion(name, fault)


def convert_word(column: Column, dialect: Dialect) -> Conversion:
    """Words are translated by the profile; one in no list is kept and reported."""
    name, ours = quote_ident(column.name), part(column.name, "ours")
    known = f"select ours from words where column_name = '{column.name}' and theirs = lower({name})"
    return Conversion(
        f"coalesce({ours}, {name})",
        note=f"case when {name} is not null and {ours} is null then 'unknown_word' end",
        parts={"ours": f"({known})"},
    )


def convert_currency(column: Column, dialect: Dialect) -> Conversion:
    """Currencies are ISO 4217 codes in any case."""
    code = part(column.name, "code")
    return Conversion(
        f"case when {code} in ({_CODES}) then {code} end",
        f"case when {code} not in ({_CODES}) then 'unknown_currency' end",
        parts={"code": f"upper({quote_ident(column.name)})"},
    )


def convert_boolean(column: Column, dialect: Dialect) -> Conversion:
    """Yes and no in their usual spellings."""
    word = part(column.name, "word")
    yes, no = "('true', 't', 'yes', 'y', '1')", "('false', 'f', 'no', 'n', '0')"
    return Conversion(
        f"case when {word} in {yes} then true when {word} in {no} then false end",
        f"case when {word} not in {yes} and {word} not in {no} then 'bad_boolean' end",
        parts={"word": f"lower({quote_ident(column.name)})"},
    )


def convert_number(column: Column, dialect: Dialect) -> Conversion:
    """Plain numbers; a finer one than the type holds is rounded half up and reported."""
    name, number = quote_ident(column.name), part(column.name, "number")
    limit, decimals = _NUMBERS[column.type]
    mark = "." if dialect.decimal == "." else ","
    ascii_digits = f"translate({name}, '{_FOREIGN}', '{_ASCII.replace('.', mark)}')"
    grouped = rf"[+-]?\d{{1,3}}({ARABIC_THOUSANDS_MARK}\d{{3}})+(\{mark}\d+)?"
    folded = (
        f"case when strlen({name}) = length({name}) then {name} "
        f"when regexp_full_match({ascii_digits}, '{grouped}') "
        f"then replace({ascii_digits}, '{ARABIC_THOUSANDS_MARK}', '') else {ascii_digits} end"
    )
    if dialect.decimal == ",":
        folded = f"case when contains({name}, '.') then {name} || '?' else replace({folded}, ',', '.') end"
    is_number = f"regexp_full_match({number}, '[+-]?\\d+(\\.\\d+)?')"
    is_finer = (
        f"strlen({number}) > {decimals + 2} and regexp_matches({number}, '\\.\\d{{{decimals}}}\\d*[1-9]')"
    )
    cast = f"try_cast({number} as {column.sql_type})"
    in_range = f"coalesce(abs({cast}) <= {limit}, false)"
    # A count has no fraction: one would be a wrong column, not a finer value.
    is_sound = is_number if decimals else f"{is_number} and not ({is_finer})"
    fault = (
        f"case when {is_sound} then case when not {in_range} then 'out_of_range' end "
        f"when regexp_full_match(lower({number}), '[+-]?(nan|inf|infinity)') then 'non_finite' "
        f"when regexp_full_match(lower({number}), '[+-]?\\d+(\\.\\d+)?e\\+?0*[1-9]\\d+') then 'out_of_range' "
        f"when {number} is not null then 'bad_number' end"
    )
    return Conversion(
        f"case when {is_sound} and {in_range} then {cast} end",
        fault,
        note=f"case when {is_sound} and {is_finer} then 'rounded_value' end" if decimals else NONE,
        parts={"number": folded},
    )


def convert_date(column: Column, dialect: Dialect) -> Conversion:
    """Days and times; exact instants where an offset is given, else local to the zone."""
    name, local, offset = quote_ident(column.name), part(column.name, "local"), part(column.name, "offset")
    odd = part(column.name, "odd")
    ascii_digits = f"translate({name}, '{_FOREIGN}', '{_ASCII}')"
    text = f"case when strlen({name}) = length({name}) then {name} else {ascii_digits} end"
    if dialect.date_format is not None:
        parts = {"local": f"try_strptime({text}, $date_format)", "offset": "cast(null as bigint)"}
    else:
        is_zoned = f"regexp_full_match({text}, '{_DAY}{_TIME}{_OFFSET}')"
        told = f"regexp_extract({text}, '{_OFFSET}$', 1)"
        minutes = (
            f"(case when {told}[1] = '-' then -1 else 1 end) * (cast({told}[2:3] as bigint) * 60 "
            f"+ coalesce(try_cast(replace({told}[4:], ':', '') as bigint), 0))"
        )
        parts = {
            "local": (
                f"case when regexp_full_match({text}, '{_DAY}({_TIME})?') then try_cast({text} as timestamp) "
                f"when {is_zoned} then try_cast(regexp_replace({text}, '{_OFFSET}$', '') as timestamp) end"
            ),
            "offset": (
                f"case when {is_zoned} then case when upper({told}) = 'Z' then 0 else {minutes} end end"
            ),
        }
    instant = (
        f"case when {offset} is null then timezone($zone, {local}) "
        f"else timezone('UTC', {local} - to_minutes({offset})) end"
    )
    day = f"cast(case when {offset} is null then {local} else timezone($zone, {instant}) end as date)"
    first = FIRST_DAY_OF_BIRTH if column.name == "birth_on" else FIRST_DAY
    late = (
        f"{day} > date '{LAST_DAY_AHEAD}' then 'date_out_of_range'"
        if column.name in _MAY_LIE_AHEAD
        else f"{day} > $received_on then 'future_date'"
    )
    fault = (
        f"case when {name} is not null and {local} is null then 'bad_date' "
        f"when {day} < date '{first}' then 'date_out_of_range' when {late} "
        f"when {offset} is null then {odd} end"
    )
    value = day if column.type == "DATE" else instant
    return Conversion(
        f"case when ({fault}) is null then {value} end", fault, parts=parts, is_time=column.type != "DATE"
    )


CONVERSIONS: Mapping[str, Callable[[Column, Dialect], Conversion]] = MappingProxyType(
    {
        "BOOLEAN": convert_boolean,
        "CURRENCY": convert_currency,
        "DATE": convert_date,
        "TIMESTAMP": convert_date,
    }
    | dict.fromkeys(_NUMBERS, convert_number)
)
