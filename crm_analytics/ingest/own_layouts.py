"""Which of our own layouts is a file of another system nearest to?  Told by what its columns mean.

A home-made export has columns of its own ("First Name", "Kunden-Nr."): no layout has these names, but
`crm_analytics.normalise.header_words` knows what they mean, and so which plain layout they could be put in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crm_analytics.ingest.profile import Profile
from crm_analytics.normalise.header_words import meaning_of

# Layout -> what a column means -> the layout's own column for it ("": it has none, but such files have). Of
# layouts that know equally many columns of a file the first is the nearest.
OWN_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "customers": {
        "customer_id": "customer_id",
        **dict.fromkeys(("customer_name", "first_name", "last_name"), "name"),
        **{name: name for name in ("email", "phone", "country", "created_at")},
        **dict.fromkeys(("street", "city", "region", "postcode", "national_id", "birth_on", "gender"), ""),
    },
    "plain_orders": {
        "order_id": "source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "amount": "total_amount",
        "currency": "currency",
        "status": "status",
    },
    "transactions": {
        **{name: name for name in ("customer_id", "order_id", "product_id", "quantity", "unit_price")},
        "date": "order_date",
        "product_name": "product",
        "currency": "currency",
        **dict.fromkeys(("line_id", "discount", "amount"), ""),
    },
    "plain_products": {
        "product_id": "source_id",
        **dict.fromkeys(("product_name", "customer_name"), "name"),
        **{name: name for name in ("category", "brand", "unit_price", "unit_cost")},
    },
    "plain_opportunities": {
        "deal_id": "source_id",
        "deal_name": "name",
        "customer_id": "customer_source_id",
        **{name: name for name in ("stage", "amount", "created_at")},
    },
    "plain_tickets": {
        "ticket_id": "source_id",
        "customer_id": "customer_source_id",
        **{name: name for name in ("subject", "status", "created_at")},
    },
    "plain_leads": {
        "lead_id": "source_id",
        "customer_name": "name",
        "source": "lead_source",
        **{name: name for name in ("email", "phone", "status", "created_at")},
    },
    "plain_payments": {
        "payment_id": "source_id",
        "order_id": "order_source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "amount": "amount",
        "currency": "currency",
    },
}
# So many columns, and one in so many of all, are a resemblance; one common word is none.
_LEAST_KNOWN, _LEAST_SHARE = 2, 3


def nearest_own(names: Sequence[str], profiles: Mapping[str, Profile]) -> tuple[str, list[str]] | None:
    """Return our own layout that a header is nearest to and which of its columns are missing, or None.

    Parameters
    ----------
    names : sequence of str
        The header.
    profiles : mapping of str to Profile
        Every layout by name.

    Examples
    --------
    >>> from crm_analytics.ingest.recognise import profiles
    >>> nearest_own(["First Name", "Last Name", "E-Mail"], profiles())
    ('customers', ['customer_id'])
    >>> nearest_own(["Rechnung", "Kunden-Nr.", "Datum", "Gesamtbetrag"], profiles())
    ('plain_orders', [])
    >>> nearest_own(["shoe", "hat"], profiles())
    """
    meanings = {meaning_of(name) for name in names} - {None}
    name = max(OWN_COLUMNS, key=lambda one: len(meanings & OWN_COLUMNS[one].keys()))
    known = len(meanings & OWN_COLUMNS[name].keys())
    if known < _LEAST_KNOWN or known * _LEAST_SHARE < len(names):
        return None
    filled = {column for meaning, column in OWN_COLUMNS[name].items() if meaning in meanings}
    return name, profiles[name].missing(filled.__contains__)
