"""Which of our records does an unknown file tell of, and which of its columns fills which of ours?

A guess from what its columns mean and look like; `draft_words` words it for the person who decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crm_analytics.ingest.draft_columns import STATES, SeenColumn
from crm_analytics.ingest.look import Look
from crm_analytics.ingest.planning import unit_of_header
from crm_analytics.normalise.header_words import meaning_of
from crm_analytics.schema import entity

# Meaning of a column (normalise/header_words.toml) -> our column, by entity; in order of preference.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "order_lines": {
        "order_id": "order_source_id",
        "line_id": "line_source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "product_id": "product_source_id",
        "product_name": "product_name",
        "quantity": "quantity",
        "unit_price": "unit_price",
        "discount": "discount_amount",
        "amount": "amount",
        "currency": "currency",
        "country": "ship_country",
    },
    "orders": {
        "order_id": "source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "status": "status",
        "cancelled": "status",
        "amount": "total_amount",
        "discount": "discount_amount",
        "currency": "currency",
        "owner": "owner_source_id",
        "source": "channel",
    },
    "payments": {
        "payment_id": "source_id",
        "order_id": "order_source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "amount": "amount",
        "currency": "currency",
    },
    "products": {
        "product_id": "source_id",
        "product_name": "name",
        "customer_name": "name",
        "category": "category",
        "brand": "brand",
        "unit_price": "unit_price",
        "unit_cost": "unit_cost",
        "currency": "currency",
        "created_at": "created_at",
        "modified_at": "modified_at",
    },
    "opportunities": {
        "deal_id": "source_id",
        "deal_name": "name",
        "customer_id": "customer_source_id",
        "stage": "stage",
        "amount": "amount",
        "currency": "currency",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "date": "created_at",
        "modified_at": "modified_at",
    },
    "leads": {
        "lead_id": "source_id",
        "customer_name": "name",
        "email": "email",
        "phone": "phone",
        "source": "lead_source",
        "status": "status",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "date": "created_at",
    },
    "tickets": {
        "ticket_id": "source_id",
        "customer_id": "customer_source_id",
        "subject": "subject",
        "status": "status",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "date": "created_at",
    },
    "customers": {
        "customer_id": "source_id",
        "customer_name": "name",
        "first_name": "first_name",
        "last_name": "last_name",
        "email": "email",
        "phone": "phone",
        "national_id": "national_id",
        "street": "street",
        "city": "city",
        "region": "region",
        "postcode": "postcode",
        "country": "country",
        "birth_on": "birth_on",
        "gender": "gender",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "modified_at": "modified_at",
    },
}
# What a record is, by the meanings that must be there; the first that fits is the main entity.
_SIGNS_OF = {
    "tickets": ("ticket_id",),
    "leads": ("lead_id",),
    "opportunities": ("deal_id",),
    "payments": ("payment_id", "amount"),
    "order_lines": ("order_id", "quantity"),
    "orders": ("order_id", "date"),
    "products": ("product_id",),
    "customers": ("customer_id",),
}
# What lines tell of the order that they belong to, where they tell its state.
_OF_HEAD = {"order_id", "customer_id", "date", *STATES}
_KEYS_OF_OTHERS = {"customers": "customer_id", "products": "product_id"}
# What every entity may have, so that it tells of none.
_SHARED = {"currency", "created_at", "modified_at"}
# The column of money without which an entity is worth nothing.
AMOUNT_OF: Mapping[str, str] = {"order_lines": "amount", "orders": "total_amount"}
# What shows that a list tells of sales, though no name tells the number of an order.
_SIGNS_OF_SALES = {"quantity", "unit_price", "amount"}
_OF_LINES = {"quantity", "unit_price", "product_id", "product_name"}
_CONTACT = {"email", "phone", "street", "city", "postcode"}
_CURRENCY_OF_SIGN = {
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₺": "TRY",
    "﷼": "IRR",
    "ریال": "IRR",
    "تومان": "IRR",
}


def main_entity(seen: Sequence[SeenColumn]) -> tuple[str | None, str]:
    """Return which entity a record of the file is, and why; None where nothing tells it.

    Examples
    --------
    >>> from crm_analytics.ingest.draft_columns import seen_columns
    >>> main_entity(seen_columns(["order no", "date"], [["A1"], ["2024-02-01"]]))
    ('orders', 'its columns tell order_id, date')
    """
    meanings = {one.meaning for one in seen}
    found = next((name for name, signs in _SIGNS_OF.items() if meanings.issuperset(signs)), None)
    if found in (None, "customers", "products") and _tells_sales(seen):
        is_of_orders = "amount" in meanings and not meanings & _OF_LINES
        return (
            "orders" if is_of_orders else "order_lines",
            "a day beside money or quantities: it tells of sales",
        )
    return found, f"its columns tell {', '.join(_SIGNS_OF[found])}" if found is not None else ""


def told_beside(main: str, seen: Sequence[SeenColumn]) -> list[str]:
    """Return the entities that the records tell of beside the main one: a key, and more than the key."""
    meanings = {one.meaning for one in seen}
    head = ["orders"] if main == "order_lines" and "date" in meanings and order_states_told(seen) else []
    return head + [
        other
        for other, key in _KEYS_OF_OTHERS.items()
        if other != main
        and key in meanings
        and meanings & (set(COLUMNS[other]) - set(COLUMNS[main]) - _SHARED)
    ]


def order_states_told(seen: Sequence[SeenColumn]) -> list[SeenColumn]:
    """Return the columns that tell the state of the order a record belongs to."""
    return [one for one in seen if one.meaning in STATES and not one.doubt]


def columns_filled(name: str, seen: Sequence[SeenColumn], *, main: str) -> dict[str, list[SeenColumn]]:
    """Return which columns of the file fill each column of an entity, in the order of `COLUMNS`."""
    filled: dict[str, list[SeenColumn]] = {}
    for meaning, column in COLUMNS[name].items():
        if name == "orders" and main == "order_lines" and meaning not in _OF_HEAD:
            continue
        columns = [one for one in seen if one.meaning == meaning and not (meaning in STATES and one.doubt)]
        if columns:
            filled.setdefault(column, columns)
    return filled


def money_columns(name: str) -> set[str]:
    """Return the columns of an entity that are money."""
    return {column.name for column in entity(name).columns if column.is_money}


def may_be_money(one: SeenColumn, main: str) -> bool:
    """May a column be money?  By its name; or its numbers have a sign or decimals, or stand beside orders."""
    if one.meaning in ("amount", "unit_price"):
        return True
    return (one.meaning is None and not one.doubt and one.look.kind == "number") and (
        main in AMOUNT_OF or _has_marks(one.look) or unit_of_header(one.name) is not None
    )


def is_iranian_money(name: str, seen: Sequence[SeenColumn]) -> bool:
    """Is a column in rial or toman?  Its header says so, or is of money in Persian and no column tells."""
    if unit_of_header(name) is not None:
        return True
    return (
        any("\u0600" <= one <= "\u06ff" for one in name)
        and meaning_of(name) in ("amount", "unit_price", "discount", "unit_cost")
        and not any(one.meaning == "currency" for one in seen)
    )


def currency_told(seen: Sequence[SeenColumn]) -> tuple[str, SeenColumn] | None:
    """Return the currency, where no column is one, and the column that speaks for it: a sign, or rial."""
    for one in seen:
        code = _CURRENCY_OF_SIGN.get(one.look.sign or "")
        if code is not None or is_iranian_money(one.name, [one]):
            return code or "IRR", one
    return None


def _tells_sales(seen: Sequence[SeenColumn]) -> bool:
    """Does a list tell of sales, though no name tells the number of an order?

    A day of an event stands beside money or quantities, by their names or, where customers come twice or
    nothing else is told of them, by their values.
    """
    meanings = {one.meaning for one in seen}
    is_of_somebody = bool(meanings & {"customer_id", "customer_name", "quantity"})
    if "date" in meanings and meanings & _SIGNS_OF_SALES and is_of_somebody:
        return True
    keys = [one for one in seen if one.meaning == "customer_id"]
    comes_twice = any(not one.look.is_unique for one in keys) or not meanings & _CONTACT
    has_day = any(one.look.kind == "date" and one.meaning in (None, "date") for one in seen)
    has_money = any(one.meaning is None and not one.doubt and _has_marks(one.look) for one in seen)
    return bool(keys) and comes_twice and has_day and has_money


def _has_marks(look: Look) -> bool:
    return look.kind == "number" and (look.sign is not None or look.has_decimals)
