"""As what are source records compared?  Every field folded, so that equal things are equal texts.

One row per record, in the order of its key, so that nothing later depends on the order of the input. A
desk's mailbox or a switchboard, that is a role address or a key of many different names, is no key of a
person and left out; so is what only fills a field: a number of one digit, 123456789, a date that far too many
were born on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.normalise.addresses import fold_city, fold_postcode, fold_street
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.emails import fold_email, is_role
from crm_analytics.normalise.given_names import is_given_name
from crm_analytics.normalise.identifiers import fold_identifier, is_iranian_legal_id, is_iranian_national_code
from crm_analytics.normalise.names import fold_company, fold_name, split_name
from crm_analytics.normalise.phones import fold_phone
from crm_analytics.normalise.sounds import is_right_to_left, sound
from crm_analytics.warehouse.sandbox import Sandbox

FIELDS = ("given_name", "family_name", "birth", "email", "phone", "national_id", "street", "postcode", "city")
_MARK = "\x1f"
_DOUBLED = re.compile(r"(.)\1+")
# "Klaus und Eva Zornik", "Klaus & Eva": a letter box of two. Families "von und zu" are one.
_OF_TWO = re.compile(r"\w\.?\s+(?:&|\+|und|and|et|و)\s+(?!zu[rm]?\s)\w|\w\s*&\s*\w", re.IGNORECASE)
_ONE_DIGIT = re.compile(r"^(\w)\1*$|(\d)\2{5,}$")
_IN_ORDER = frozenset(
    {"12345", "123456", "1234567", "12345678", "123456789", "1234567890", "987654321", "9876543210"}
)

# A key is shared when its records bear many different names; two people (a couple) may share one. Names
# count as different by their initials in any order, so that slips and swapped names do not count.
_SHARED = """
    select {field} from compared where {field} is not null
    group by {field}
    having count(distinct least(left(given_name, 1), left(family_name, 1))
            || greatest(left(given_name, 1), left(family_name, 1))) >= 3
        and 2 * count(distinct least(left(given_name, 1), left(family_name, 1))
            || greatest(left(given_name, 1), left(family_name, 1))) > count(*)"""


# Dates of birth that stand for "not known" are borne by many times more records than any other.
_FILLING_DATES = """
    select birth from (select birth, count(*) as n from compared where birth is not null group by birth)
    where n >= 20 and n >= 10 * (select count(birth) / count(distinct birth) from compared)"""
# What stands before the @ tells a person apart unless it only says the name again, or its initials: for
# anna.meyer@, joerg.mueller@ (consonants jrgmlr), am@ there are many.
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_SAID_ONCE = reduce(
    lambda sql, letter: f"replace({sql}, '{letter * 2}', '{letter}')",
    _CONSONANTS,
    f"regexp_replace(split_part(email, '@', 1), '[^{_CONSONANTS}]', '', 'g')",
)
_MAILBOXES = f"""
    select
        case
            when regexp_matches(mailbox, '[0-9]{{2}}') then mailbox
            when length(mailbox) >= 4
                and not coalesce(contains(mailbox, left(family_name, 3)), false)
                and not coalesce(contains(mailbox, left(given_name, 3)), false)
                and not coalesce(contains(consonants, family_said), false)
                and not coalesce(contains(consonants, given_said), false)
                then mailbox
        end as mailbox
    from (
        select
            *,
            split_part(email, '@', 1) as mailbox,
            {_SAID_ONCE} as consonants
        from compared
    )
    order by unique_id"""
# Forms of names and dates that are compared pair by pair, worked out once per record. Jörg is Joerg; of
# محمد رضا حسینی some systems make one given name and some two. How many records bear a given name tells
# a slip of the pen, which is rare beside the name that was meant.
_SPELT = "replace(replace(replace(replace({}, 'oe', 'o'), 'ae', 'a'), 'ue', 'u'), ' ', '')"
_FORMS = f"""
    select
        {_SPELT.format("given_name")} as given_spelt,
        {_SPELT.format("family_name")} as family_spelt,
        {_SPELT.format("given_name || family_name")} as whole_name,
        regexp_replace(given_name, '[aeiouy]', '', 'g') as given_bare,
        case when given_name is not null then count(*) over (partition by given_name) end as given_count,
        date_diff('day', date '1970-01-01', try_cast(birth as date)) as birth_day
    from compared order by unique_id"""


def compared(records: pa.Table) -> pa.Table:
    """Return what is compared of each record.

    Parameters
    ----------
    records : pyarrow.Table
        Columns of ``records.sql``; those that are missing are empty.

    Returns
    -------
    pyarrow.Table
        ``unique_id`` (0, 1, ... in the order of the keys), ``record_id``, ``is_organisation``, the columns
        of `FIELDS` (text; birth as YYYY-MM-DD), ``is_checked`` (the national id bears out its checksum),
        ``country`` (a code of two letters, else NULL), ``is_of_two`` (a name of two people),
        ``given_sound`` and ``family_sound`` (consonants, of people; NULL where all names are in one script),
        ``given_is_rtl`` and ``family_is_rtl`` (Persian or Arabic letters), ``given_is_known`` (a usual name),
        the forms of ``_FORMS`` and ``mailbox`` (what is before the @, unless it only says the name again).

    Examples
    --------
    >>> rows = {"record_id": ["b:1", "a:1"], "first_name": ["Zoë", None], "name": [None, "Doe, Jane"]}
    >>> compared(pa.table(rows)).select(["record_id", "given_name", "family_name"]).to_pylist()
    [{'record_id': 'a:1', 'given_name': 'jane', 'family_name': 'doe'},
     {'record_id': 'b:1', 'given_name': 'zoe', 'family_name': None}]
    """
    rows = records.sort_by("record_id")
    count = rows.num_rows

    def column(name: str) -> pa.Array:
        if name not in rows.column_names:
            return pa.nulls(count, pa.string())
        return rows[name].combine_chunks().cast(pa.string())

    is_organisation = pc.fill_null(pc.equal(column("type"), "organisation"), False)
    whole = column("name")
    first, last = _folded(column("first_name"), fold_name), _folded(column("last_name"), fold_name)
    lacks = pc.and_(pc.is_null(first), pc.is_null(last))
    first = pc.if_else(lacks, _folded(whole, lambda text: split_name(text)[0]), first)
    last = pc.if_else(lacks, _folded(whole, lambda text: split_name(text)[1]), last)
    company = _folded(pc.coalesce(whole, column("last_name")), fold_company)
    national_id = _folded(column("national_id"), _identifier)
    table = pa.table(
        {
            "unique_id": pa.array(range(count), pa.int64()),
            "record_id": column("record_id"),
            "is_organisation": is_organisation,
            "given_name": pc.if_else(is_organisation, None, first),
            "family_name": pc.if_else(is_organisation, company, last),
            "birth": column("birth_on"),
            "email": _folded(column("email"), _personal),
            "phone": _phones(column("phone"), column("country")),
            "national_id": national_id,
            "street": _folded(column("street"), fold_street),
            "postcode": _folded(column("postcode"), fold_postcode),
            "city": _folded(column("city"), fold_city),
            "country": _folded(column("country"), _country),
            "is_of_two": pc.and_(pc.invert(is_organisation), _of_two(column("first_name"), whole)),
            "is_checked": _mapped(national_id, _bears_out, pa.bool_()),
        }
    )
    known = _mapped(table["given_name"].combine_chunks(), is_given_name, pa.bool_())
    return _without_shared_keys(_with_sounds(table.append_column("given_is_known", known)))


def _with_sounds(table: pa.Table) -> pa.Table:
    """Add how names sound where some are written from the right and some from the left."""
    sounds = []
    for name in ("given_name", "family_name"):
        scripts = _mapped(table[name].combine_chunks(), is_right_to_left, pa.bool_())
        kinds = pc.unique(pc.drop_null(scripts))
        people = pc.if_else(table["is_organisation"].combine_chunks(), None, table[name].combine_chunks())
        sounds.append((name, scripts, len(kinds), people))
    is_mixed = any(kinds > 1 for _, _, kinds, _ in sounds)
    for name, scripts, _, people in sounds:
        heard = _folded(people, sound) if is_mixed else pa.nulls(len(scripts), pa.string())
        part = name.removesuffix("_name")
        table = table.append_column(f"{part}_sound", heard).append_column(f"{part}_is_rtl", scripts)
    return table


def _identifier(text: str) -> str | None:
    number = fold_identifier(text)
    return None if number is None or is_filling(number) else number


def is_filling(number: str) -> bool:
    """Is a number only there to fill a field?  One digit again and again, or the digits in their order.

    Examples
    --------
    >>> is_filling("+49300000000"), is_filling("1111111111"), is_filling("0123456789"), is_filling("000000")
    (True, True, True, True)
    >>> is_filling("+989123456789"), is_filling("+49301234567"), is_filling("0084575948")
    (False, False, False)
    """
    digits = number.lstrip("+")
    return not digits.strip("0") or _ONE_DIGIT.search(digits) is not None or digits.lstrip("0") in _IN_ORDER


def _personal(text: str) -> str | None:
    email = fold_email(text)
    return None if email is None or is_role(email) else email


def _bears_out(digits: str) -> bool:
    return is_iranian_national_code(digits) or is_iranian_legal_id(digits)


def _of_two(*columns: pa.Array) -> pa.Array:
    joined = pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in columns), _MARK)
    return _mapped(joined, lambda text: _OF_TWO.search(text) is not None, pa.bool_())


def _country(text: str) -> str | None:
    code = text.strip().upper()
    return code if len(code) == 2 else None


def _phones(phones: pa.Array, countries: pa.Array) -> pa.Array:
    """Read numbers in the country of their record, else in the most frequent one that is a code."""
    codes = Counter(code for code in countries.to_pylist() if code is not None and len(code.strip()) == 2)
    usual = min(codes, key=lambda code: (-codes[code], code)) if codes else ""
    code = pc.if_else(pc.fill_null(pc.equal(pc.utf8_length(countries), 2), False), countries, usual)
    joined = pc.binary_join_element_wise(code, phones, _MARK)
    return _folded(joined, _phone)


def _phone(text: str) -> str | None:
    country, _, phone = text.partition(_MARK)
    number = fold_phone(phone, country)
    digits = "".join(filter(str.isdecimal, fold_digits(phone))).lstrip("0")
    if number is None and not country and 7 <= len(digits) <= 15:
        # without a country a national number is compared by its digits
        number = digits
    return None if number is None or is_filling(number) or is_filling(digits or "0") else number


def _folded(column: pa.Array, fold: Callable[[str], str | None]) -> pa.Array:
    return _mapped(column, lambda text: fold(text) or None, pa.string())


def _mapped(column: pa.Array, change: Callable[[str], object], kind: pa.DataType) -> pa.Array:
    """Change every distinct text once."""
    encoded = column.dictionary_encode()
    changed = pa.array([change(text) for text in encoded.dictionary.to_pylist()], kind)
    return changed.take(encoded.indices)


def _said(name: str) -> str | None:
    """Return the consonants of a name as a mailbox would write them; None where they are too few to tell."""
    if is_right_to_left(name):
        heard = (sound(name) or "").replace("$", "sh").replace("x", "kh").replace("q", "gh")
        return heard if len(heard) > 1 else None
    plain = _DOUBLED.sub(r"\1", "".join(letter for letter in name if letter in _CONSONANTS))
    return plain if len(plain) > 2 else None


def _without_shared_keys(table: pa.Table) -> pa.Table:
    with Sandbox() as sandbox:
        sandbox.register("compared", table)
        shared = {field: sandbox.arrow(_SHARED.format(field=field))[field] for field in ("email", "phone")}
        shared["birth"] = sandbox.arrow(_FILLING_DATES)["birth"]
        for field, values in shared.items():
            kept = pc.if_else(pc.is_in(table[field], value_set=values), None, table[field])
            table = table.set_column(table.column_names.index(field), field, kept)
        said = table
        for part in ("given", "family"):
            said = said.append_column(f"{part}_said", _folded(table[f"{part}_name"].combine_chunks(), _said))
        sandbox.register("compared", said)
        table = table.append_column("mailbox", sandbox.arrow(_MAILBOXES)["mailbox"])
        forms = sandbox.arrow(_FORMS)
        for name in forms.column_names:
            table = table.append_column(name, forms[name])
        return table
