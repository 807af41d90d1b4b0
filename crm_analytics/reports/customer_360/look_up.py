"""Which customer is meant: by customer_id, by the id in a source system, by e-mail address, by phone number?

In a published copy e-mail addresses, phone numbers and ids that hold an "@" are keyed hashes, which
`crm_analytics.warehouse.lookup` explains. Messages never repeat an address or a number, and never show those
of others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from crm_analytics.errors import UsageError
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.emails import fold_email
from crm_analytics.normalise.phones import fold_phone
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.lookup import keyed_hash, read_lookup_key
from crm_analytics.warehouse.sql_file import PACKAGE

LOOK_UP = "by_customer.look_up"
_SHOWN = 10
_LAST_DIGITS = 6
_DIGITS = "0-9۰-۹٠-٩"
# One key at a time: only a comparison with a constant spares the reading of all other blocks.
_IN_COPY = f"select customer_id from {LOOK_UP} where key = $key"


@dataclass(frozen=True)
class Bearer:
    """A record that has an address or number.

    Attributes
    ----------
    entity : str
        customers, contacts or leads.
    source_system, source_id : str
        Its key.
    customer_source_id : str | None
        The customer record of that system that it leads to.
    """

    entity: str
    source_system: str
    source_id: str
    customer_source_id: str | None


def find_customer(wh: Warehouse, asked: str, *, is_laid_out: bool) -> str:
    """Return the customer_id that is meant.

    Parameters
    ----------
    wh : Warehouse
        A warehouse, or a published copy.
    asked : str
        customer_id (``system:id``), the id alone, an e-mail address or a phone number.
    is_laid_out : bool
        Has the warehouse the table ``by_customer.look_up``?

    Raises
    ------
    UsageError
        Nobody has it (with ids that look alike), or several have (with their ids); or it is no text.
    """
    text = asked_text(asked)
    found = _in_copy(wh, text) if is_laid_out else _in_warehouse(wh, text)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(_unknown(wh, text))
    shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    what = _kind(text)
    raise UsageError(
        f"{what[0].upper()}{what[1:]} belongs to {len(found)} customers: {shown}. Ask for one of them by id."
    )


def asked_text(asked: object) -> str:
    """Return what was asked for without blanks around it; UsageError when it is no text, or empty."""
    if isinstance(asked, str) and asked.strip():
        return asked.strip()
    given = "an empty text" if isinstance(asked, str) else type(asked).__name__
    raise UsageError(
        "Name a customer by customer_id, the id in a source system, an e-mail address or a phone number, as "
        f"text; got {given}."
    )


def customers_by_id(wh: Warehouse, text: str) -> list[str]:
    """Return the customer_ids of the records that have an id, with or without its system.

    Records of customers first, else what names a customer that nobody described.
    """
    system, separator, rest = text.partition(":")
    by_id = _with_id(wh, rest, system) if separator else []
    return by_id or _with_id(wh, text, None)


def bearers(wh: Warehouse, text: str, *, for_customers: bool) -> list[Bearer]:
    """Return the records that have an e-mail address or phone number, however either is written.

    Parameters
    ----------
    wh : Warehouse
        Not a published copy.
    text : str
        The address or number; anything else is nobody's.
    for_customers : bool
        Only those that lead to a customer, of loads that stand; else all that are kept, leads included.
    """
    if not _is_personal(text):
        return []
    email, digits = fold_email(text), digits_of(text)
    candidates = wh.rows(
        _file("contact_points"),
        is_all=False,
        for_customers=for_customers,
        email_like=_email_like(email) if email else None,
        email_pattern=_email_pattern(email) if email else None,
        phone_like=f"%{'%'.join(digits[-_LAST_DIGITS:])}%",
        phone_pattern=_phone_pattern(digits) if not email and len(digits) >= _LAST_DIGITS else None,
    )
    found = {
        Bearer(*record)
        for *record, written, phone, country in candidates
        if (email and written and fold_email(written) == email)
        or (not email and phone and _is_same_number(text, phone, country))
    }
    return sorted(found, key=lambda one: (one.entity, one.source_system, one.source_id))


def records_of(wh: Warehouse, customer_id: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the canonical customer_id of a record, and all source records that are the same customer."""
    system, _, source_id = customer_id.partition(":")
    rows = wh.rows(_file("records_of_customer"), source_system=system, source_id=source_id)
    return str(rows[0][2]), [(row[0], row[1]) for row in rows]


def digits_of(text: str) -> str:
    """Return the digits of a number as written.

    Examples
    --------
    >>> digits_of("(030) 231-25037")
    '03023125037'
    """
    return "".join(filter(str.isdigit, fold_digits(text)))


def _in_copy(wh: Warehouse, text: str) -> list[str]:
    # an id that holds an "@" is a hash there; each key that is asked for costs the reading of a block
    has_at = "@" in text.rpartition(":")[2]
    found = [] if has_at else _led_to(wh, [text])
    if found or not _is_personal(text):
        return found
    key = read_lookup_key(wh)
    if has_at:
        forms = {("id", text), ("email", fold_email(text))}
    else:
        forms = {("phone", fold_phone(text)), ("phone", digits_of(text))}
    hashes = [keyed_hash(key, kind, form) for kind, form in sorted(forms, key=str) if form]
    return _led_to(wh, hashes)


def _led_to(wh: Warehouse, keys: Iterable[str]) -> list[str]:
    return sorted({row[0] for key in keys for row in wh.rows(_IN_COPY, key=key)})


def _in_warehouse(wh: Warehouse, text: str) -> list[str]:
    by_id = customers_by_id(wh, text)
    if by_id:
        return by_id
    return canonical(
        wh, {f"{one.source_system}:{one.customer_source_id}" for one in bearers(wh, text, for_customers=True)}
    )


def _email_like(folded: str) -> str:
    """Return a pattern of LIKE, in whatever case, that no way of writing a folded address escapes.

    Examples
    --------
    >>> _email_like("ada.l@example.org"), _email_like("adal@gmail.com")
    ('%ada.l%@%', '%@g%mail.com%')
    """
    mailbox, _, host = folded.rpartition("@")
    return "%@g%mail.com%" if host == "gmail.com" else f"%{mailbox}%@%"  # dots do not count there


def _email_pattern(folded: str) -> str:
    """Return a pattern of how a folded address may be written in Latin letters, its host left open.

    Examples
    --------
    >>> bool(re.search(_email_pattern("adal@gmail.com"), "<A.dal+news@googlemail.com>"))
    True
    """
    letters = "[.]*".join(re.escape(letter) for letter in folded.partition("@")[0].replace(".", ""))
    return rf"(?i)^[\s<]*(mailto:)?[.]*{letters}[.]*([+][^@]*)?@"


def _phone_pattern(digits: str) -> str:
    """Return a pattern of the last digits of a number, however they are parted and in whatever digits.

    Examples
    --------
    >>> bool(re.search(_phone_pattern("03023125037"), "(030) 231-25037"))
    True
    """
    last = f"[^{_DIGITS}]*".join(
        f"[{digit}{chr(ord('۰') + int(digit))}{chr(ord('٠') + int(digit))}]"
        for digit in digits[-_LAST_DIGITS:]
    )
    return f"{last}[^{_DIGITS}]*$"


def _with_id(wh: Warehouse, source_id: str, system: str | None) -> list[str]:
    for name in ("records_by_id", "records_by_mention"):
        systems = [row[0] for row in wh.rows(_file(name), source_id=source_id)]
        found = [f"{one}:{source_id}" for one in systems if system in (None, one)]
        if found:
            return canonical(wh, found)
    return []


def canonical(wh: Warehouse, keys: Iterable[str]) -> list[str]:
    """Return the customer_ids that the keys of records belong to, each once, sorted."""
    return sorted({records_of(wh, key)[0] for key in keys})


def _is_same_number(asked: str, written: str, country: str | None) -> bool:
    wanted = fold_phone(asked, country)
    if wanted is None:
        return digits_of(asked) == digits_of(written)
    return wanted == fold_phone(written, country) or digits_of(asked) == digits_of(written)


def _unknown(wh: Warehouse, text: str) -> str:
    if _is_personal(text):
        return f"No customer has {_kind(text)}. Look for typing errors, or ask by customer_id."
    source_id = text.rpartition(":")[2]
    near = [f"{row[0]}:{row[1]}" for row in wh.rows(_file("similar_ids"), source_id=source_id)]
    hint = f" Nearest: {', '.join(near)}." if near else " Ids are written system:id, or the id alone."
    return f"There is no customer {text[:80]!r}.{hint}"


def _kind(text: str) -> str:
    if "@" in text:
        return "this e-mail address"
    return "this phone number" if _is_personal(text) else f"{text[:80]!r}"


def _is_personal(text: str) -> bool:
    """Is it an address, or a number that could be a telephone's?"""
    return "@" in text or (
        len(digits_of(text)) >= 6 and not any(char.isalpha() for char in text) and ":" not in text
    )


def _file(name: str) -> SqlFile:
    return SqlFile.load(PACKAGE / "facts" / f"{name}.sql")
