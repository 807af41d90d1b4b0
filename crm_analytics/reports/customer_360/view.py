"""What do we know of one customer?  Identity, consents, deals, orders, service, scores, timeline.

Amounts are in the reporting currency. Everything is as of a day: what happened on it or later is not there.
Rows are dicts with the columns that the header of the SQL file beside this one describes, money as Decimal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from crm_analytics.errors import CurrencyError, UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.facts.one_customer import FACTS, one_customer
from crm_analytics.reports.customer_360.look_up import find_customer, records_of
from crm_analytics.reports.customer_360.timeline import Event, timeline
from crm_analytics.warehouse import SqlFile, Warehouse, check_day

Row = Mapping[str, Any]

# SQL file -> the fact it reads.
SECTIONS = {
    "profile": "customer_profiles_before",
    "records": "source_records_before",
    "consents": "consents_before",
    "deals": "opportunities_before",
    "orders": "orders_before",
    "unconverted_orders": "unconverted_orders_before",
    "returns": "returns_before",
    "payments": "payments_before",
    "contracts": "contracts_before",
    "tickets": "tickets_before",
    "tasks": "tasks_before",
    "leads": "leads_before",
    "interactions": "interactions_before",
    "feedback": "feedback_before",
    "campaign_contacts": "campaign_contacts_before",
}
_SCORES = ("scores", "offers", "lifecycle")
# Fields that stand by themselves, and those that moved together with one of them.
_FIELDS = {
    "name": "name_from",
    "first_name": "name_from",
    "last_name": "name_from",
    "email": "email_from",
    "phone": "phone_from",
    "national_id": "national_id_from",
    "street": "address_from",
    "city": "address_from",
    "postcode": "address_from",
    "region": "address_from",
    "country": "address_from",
    "birth_on": "birth_from",
    "type": None,
    "gender": None,
    "occupation": None,
    "industry": None,
    "employee_count": None,
}
_LAID_OUT = "select as_of from by_customer.made_for"
# A copy is only read, so the sizes are those of its last checkpoint; what is empty need not be asked.
_FILLED = "select table_name from duckdb_tables() where schema_name = 'by_customer' and estimated_size > 0"
_LAST_LOAD = "select cast(max(received_at) as date) from ops.loads where status = 'loaded'"


@dataclass(frozen=True)
class Field:
    """One thing known, and the source record (system:id) that said it; None = the newest that has it."""

    name: str
    value: Any
    told_by: str | None


@dataclass(frozen=True)
class Identity:
    """Which source records the customer is, and what they say together."""

    records: tuple[Row, ...]
    fields: tuple[Field, ...]
    owner_source_id: str | None


@dataclass(frozen=True)
class Lifecycle:
    """State of life (None = no night of the view's day is kept), and every state that nights saw."""

    state: str | None
    since_on: date | None
    transitions: tuple[Row, ...]


@dataclass(frozen=True)
class Deals:
    """Open deals, the stage of the largest (the place in the funnel), and how the others ended.

    ``open_amount`` is without the deals of ``unconverted``, whose currency has no rate.
    """

    funnel_stage: str | None
    open_count: int
    open_amount: Decimal
    won_count: int
    lost_count: int
    open: tuple[Row, ...]
    unconverted: tuple[Row, ...]


@dataclass(frozen=True)
class Orders:
    """Totals (amounts over all orders, returned ones too), and the last rows, newest first.

    ``unconverted`` orders, whose total has no rate to the reporting currency, are in no count and no sum.
    ``net_amount`` and ``returned_amount`` are None where there are orders and the amount of none is known.
    """

    purchase_count: int
    net_amount: Decimal | None
    returned_amount: Decimal | None
    unpriced_count: int
    first_on: date | None
    last_on: date | None
    last: tuple[Row, ...]
    unconverted: tuple[Row, ...]


@dataclass(frozen=True)
class Customer:
    """Everything known of one customer before a day.

    Attributes
    ----------
    customer_id : str
        Canonical customer.
    as_of : date
        First day not seen.
    currency : str | None
        Of all amounts.
    identity, lifecycle, deals, orders
        See their classes.
    consents, contracts, tickets, campaign_contacts, offers : tuple of dict
        Rows, newest first; offers best first.
    scores : dict
        The row of the night (`crm_analytics.scoring.customer_scores`), reasons included; empty without one.
    timeline : tuple of Event
        Everything that happened, oldest first, with the row that tells it.
    """

    customer_id: str
    as_of: date
    currency: str | None
    identity: Identity
    lifecycle: Lifecycle
    consents: tuple[Row, ...]
    deals: Deals
    orders: Orders
    contracts: tuple[Row, ...]
    tickets: tuple[Row, ...]
    campaign_contacts: tuple[Row, ...]
    scores: Row
    offers: tuple[Row, ...]
    timeline: tuple[Event, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts and lists; dates and Decimals stay what they are."""
        return asdict(self)

    def __str__(self) -> str:
        from crm_analytics.reports.customer_360.shown import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from crm_analytics.reports.customer_360.shown import as_html

        return as_html(self)


def customer(
    wh: Warehouse, id_or_email_or_phone: str, *, as_of: date | None = None, last_orders: int = 10
) -> Customer:
    """Return everything known of one customer.

    Parameters
    ----------
    wh : Warehouse
        A warehouse, or a published copy (`crm_analytics.open_published`), where personal fields are empty and
        which answers fastest for the day of its night.
    id_or_email_or_phone : str
        customer_id (``system:id``; that of any of the customer's records), the id alone, an e-mail address
        or a phone number: international, or as the source writes it. In a published copy an address or a
        number is looked up by its keyed hash, with ``lookup.key`` of the published folder.
    as_of : date, optional
        First day not seen; default: of the last night, else the day after the last load.
    last_orders : int, default 10
        Orders that are listed; totals are over all.

    Raises
    ------
    UsageError
        Nobody has it, or several customers have; or nothing was loaded yet and no day is given.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import pyarrow as pa
    >>> from crm_analytics.entities.versions import store_versions
    >>> wh = Warehouse.open()
    >>> people = pa.table({"record_number": [1], "source_id": ["C1"], "email": ["ada@example.org"]})
    >>> received = datetime(2024, 5, 1, tzinfo=UTC)
    >>> _ = store_versions(wh, "customers", people, load_id=1, source_system="shop", received_at=received)
    >>> ada = customer(wh, "Ada@Example.org", as_of=date(2025, 7, 1))
    >>> ada.customer_id, ada.orders.purchase_count, [field.name for field in ada.identity.fields]
    ('shop:C1', 0, ['email'])
    >>> customer(wh, "C2", as_of=date(2025, 7, 1))
    Traceback (most recent call last):
    crm_analytics.errors.UsageError: There is no customer 'C2'. Nearest: shop:C1.
    """
    laid_out = frozenset(name for (name,) in wh.rows(_FILLED))
    customer_id = find_customer(wh, id_or_email_or_phone, is_laid_out="made_for" in laid_out)
    day = _last_day(wh) if as_of is None else as_of
    check_day(day)
    if not laid_out:
        # With several currencies and none chosen the amounts are shown as unknown, and why.
        with suppress(CurrencyError):
            settle_currency(wh)
    _, records = records_of(wh, customer_id)
    with _narrowed(wh, customer_id, records, day, laid_out) as told:
        rows = {
            name: _rows(wh, name, day, customer_id) if fact in told else [] for name, fact in SECTIONS.items()
        }
    record_ids = [f"{system}:{source_id}" for system, source_id in records]
    rows |= {name: _rows(wh, name, day, customer_id, record_ids=record_ids) for name in _SCORES}
    return Customer(
        customer_id=customer_id,
        as_of=day,
        currency=wh.settings.reporting_currency,
        identity=_identity(rows["profile"], rows["records"]),
        lifecycle=_lifecycle(rows["lifecycle"], day),
        consents=_newest_first(rows["consents"]),
        deals=_deals(rows["deals"]),
        orders=_orders(rows["orders"], rows["unconverted_orders"], last_orders),
        contracts=_newest_first(rows["contracts"]),
        tickets=_newest_first(rows["tickets"]),
        campaign_contacts=_newest_first(rows["campaign_contacts"]),
        scores=rows["scores"][0] if rows["scores"] else {},
        offers=tuple(rows["offers"]),
        timeline=timeline(rows),
    )


@contextmanager
def _narrowed(
    wh: Warehouse,
    customer_id: str,
    records: Sequence[tuple[str, str]],
    day: date,
    laid_out: frozenset[str],
) -> Iterator[frozenset[str]]:
    """Let the files read the customer's rows alone: laid out in a published copy, else taken out now."""
    if laid_out and wh.value(_LAID_OUT) == day:
        with wh.reading({f"facts.{fact}": f"by_customer.{fact}" for fact in FACTS}):
            yield laid_out
        return
    with one_customer(wh, records, customer_id, as_of=day) as told:
        yield told


def _last_day(wh: Warehouse) -> date:
    night: date | None = wh.value(SqlFile.beside(__file__, "last_night.sql"))
    loaded: date | None = None if night else wh.value(_LAST_LOAD)
    if night is not None:
        return night
    if loaded is None:
        raise UsageError("Nothing was loaded yet. Load files first, or give as_of.")
    return loaded + timedelta(days=1)


def _rows(wh: Warehouse, name: str, day: date, customer_id: str, **asked: Any) -> list[dict[str, Any]]:
    file = SqlFile.beside(__file__, f"{name}.sql")
    columns = list(file.columns)
    given = {"as_of": day, "customer_id": customer_id, **asked}
    found = wh.rows(file, **{name: given[name] for name in file.parameters})
    return [dict(zip(columns, row, strict=True)) for row in found]


def _identity(profiles: Sequence[Row], records: Sequence[Row]) -> Identity:
    fields = [
        Field(name, profile[name], None if told_by is None else profile[told_by])
        for profile in profiles
        for name, told_by in _FIELDS.items()
        if profile[name] is not None
    ]
    owned = [row for row in records if row["owner_source_id"] is not None]
    owner = max(owned, key=lambda row: (row["changed_on"], row["record_id"]), default=None)
    return Identity(tuple(records), tuple(fields), owner["owner_source_id"] if owner else None)


def _lifecycle(states: Sequence[Row], day: date) -> Lifecycle:
    last = states[-1] if states and states[-1]["last_night_on"] == day else None
    return Lifecycle(
        last["lifecycle_state"] if last else None, last["since_on"] if last else None, tuple(states)
    )


def _deals(deals: Sequence[Row]) -> Deals:
    kinds = [row["stage_kind"] for row in deals]
    still_open = sorted(
        (row for row in deals if row["stage_kind"] == "open"),
        key=lambda row: (-(row["amount"] or Decimal(0)), row["opportunity_id"]),
    )
    return Deals(
        funnel_stage=next((row["stage"] for row in still_open if row["stage"]), None),
        open_count=len(still_open),
        open_amount=sum((row["amount"] or Decimal(0) for row in still_open), Decimal(0)),
        won_count=kinds.count("won"),
        lost_count=kinds.count("lost"),
        open=tuple(still_open),
        unconverted=tuple(
            row for row in still_open if row["amount"] is None and row["source_amount"] is not None
        ),
    )


def _orders(orders: Sequence[Row], unconverted: Sequence[Row], last_orders: int) -> Orders:
    bought = [row for row in orders if row["is_purchase"]]
    days = [row["ordered_on"] for row in bought]
    unpriced = sum(row["net_amount"] is None for row in orders)
    is_known = not orders or unpriced < len(orders)
    return Orders(
        purchase_count=len(bought),
        net_amount=sum((row["net_amount"] or Decimal(0) for row in orders), Decimal(0)) if is_known else None,
        returned_amount=(
            sum((row["returned_amount"] or Decimal(0) for row in orders), Decimal(0)) if is_known else None
        ),
        unpriced_count=unpriced,
        first_on=min(days, default=None),
        last_on=max(days, default=None),
        last=_newest_first(orders)[:last_orders],
        unconverted=_newest_first(unconverted),
    )


def _newest_first(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(reversed(rows))
