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
# Two slips, or two of year, month and day equal.
SIMILAR_BIRTH = (
    "(damerau_levenshtein({one}, {other}) <= 2 or left({one}, 7) = left({other}, 7) "
    "or right({one}, 5) = right({other}, 5) "
    "or left({one}, 4) = left({other}, 4) and right({one}, 2) = right({other}, 2))"
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


def _names(one: str, other: str) -> tuple[Level, ...]:
    resembles = f"jaro_winkler_similarity({one}_l, {one}_r)"
    swapped = (
        f"({one}_l = {other}_r and coalesce(jaro_winkler_similarity({one}_r, {other}_l) >= 0.8, true)) "
        f"or ({one}_r = {other}_l and coalesce(jaro_winkler_similarity({one}_l, {other}_r) >= 0.8, true))"
    )
    return (
        Level("equal", f"{one}_l = {one}_r", 0.7, one),
        Level("close", f"{resembles} >= {CLOSE}", 0.15),
        Level("swapped", swapped, 0.03),
        Level("short form", f"starts_with({one}_l, {one}_r) or starts_with({one}_r, {one}_l)", 0.02),
        Level("alike", f"{resembles} >= {ALIKE}", 0.03),
        Level("different", "else", 0.07),
    )


_SAME_DIGITS = "regexp_replace(email_l, '[^0-9]', '', 'g') = regexp_replace(email_r, '[^0-9]', '', 'g')"
# An address elsewhere that only says the name again says nothing.
_SAYS_NOTHING = (
    "(mailbox_l is null and email_l <> email_r and split_part(email_l, '@', 1) = split_part(email_r, '@', 1))"
)
_SAME_PLACE = "(postcode_l = postcode_r or city_l = city_r)"

# field of the evidence -> (columns it needs, of which one is enough; levels, the strongest first)
COMPARISONS: MappingProxyType[str, tuple[tuple[str, ...], tuple[Level, ...]]] = MappingProxyType(
    {
        "given_name": (("given_name",), _names("given_name", "family_name")),
        "family_name": (("family_name",), _names("family_name", "given_name")),
        "birth": (
            ("birth",),
            (
                Level("equal", "birth_l = birth_r", 0.85),
                Level("one slip", "damerau_levenshtein(birth_l, birth_r) <= 1", 0.05),
                Level("two slips", SIMILAR_BIRTH.format(one="birth_l", other="birth_r"), 0.03),
                Level("different", "else", 0.07),
            ),
        ),
        "email": (
            ("email",),
            (
                Level("equal", "email_l = email_r", 0.65),
                Level("same before the @", "mailbox_l = mailbox_r", 0.04),
                Level("close", f"jaro_winkler_similarity(email_l, email_r) >= 0.92 and {_SAME_DIGITS}", 0.05),
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
