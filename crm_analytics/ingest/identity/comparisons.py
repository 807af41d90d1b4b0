"""How do two records compare, field by field?  Levels of agreement, from equal to different, for Splink.

Fields that repeat one another are one comparison (street, postcode and city: one address), or else a
household would look like one person. A similar e-mail address counts only where its digits are equal:
jan.meyer84 and jan.meyer48 are two people of one name; so are jan.meyer here and jan.meyer there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

# How two texts must resemble each other (Jaro-Winkler) to be close or at least alike.
CLOSE, ALIKE = 0.9, 0.75
# Two people of one name in one household are a generation apart: such dates are never a slip of the pen.
GENERATION_DAYS = 15 * 365
_DAYS = "abs(birth_day_l - birth_day_r)"
ONE_LIFE = f"{_DAYS} < {GENERATION_DAYS}"
ONE_SLIP = (
    f"{ONE_LIFE} and (damerau_levenshtein(birth_l, birth_r) <= 1 or left(birth_l, 4) = left(birth_r, 4) "
    "and substr(birth_l, 6, 2) = right(birth_r, 2) and right(birth_l, 2) = substr(birth_r, 6, 2))"
)
# Two slips, or two of year, month and day equal.
SIMILAR_BIRTH = (
    f"{ONE_LIFE} and (damerau_levenshtein(birth_l, birth_r) <= 2 or left(birth_l, 7) = left(birth_r, 7) "
    "or right(birth_l, 5) = right(birth_r, 5) "
    "or left(birth_l, 4) = left(birth_r, 4) and right(birth_l, 2) = right(birth_r, 2))"
)
# The day, the month, the year or its decade one off.
ONE_OFF = f"least({_DAYS}, abs({_DAYS} - 365), abs({_DAYS} - 3652)) <= 40"

# Two national ids of one country of which neither is a slip of the other: two people, unless they were born
# on one day (a card is renewed under another number, and wrong numbers are typed).
_SHORT_ID = "ltrim(national_id_{}, '0')"
OTHER_ID = (
    f"damerau_levenshtein({_SHORT_ID.format('l')}, {_SHORT_ID.format('r')}) > 1 "
    f"and coalesce(country_l = country_r, true) and not coalesce(birth_l = birth_r, false)"
)


@dataclass(frozen=True)
class Level:
    """One level of agreement.

    Attributes
    ----------
    label : str
        In words, as the evidence says it.
    condition : str
        SQL over the columns of the left (``_l``) and right (``_r``) record.
    m : float
        Share of true pairs on this level, as far as nothing was learned from the data.
    frequency_of : str, optional
        Column whose frequent values count for less.
    """

    label: str
    condition: str
    m: float
    frequency_of: str | None = None


def _resemble(one: str) -> str:
    return f"jaro_winkler_similarity({one}_l, {one}_r)"


def _names(
    one: str, other: str, slips: tuple[Level, ...], unsure: tuple[Level, ...] = ()
) -> tuple[Level, ...]:
    part = one.removesuffix("_name")
    swapped = (
        f"({one}_l = {other}_r and coalesce(jaro_winkler_similarity({one}_r, {other}_l) >= 0.8, true)) "
        f"or ({one}_r = {other}_l and coalesce(jaro_winkler_similarity({one}_l, {other}_r) >= 0.8, true))"
    )
    return (
        Level("equal", f"{one}_l = {one}_r", 0.7, one),
        Level(
            "equal in another spelling",
            f"{part}_spelt_l = {part}_spelt_r or whole_name_l = whole_name_r",
            0.02,
        ),
        Level(
            "equal in another script",
            f"{part}_is_rtl_l <> {part}_is_rtl_r and {part}_sound_l = {part}_sound_r",
            0.02,
        ),
        *slips,
        Level("swapped", swapped, 0.03),
        *unsure,
        Level("short form", _short_form(one), 0.02),
        Level("alike", f"{_resemble(one)} >= {ALIKE}", 0.03),
        Level("different", "else", 0.07),
    )


def _short_form(one: str) -> str:
    return f"starts_with({one}_l, {one}_r) or starts_with({one}_r, {one}_l)"


# What makes another name of a name is another ending (Paul, Paula or Paulina; Peter, Petra), another vowel
# (Lena, Lina) or another first letter (Tina, Nina). Anna Maria may be Anna, Rob Robert, J Jana.
SLIPS = "damerau_levenshtein(given_name_l, given_name_r)"
_CHANGED_PLACES = f"{SLIPS} = 1 and levenshtein(given_name_l, given_name_r) = 2"
_SAME_LENGTH = "length(given_name_l) = length(given_name_r)"
_SECOND_NAME = (
    "starts_with(given_name_l, given_name_r || ' ') or starts_with(given_name_r, given_name_l || ' ')"
)
_OTHER_END = (
    "(right(given_name_l, 1) <> right(given_name_r, 1) or regexp_matches(given_name_l, '[ae]$') and "
    f"{_short_form('given_name')}) and least(length(given_name_l), length(given_name_r)) > 2"
)
_OTHER_VOWEL = f"{_SAME_LENGTH} and given_bare_l = given_bare_r and not ({_CHANGED_PLACES})"
_OTHER_START = f"{_SAME_LENGTH} and left(given_name_l, 1) <> left(given_name_r, 1) and {SLIPS} = 1"
# Two usual names are two, whatever parts them (Lena, Lea; Mia, Mina).
_BOTH_KNOWN = "given_is_known_l and given_is_known_r"
MAY_BE_ANOTHER = (
    f"({_resemble('given_name')} >= {ALIKE} or {_short_form('given_name')}) "
    "and given_spelt_l <> given_spelt_r and not coalesce(whole_name_l = whole_name_r, false) "
    f"and (({_OTHER_END}) or ({_OTHER_VOWEL}) or ({_OTHER_START}) or ({_BOTH_KNOWN})) "
    f"and not ({_SECOND_NAME})"
)
# A slip is rare beside what was meant; of two names that both are borne, neither need be one.
IS_RARE = (
    "(greatest(given_count_l, given_count_r) >= 10 * least(given_count_l, given_count_r) "
    "or least(given_count_l, given_count_r) = 1 and greatest(given_count_l, given_count_r) > 1)"
)
# Two forms of which one may be a slip, although they may be two names.
IS_SLIP = f"coalesce({IS_RARE} and {SLIPS} <= 2 and not ({_BOTH_KNOWN}), false)"
# Given and family name in each other's place, each with a slip perhaps.
IS_SWAPPED = (
    f"coalesce(jaro_winkler_similarity(given_name_l, family_name_r) >= {CLOSE} "
    f"or jaro_winkler_similarity(given_name_r, family_name_l) >= {CLOSE}, false)"
)
# Two given names of one script that no slip, short form or swap explains, or that may be two.
OTHER_NAME = (
    f"({_resemble('given_name')} < {ALIKE} and not ({_short_form('given_name')}) "
    f"and given_is_rtl_l = given_is_rtl_r or {MAY_BE_ANOTHER}) and not ({IS_SWAPPED})"
)
_GIVEN = (
    Level(
        "one slip",
        f"{_resemble('given_name')} >= {ALIKE} and {SLIPS} = 1 "
        f"and (levenshtein(given_name_l, given_name_r) = 2 or {IS_RARE} "
        f"and least(length(given_name_l), length(given_name_r)) >= 6) and not ({MAY_BE_ANOTHER})",
        0.08,
    ),
    Level(
        "close",  # the initial of a short name is as much of it as that of a long one: a short form
        f"{_resemble('given_name')} >= {ALIKE} and {IS_RARE} and not ({MAY_BE_ANOTHER}) "
        f"and not ({_short_form('given_name')})",
        0.05,
    ),
)
_UNSURE = (Level("alike, but may be another", MAY_BE_ANOTHER, 0.04),)
_FAMILY = (Level("close", f"{_resemble('family_name')} >= {CLOSE}", 0.15),)

_SAME_DIGITS = "regexp_replace(email_l, '[^0-9]', '', 'g') = regexp_replace(email_r, '[^0-9]', '', 'g')"
# An address elsewhere that only says the name again says nothing.
_ALIKE_MAIL = f"jaro_winkler_similarity(email_l, email_r) >= 0.92 and {_SAME_DIGITS}"
_SAYS_NOTHING = (
    "(mailbox_l is null and mailbox_r is null and email_l <> email_r "
    f"and (split_part(email_l, '@', 1) = split_part(email_r, '@', 1) or {_ALIKE_MAIL}))"
)
_SAME_PLACE = "(postcode_l = postcode_r or city_l = city_r)"

# field of the evidence -> (columns it needs, of which one is enough; levels, the strongest first)
COMPARISONS: MappingProxyType[str, tuple[tuple[str, ...], tuple[Level, ...]]] = MappingProxyType(
    {
        "given_name": (("given_name",), _names("given_name", "family_name", _GIVEN, _UNSURE)),
        "family_name": (("family_name",), _names("family_name", "given_name", _FAMILY)),
        "birth": (
            ("birth",),
            (
                Level("equal", "birth_l = birth_r", 0.85),
                Level("one slip", ONE_SLIP, 0.05),
                Level("two slips", SIMILAR_BIRTH, 0.03),
                Level("one off", ONE_OFF, 0.02),
                Level("different", "else", 0.05),
            ),
        ),
        "email": (
            ("email",),
            (
                Level("equal", "email_l = email_r", 0.65),
                Level("same before the @", "mailbox_l = mailbox_r", 0.04),
                Level("close", _ALIKE_MAIL, 0.05),
                Level("different", "else", 0.26),
            ),
        ),
        "phone": (
            ("phone",),
            (
                Level("equal", "phone_l = phone_r", 0.7),
                Level("one slip", "damerau_levenshtein(phone_l, phone_r) <= 1", 0.03),
                Level("different", "else", 0.27),
            ),
        ),
        "national_id": (
            ("national_id",),
            (
                Level("equal", "national_id_l = national_id_r", 0.9),
                Level("one slip", "damerau_levenshtein(national_id_l, national_id_r) <= 1", 0.05),
                Level("different", "else", 0.05),
            ),
        ),
        "address": (
            ("street", "postcode", "city"),
            (
                Level("equal", f"street_l = street_r and {_SAME_PLACE}", 0.5),
                Level(
                    "close", f"jaro_winkler_similarity(street_l, street_r) >= {CLOSE} and {_SAME_PLACE}", 0.15
                ),
                Level("same postcode", "postcode_l = postcode_r", 0.1),
                Level("same city", "city_l = city_r", 0.05, "city"),
                Level("similar city", "jaro_winkler_similarity(city_l, city_r) >= 0.88", 0.03),
                Level("different", "else", 0.17),
            ),
        ),
    }
)


def settings(filled: Collection[str]) -> list[dict[str, Any]]:
    """Return Splink's settings of the comparisons whose columns are filled.

    Examples
    --------
    >>> [one["output_column_name"] for one in settings({"email", "city"})]
    ['email', 'address']
    """
    made = []
    for field, (columns, levels) in COMPARISONS.items():
        if not set(columns) & set(filled):
            continue
        unknown = " and ".join(f"({column}_l is null or {column}_r is null)" for column in columns)
        if field == "email":
            unknown += f" or {_SAYS_NOTHING}"
        made.append(
            {
                "output_column_name": field,
                "comparison_levels": [
                    {"sql_condition": unknown, "label_for_charts": "unknown", "is_null_level": True},
                    *(_level(level) for level in levels),
                ],
            }
        )
    return made


def _level(level: Level) -> dict[str, Any]:
    made: dict[str, Any] = {
        "sql_condition": "ELSE" if level.condition == "else" else level.condition,
        "label_for_charts": level.label,
        "m_probability": level.m,
    }
    if level.frequency_of is not None:
        made["tf_adjustment_column"] = level.frequency_of
    return made
