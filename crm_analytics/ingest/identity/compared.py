"""As what are source records compared?  Every field folded, so that equal things are equal texts.

One row per record, in the order of its key, so that nothing later depends on the order of the input. A
desk's mailbox or a switchboard, that is a role address or a key of many different names, is no key of a
person and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.normalise.addresses import fold_city, fold_postcode, fold_street
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.emails import fold_email, is_role
from crm_analytics.normalise.identifiers import fold_identifier, is_iranian_legal_id, is_iranian_national_code
from crm_analytics.normalise.names import fold_company, fold_name, split_name
from crm_analytics.normalise.phones import fold_phone
from crm_analytics.warehouse.sandbox import Sandbox

FIELDS = ("given_name", "family_name", "birth", "email", "phone", "national_id", "street", "postcode", "city")
_MARK = "\x1f"

# A key is shared when its records bear many different names; two people (a couple) may share one. Names
# count as different by their initials in any order, so that slips and swapped names do not count.
_SHARED = """
    select {field} from compared where {field} is not null
    group by {field}
    having count(distinct least(left(given_name, 1), left(family_name, 1))
            || greatest(left(given_name, 1), left(family_name, 1))) >= 3
        and 2 * count(distinct least(left(given_name, 1), left(family_name, 1))
            || greatest(left(given_name, 1), left(family_name, 1))) > count(*)"""


# What stands before the @ tells a person apart unless it only says the name again: anna.meyer@ is many.
_MAILBOXES = """
    select
        case
            when regexp_matches(mailbox, '[0-9]{2}')
                or not coalesce(
                    contains(mailbox, left(family_name, 3)) or contains(mailbox, left(given_name, 3)), false
                )
                then mailbox
        end as mailbox
    from (select *, split_part(email, '@', 1) as mailbox from compared)
    order by unique_id"""


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
        of `FIELDS` (text; birth as YYYY-MM-DD), ``is_checked`` (the national id bears out its checksum) and
        ``mailbox`` (what stands before the @, unless it only says the name again).

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
    national_id = _folded(column("national_id"), fold_identifier)
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
            "is_checked": _mapped(national_id, _bears_out, pa.bool_()),
        }
    )
    return _without_shared_keys(table)


def _personal(text: str) -> str | None:
    email = fold_email(text)
    return None if email is None or is_role(email) else email


def _bears_out(digits: str) -> bool:
    return is_iranian_national_code(digits) or is_iranian_legal_id(digits)


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
    if number is None and not country:
        # without a country a national number is compared by its digits
        digits = "".join(filter(str.isdecimal, fold_digits(phone))).lstrip("0")
        return digits if 7 <= len(digits) <= 15 else None
    return number


def _folded(column: pa.Array, fold: Callable[[str], str | None]) -> pa.Array:
    return _mapped(column, lambda text: fold(text) or None, pa.string())


def _mapped(column: pa.Array, change: Callable[[str], object], kind: pa.DataType) -> pa.Array:
    """Change every distinct text once."""
    encoded = column.dictionary_encode()
    changed = pa.array([change(text) for text in encoded.dictionary.to_pylist()], kind)
    return changed.take(encoded.indices)


def _without_shared_keys(table: pa.Table) -> pa.Table:
    with Sandbox() as sandbox:
        sandbox.register("compared", table)
        for field in ("email", "phone"):
            shared = sandbox.arrow(_SHARED.format(field=field))[field]
            kept = pc.if_else(pc.is_in(table[field], value_set=shared), None, table[field])
            table = table.set_column(table.column_names.index(field), field, kept)
        sandbox.register("compared", table)
        return table.append_column("mailbox", sandbox.arrow(_MAILBOXES)["mailbox"])
